"""Asset types: the catalogue."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database import Connection
from app.domain.records import AssetStatus, AssetType
from app.models.tables import asset_types
from app.repositories.statements import rows_of, statement

INSERT_MISSING_ASSET_TYPES = statement("insert_missing_asset_types")


async def list_all(connection: AsyncConnection) -> list[AssetType]:
    """Return every asset type in the order of the ids."""
    rows = await connection.execute(
        select(
            asset_types.c.id,
            asset_types.c.code,
            asset_types.c.name,
            asset_types.c.scale,
            asset_types.c.status,
            asset_types.c.default_expiry_days,
        ).order_by(asset_types.c.id)
    )
    return [
        AssetType(
            id=row.id,
            code=row.code,
            name=row.name,
            scale=row.scale,
            status=AssetStatus(row.status),
            default_expiry_days=row.default_expiry_days,
        )
        for row in rows
    ]


async def insert_missing(connection: Connection, rows: Sequence[tuple[int, str, str, int]]) -> int:
    """Add those asset types (id, code, name, scale) that are not there; return how many were added."""
    ids, codes, names, scales = zip(*rows, strict=True)
    return rows_of(await connection.execute(INSERT_MISSING_ASSET_TYPES, ids, codes, names, scales))
