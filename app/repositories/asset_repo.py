"""Asset types: the catalogue."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.records import AssetStatus, AssetType
from app.models.tables import asset_types


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
