"""The catalogue of credits."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Path, Response

from app.api.answers import json_response
from app.api.documented import PROBLEMS_CHANGE, PROBLEMS_CREATE, PROBLEMS_LIST, needs
from app.api.ledger_request import BASE_PATH, LedgerRequest
from app.api.ledger_route import LedgerRoute
from app.api.limits import changed_limits, limit_members
from app.domain.api_keys import Scope
from app.domain.records import NO_LIMITS, AssetType
from app.schemas.catalogue import AssetTypeResponse, AssetTypesResponse, ChangeAssetTypeRequest, CreateAssetTypeRequest
from app.schemas.fields import QueryAssetTypeId

router = APIRouter(prefix=f"{BASE_PATH}/asset-types", tags=["asset types"], route_class=LedgerRoute)

NOT_YET_NUMBERED = 0
CHANGEABLE = ("name", "status", "default_expiry_days", "hold_seconds")
DRY_RUN: dict[int | str, dict[str, Any]] = {
    200: {"description": "A dry run: what would be added", "model": AssetTypeResponse}
}

PathAssetType = Annotated[QueryAssetTypeId, Path(alias="asset_type_id")]


@router.get(
    "",
    operation_id="list_asset_types",
    response_model=AssetTypesResponse,
    responses=PROBLEMS_LIST,
    openapi_extra=needs(Scope.WALLETS_READ),
)
async def list_asset_types(request: LedgerRequest) -> Response:
    """Every kind of credit, with its policy."""
    return json_response({"data": [_members(each) for each in await request.services.catalogue.load()]})


@router.post(
    "",
    operation_id="create_asset_type",
    status_code=201,
    response_model=AssetTypeResponse,
    responses=DRY_RUN | PROBLEMS_CREATE,
    openapi_extra=needs(Scope.ASSETS_WRITE),
)
async def create_asset_type(request: LedgerRequest, body: CreateAssetTypeRequest) -> Response:
    """Add a kind of credit, under the next number. Its code and scale never change, and it can't be removed.

    It can be used at once, whichever process is asked. There is no idempotency key: the code is one.
    """
    wanted = AssetType(
        id=NOT_YET_NUMBERED,
        code=body.asset_code,
        name=body.name,
        scale=body.scale,
        status=body.status,
        default_expiry_days=body.default_expiry_days,
        hold_seconds=body.hold_seconds,
        limits=changed_limits(NO_LIMITS, body.limits, body.scale),
    )
    added = await request.services.assets.create(wanted, dry_run=body.dry_run)
    return json_response(_members(added), status=200 if body.dry_run else 201)


@router.patch(
    "/{asset_type_id}",
    operation_id="change_asset_type",
    response_model=AssetTypeResponse,
    responses=PROBLEMS_CHANGE,
    openapi_extra=needs(Scope.ASSETS_WRITE),
)
async def change_asset_type(
    request: LedgerRequest, asset_type_id: PathAssetType, body: ChangeAssetTypeRequest
) -> Response:
    """Change the name or the policy of a kind of credit; what is left out stays. Every later operation obeys it.

    Credits and holds that are there keep the expiry and the deadline they were given.
    """

    def revised(asset: AssetType) -> AssetType:
        given = {name: getattr(body, name) for name in CHANGEABLE if name in body.model_fields_set}
        return replace(asset, **given, limits=changed_limits(asset.limits, body.limits, asset.scale))

    return json_response(_members(await request.services.assets.change(asset_type_id, revised, dry_run=body.dry_run)))


def _members(asset: AssetType) -> dict[str, Any]:
    """Return the members of an `AssetTypeResponse`."""
    return {
        "asset_type_id": asset.id,
        "asset_code": asset.code,
        "name": asset.name,
        "scale": asset.scale,
        "status": asset.status.value,
        "default_expiry_days": asset.default_expiry_days,
        "hold_seconds": asset.hold_seconds,
        "limits": limit_members(asset.limits, asset.scale),
    }
