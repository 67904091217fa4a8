"""The connection ends round the COMMIT of a new asset type, a change of one, or an advance of a sandbox's clock."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace

import pytest

from app.database import CommitUnconfirmed, Connection, Database, T
from app.domain.errors import AssetCodeTaken, DatabaseUnavailable
from app.domain.records import AssetStatus, AssetType
from app.services.asset_service import AssetService
from app.services.catalogue import Catalogue
from app.services.sandbox_service import SandboxService
from tests.faults.cutting_proxy import CuttingProxy, Fault, proxied

GEM = AssetType(id=0, code="GEM", name="Gems", scale=2, status=AssetStatus.ACTIVE)
OTHER = replace(GEM, name="Another under the same code")

cut = pytest.mark.parametrize("fault", [Fault.CUT_BEFORE, Fault.CUT_AFTER, Fault.CUT_REPLY])


@dataclass
class Faulty:
    """A database behind the proxy."""

    proxy: CuttingProxy
    database: Database

    async def listed(self) -> list[AssetType]:
        return await Catalogue(self.database).load()


@pytest.fixture
async def faulty(sandbox_url: str) -> AsyncIterator[Faulty]:
    async with proxied(sandbox_url) as (proxy, url):
        database = Database(url)
        yield Faulty(proxy, database)
        await database.close()


@cut
async def test_an_asset_type_is_added_once(faulty: Faulty, fault: Fault) -> None:
    faulty.proxy.arm(fault)
    added = await AssetService(faulty.database).create(GEM)
    assert added == replace(GEM, id=4)
    assert faulty.proxy.done == 1
    assert (await faulty.listed())[3:] == [added]


class Overtaken(Database):
    """A database whose first unit of work is lost at its COMMIT; before it is tried again somebody else is there."""

    someone_else: AssetService | None

    async def run(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        if self.someone_else is not None:
            await self.someone_else.create(OTHER)
            self.someone_else = None
            raise CommitUnconfirmed
        return await super().run(work)


async def test_an_asset_type_that_somebody_else_has_added_is_not_taken_for_ones_own(database: Database) -> None:
    overtaken = Overtaken(database.engine.url.render_as_string(hide_password=False))
    overtaken.someone_else = AssetService(database)
    with pytest.raises(AssetCodeTaken):
        await AssetService(overtaken).create(GEM)
    await overtaken.close()
    assert (await Catalogue(database).load())[3:] == [replace(OTHER, id=4)]


@cut
async def test_an_asset_type_is_changed(faulty: Faulty, fault: Fault) -> None:
    faulty.proxy.arm(fault)
    changed = await AssetService(faulty.database).change(1, lambda asset: replace(asset, name="Nuggets"))
    assert changed.name == "Nuggets"
    assert (await faulty.listed())[0] == changed


async def test_commits_that_are_lost_again_and_again_are_an_error(faulty: Faulty) -> None:
    faulty.proxy.arm(Fault.CUT_BEFORE, times=100)
    with pytest.raises(DatabaseUnavailable):
        await AssetService(faulty.database).create(GEM)


@cut
async def test_an_advance_of_the_clock_that_is_not_confirmed_is_not_repeated(faulty: Faulty, fault: Fault) -> None:
    sandbox = SandboxService(faulty.database)
    start = await sandbox.advance_clock(0)
    faulty.proxy.arm(fault)
    with pytest.raises(DatabaseUnavailable):
        await sandbox.advance_clock(86_400)
    days = (await sandbox.advance_clock(0) - start).days
    assert days <= 1
    assert days == 0 or fault is not Fault.CUT_BEFORE
