"""What lists are narrowed down to, where several parameters say it."""

from app.api.command_building import named_asset
from app.domain.records import AssetType
from app.services.catalogue import Catalogue


async def wanted_asset(catalogue: Catalogue, asset_type_id: int | None, asset_code: str | None) -> AssetType | None:
    """Return the asset type that a list is narrowed down to, None when it is not.

    Raises:
        AssetAmbiguous: it is named in two ways.
        UnknownAssetType: there is no such asset type.
    """
    if asset_type_id is None and asset_code is None:
        return None
    return await named_asset(catalogue, asset_type_id, asset_code)
