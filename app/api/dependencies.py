"""What routes are given.

Not by FastAPI's `Depends`: solving those costs more than deciding a spend does. A route under /api/v1 takes the
`LedgerRequest`, which has it all.
"""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Path

from app.api.bodies import Bodies
from app.config import Settings
from app.schemas.fields import Identifier, UserId
from app.services.account_service import AccountService
from app.services.asset_service import AssetService
from app.services.catalogue import Catalogue
from app.services.history_service import HistoryService
from app.services.key_service import KeyService
from app.services.listing_service import ListingService
from app.services.rate_limits import RateLimits
from app.services.readiness import Readiness
from app.services.sandbox_service import SandboxService
from app.services.transaction_directory import TransactionDirectory
from app.services.wallet_service import WalletService


@dataclass(frozen=True, kw_only=True, slots=True)
class Services:
    """Everything that an application is made of, below its routes."""

    settings: Settings
    bodies: Bodies
    catalogue: Catalogue
    wallets: WalletService
    transactions: TransactionDirectory
    accounts: AccountService
    listings: ListingService
    history: HistoryService
    assets: AssetService
    sandbox: SandboxService
    keys: KeyService
    rates: RateLimits
    readiness: Readiness


PathUser = Annotated[UserId, Path(alias="external_user_id")]
PathHold = Annotated[Identifier, Path(alias="hold_id")]
PathTransaction = Annotated[Identifier, Path(alias="transaction_id")]
