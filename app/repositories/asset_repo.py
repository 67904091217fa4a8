"""Asset types: the catalogue."""

from collections.abc import Sequence

from app.database import Connection
from app.domain.records import AssetType
from app.repositories.rows import asset_type
from app.repositories.statements import rows_of, statement

LIST_ASSET_TYPES = statement("list_asset_types")
LOCK_ASSET_TYPES = statement("lock_asset_types")
INSERT_ASSET_TYPE = statement("insert_asset_type")
UPDATE_ASSET_TYPE = statement("update_asset_type")
INSERT_MISSING_ASSET_TYPES = statement("insert_missing_asset_types")


async def list_all(connection: Connection) -> list[AssetType]:
    """Return every asset type in the order of the ids."""
    return [asset_type(tuple(row)) for row in await connection.fetch(LIST_ASSET_TYPES)]


async def lock(connection: Connection) -> None:
    """Keep everybody else from adding or changing asset types until the unit of work is over."""
    await connection.execute(LOCK_ASSET_TYPES)


async def insert(connection: Connection, asset: AssetType) -> None:
    """Add an asset type."""
    await connection.execute(INSERT_ASSET_TYPE, asset.id, asset.code, asset.name, asset.scale, *_policy(asset))


async def update(connection: Connection, asset: AssetType) -> None:
    """Give an asset type this name and this policy."""
    await connection.execute(UPDATE_ASSET_TYPE, asset.id, asset.name, *_policy(asset))


def _policy(asset: AssetType) -> tuple[str | int | None, ...]:
    limits = asset.limits
    return (
        asset.status.value,
        asset.default_expiry_days,
        asset.hold_seconds,
        limits.amount_min,
        limits.amount_max,
        limits.balance_max,
        limits.daily_spend_max,
        limits.daily_credit_max,
    )


async def insert_missing(connection: Connection, rows: Sequence[tuple[int, str, str, int]]) -> int:
    """Add those asset types (id, code, name, scale) that are not there; return how many were added."""
    ids, codes, names, scales = zip(*rows, strict=True)
    return rows_of(await connection.execute(INSERT_MISSING_ASSET_TYPES, ids, codes, names, scales))
