"""Requests to commands: amounts get smallest units, ids are made up, notes are salted."""

import secrets
from typing import Any

from app.domain.amounts import parse_amount
from app.domain.chain import note_digest
from app.domain.commands import Bonus, Command, Spend, TopUp
from app.domain.errors import AssetAmbiguous
from app.domain.placement import bucket_of
from app.domain.records import AssetType, Note
from app.schemas.requests import CreditRequest, SpendRequest, WriteRequest
from app.services.catalogue import Catalogue
from app.services.ids import new_id

SALT_BYTES = 16


async def named_asset(catalogue: Catalogue, asset_type_id: int | None, asset_code: str | None) -> AssetType:
    """Return the asset type that a request names.

    Raises:
        AssetAmbiguous: it names none, or one in two ways.
        UnknownAssetType: there is no such asset type.
    """
    if asset_type_id is not None and asset_code is None:
        return await catalogue.by_id(asset_type_id)
    if asset_code is not None and asset_type_id is None:
        return await catalogue.by_code(asset_code)
    raise AssetAmbiguous


def build_credit(
    kind: type[TopUp | Bonus], body: CreditRequest, *, user: str, asset: AssetType, key: str | None, actor: str
) -> Command:
    """Build a top-up or bonus.

    Raises:
        AmountInvalid: the amount can't be read.
    """
    members = _members(body, user=user, asset=asset, key=key, actor=actor)
    return kind(
        **members,
        lot_id=new_id(members["bucket"]),
        expires_at=body.expires_at,
        expires_in_days=body.expires_in_days,
        never_expires=body.never_expires,
        priority=body.priority,
        open_account=body.open_account,
    )


def build_spend(body: SpendRequest, *, user: str, asset: AssetType, key: str | None, actor: str) -> Command:
    """Build a spend.

    Raises:
        AmountInvalid: the amount can't be read.
    """
    return Spend(**_members(body, user=user, asset=asset, key=key, actor=actor))


def _members(body: WriteRequest, *, user: str, asset: AssetType, key: str | None, actor: str) -> dict[str, Any]:
    bucket = bucket_of(user)
    return {
        "transaction_id": new_id(bucket),
        "external_user_id": user,
        "bucket": bucket,
        "asset_type_id": asset.id,
        "amount": parse_amount(body.amount, asset.scale),
        "actor": actor,
        "idempotency_key": key,
        "note": _note(body.reference, body.metadata),
    }


def _note(reference: str | None, metadata: str | None) -> Note | None:
    if reference is None and metadata is None:
        return None
    salt = secrets.token_bytes(SALT_BYTES)
    return Note(
        reference=reference,
        metadata=metadata,
        operator=None,
        salt=salt,
        digest=note_digest(salt=salt, reference=reference, metadata=metadata, operator=None),
    )
