"""Asset types by id or code. Code and scale never change, so they are kept in memory; policy is never asked here."""

from app.database import Database
from app.domain.errors import UnknownAssetType
from app.domain.records import AssetType
from app.repositories import asset_repo


class Catalogue:
    """The asset types of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._by_id: dict[int, AssetType] = {}
        self._by_code: dict[str, AssetType] = {}

    async def load(self) -> list[AssetType]:
        """Read the catalogue and return it as it is now, policy included."""
        asset_types = await self._database.read(asset_repo.list_all)
        self._by_id = {each.id: each for each in asset_types}
        self._by_code = {each.code: each for each in asset_types}
        return asset_types

    async def by_id(self, asset_type_id: int) -> AssetType:
        """Return an asset type; only id, code and scale of the answer may be relied on.

        Raises:
            UnknownAssetType: there is none with this id.
        """
        if asset_type_id not in self._by_id:
            await self.load()
        if asset_type_id not in self._by_id:
            raise UnknownAssetType(asset=asset_type_id)
        return self._by_id[asset_type_id]

    async def by_code(self, code: str) -> AssetType:
        """Return an asset type; only id, code and scale of the answer may be relied on.

        Raises:
            UnknownAssetType: there is none with this code.
        """
        if code not in self._by_code:
            await self.load()
        if code not in self._by_code:
            raise UnknownAssetType(asset=code)
        return self._by_code[code]
