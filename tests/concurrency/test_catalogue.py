"""Asset types that are added at once where there is none yet, so that there is nothing to lock."""

import asyncio

from app.database import Database
from app.domain.records import AssetStatus, AssetType
from app.services.asset_service import AssetService

AT_ONCE = 4


async def test_the_first_asset_types_that_are_added_at_once_get_numbers_of_their_own(empty_url: str) -> None:
    databases = [Database(empty_url) for _ in range(2)]
    services = [AssetService(each) for each in databases]
    wanted = [
        AssetType(id=0, code=f"A{number}", name="Made at once", scale=2, status=AssetStatus.ACTIVE)
        for number in range(AT_ONCE)
    ]
    added = await asyncio.gather(*(services[number % 2].create(each) for number, each in enumerate(wanted)))
    for each in databases:
        await each.close()
    assert sorted(each.id for each in added) == [*range(1, AT_ONCE + 1)]
