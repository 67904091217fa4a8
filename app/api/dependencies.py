"""What routes are given: the services, who is calling, and the idempotency key."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Path, Request

from app.database import Database
from app.domain.errors import FieldInvalid, IdempotencyKeysDiffer
from app.schemas.fields import UserId, check_key
from app.services.account_service import AccountService
from app.services.catalogue import Catalogue
from app.services.readiness import Readiness
from app.services.wallet_service import WalletService


@dataclass(frozen=True, kw_only=True, slots=True)
class Services:
    """Everything that an application is made of, below HTTP."""

    database: Database
    catalogue: Catalogue
    wallets: WalletService
    accounts: AccountService
    readiness: Readiness


# All asynchronous although none waits: FastAPI runs plain functions in a thread, which costs more than they do.


async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


async def _actor(request: Request) -> str:
    actor: str = request.state.actor
    return actor


async def _header_key(
    request: Request,
    idempotency_key: Annotated[  # noqa: ARG001 - declared for the document; read below, all occurrences of it
        str | None, Header(description="The same as the member idempotency_key, as a header.", max_length=1024)
    ] = None,
) -> str | None:
    """Return the key of the header, bare or quoted.

    Raises:
        IdempotencyKeysDiffer: it is given twice, differently.
        FieldInvalid: it can't be a key.
    """
    given = set(request.headers.getlist("idempotency-key"))
    if not given:
        return None
    if len(given) > 1:
        raise IdempotencyKeysDiffer
    try:
        text = given.pop().encode("latin-1").decode().strip()
        bare = text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
        return check_key(bare)
    except ValueError as error:
        reason = "must be UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise FieldInvalid(field="idempotency_key", reason=reason) from None


def one_key(in_header: str | None, in_body: str | None) -> str | None:
    """Return the key, wherever it is.

    Raises:
        IdempotencyKeysDiffer: both are given and differ.
    """
    if in_header is not None and in_body is not None and in_header != in_body:
        raise IdempotencyKeysDiffer
    return in_header if in_header is not None else in_body


GivenServices = Annotated[Services, Depends(_services)]
Actor = Annotated[str, Depends(_actor)]
HeaderKey = Annotated[str | None, Depends(_header_key)]
PathUser = Annotated[UserId, Path(alias="external_user_id")]
