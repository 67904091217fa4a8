"""Adding asset types and changing their policy.

Writers take turns under one lock, so two that come at once get two numbers, and no change is lost. Nothing needs to be
told to other processes: they load policy with each batch, and look up an asset type that they do not know yet.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from app.database import Connection, Database
from app.domain.errors import AssetCodeTaken, UnknownAssetType
from app.domain.records import AssetType
from app.repositories import asset_repo
from app.services.repeating import run_repeatedly


class AssetService:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, wanted: AssetType, *, dry_run: bool = False) -> AssetType:
        """Add an asset type, whose id becomes the next number, and return it as it is then.

        Raises:
            AssetCodeTaken: there is one with this code.
            Unavailable: nothing was changed, or it is not known; the code tells by then.
        """

        async def work(connection: Connection, *, was_sent: bool) -> AssetType:
            if not dry_run:
                await asset_repo.lock(connection)
            known = await asset_repo.list_all(connection)
            taken = next((each for each in known if each.code == wanted.code), None)
            if taken is not None:
                if was_sent and replace(taken, id=wanted.id) == wanted:
                    return taken
                raise AssetCodeTaken(asset_code=wanted.code)
            added = replace(wanted, id=max((each.id for each in known), default=0) + 1)
            if not dry_run:
                await asset_repo.insert(connection, added)
            return added

        return await run_repeatedly(self._database, partial(work, was_sent=False), again=partial(work, was_sent=True))

    async def change(
        self, asset_type_id: int, revise: Callable[[AssetType], AssetType], *, dry_run: bool = False
    ) -> AssetType:
        """Make of an asset type what `revise` makes of it, and return that. Code and scale stay.

        `revise` is given what is there under the lock, perhaps more than once; what it raises changes nothing.

        Raises:
            UnknownAssetType: there is none with this id.
            Unavailable: nothing was changed, or it is not known; the call can simply be repeated.
        """

        async def work(connection: Connection) -> AssetType:
            if not dry_run:
                await asset_repo.lock(connection)
            known = await asset_repo.list_all(connection)
            current = next((each for each in known if each.id == asset_type_id), None)
            if current is None:
                raise UnknownAssetType(asset=asset_type_id)
            revised = revise(current)
            if not dry_run:
                await asset_repo.update(connection, revised)
            return revised

        return await run_repeatedly(self._database, work)
