"""The catalogue of credits."""

from fastapi import APIRouter

from app.api.answers import asset_type_answer
from app.api.dependencies import GivenServices
from app.api.documented import PROBLEMS_LIST
from app.api.exact_json import BASE_PATH, LedgerRoute
from app.schemas.responses import AssetTypesResponse

router = APIRouter(prefix=f"{BASE_PATH}/asset-types", tags=["asset types"], route_class=LedgerRoute)


@router.get("", operation_id="list_asset_types", responses=PROBLEMS_LIST)
async def list_asset_types(services: GivenServices) -> AssetTypesResponse:
    """Every kind of credit."""
    return AssetTypesResponse(data=[asset_type_answer(each) for each in await services.catalogue.load()])
