"""The catalogue of credits."""

from fastapi import APIRouter, Response

from app.api.answers import asset_type_members, json_response
from app.api.documented import PROBLEMS_LIST
from app.api.ledger_request import BASE_PATH, LedgerRequest
from app.api.ledger_route import LedgerRoute
from app.schemas.responses import AssetTypesResponse

router = APIRouter(prefix=f"{BASE_PATH}/asset-types", tags=["asset types"], route_class=LedgerRoute)


@router.get("", operation_id="list_asset_types", response_model=AssetTypesResponse, responses=PROBLEMS_LIST)
async def list_asset_types(request: LedgerRequest) -> Response:
    """Every kind of credit."""
    return json_response({"data": [asset_type_members(each) for each in await request.services.catalogue.load()]})
