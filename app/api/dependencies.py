"""What routes are given.

Not by FastAPI's `Depends`: solving those costs more than deciding a spend does. A route under /api/v1 takes the
`LedgerRequest`, which has it all.
"""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Path

from app.schemas.fields import UserId
from app.services.account_service import AccountService
from app.services.catalogue import Catalogue
from app.services.readiness import Readiness
from app.services.wallet_service import WalletService


@dataclass(frozen=True, kw_only=True, slots=True)
class Services:
    """Everything that an application is made of, below HTTP."""

    catalogue: Catalogue
    wallets: WalletService
    accounts: AccountService
    readiness: Readiness


PathUser = Annotated[UserId, Path(alias="external_user_id")]
