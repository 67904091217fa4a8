"""One owner's rows in memory, and units of work over them: what `posting` does with a database, without one."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from uuid import UUID

from app.domain import chain
from app.domain.account import Account
from app.domain.audit import OwnerAudit, StoredNote
from app.domain.burn_order import burn_key
from app.domain.commands import Command
from app.domain.errors import WalletError
from app.domain.placement import account_id_of, bucket_of, with_bucket
from app.domain.records import (
    AccountRow,
    AccountStatus,
    AssetStatus,
    AssetType,
    DecidedRow,
    LotRow,
    LotUse,
    Outcome,
    Receipt,
    TransactionRecord,
    WalletRow,
)
from app.domain.wallet import Lot, Wallet

USER = "user_test"
BUCKET = bucket_of(USER)
OWNER_ID = account_id_of(7, BUCKET)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ASSETS = {
    1: AssetType(id=1, code="GOLD", name="Gold", scale=2, status=AssetStatus.ACTIVE),
    2: AssetType(id=2, code="DMND", name="Diamonds", scale=0, status=AssetStatus.ACTIVE, default_expiry_days=30),
}

_ids = count(1)


def fresh_id(bucket: int = BUCKET) -> UUID:
    """Return an id that rises with each call, as UUIDv7 do."""
    return with_bucket((next(_ids) << 80) | (7 << 76) | (2 << 62), bucket)


class MemoryLedger:
    """The stored rows of one owner."""

    def __init__(self) -> None:
        self.account = AccountRow(
            id=OWNER_ID,
            bucket=BUCKET,
            external_user_id=USER,
            status=AccountStatus.ACTIVE,
            last_seq=0,
            last_hash=chain.GENESIS,
            last_at=EPOCH,
            last_effective_at=EPOCH,
        )
        self.wallets: dict[int, WalletRow] = {}
        self.lots: dict[UUID, LotRow] = {}
        self.transactions: list[tuple[TransactionRecord, bytes]] = []

    def unit(self, commands: Sequence[Command], now: datetime) -> list[Receipt | WalletError]:
        """Run one unit of work: load, settle, decide, keep."""
        account = self._load(max(now, self.account.last_at))
        account.settle(now, fresh_id)
        answers: list[Receipt | WalletError] = []
        for command in commands:
            try:
                answers.append(account.execute(command, ASSETS[command.asset_type_id], now))
            except WalletError as error:
                answers.append(error)
        self._keep(account)
        return answers

    def audit(self) -> None:
        """Recompute everything; raises AuditFailure for what is wrong."""
        audit = OwnerAudit(self.account)
        for transaction, stored_hash in self.transactions:
            note = transaction.note
            stored = None
            if note is not None:
                stored = StoredNote(
                    digest=note.digest,
                    salt=note.salt,
                    reference=note.reference,
                    metadata=note.metadata,
                    operator=note.operator,
                )
            audit.add(transaction, stored_hash, stored)
        audit.finish(list(self.wallets.values()), self.lots.values())

    def _load(self, now: datetime) -> Account:
        wallets = []
        for row in self.wallets.values():
            lots = [each for each in self.lots.values() if each.asset_type_id == row.asset_type_id and each.remaining]
            due = [each for each in lots if each.expires_at is not None and each.expires_at <= now]
            free = sorted((each for each in lots if each not in due), key=burn_key)
            coming = [each.expires_at for each in free if each.expires_at is not None]
            is_due = row.next_due_at is not None and row.next_due_at <= now
            wallet = Wallet(
                row,
                due_lots=[Lot(each, is_new=False) for each in due] if is_due else [],
                next_expiry_at=min(coming, default=None),
            )
            wallet.load_free_lots(free)
            wallets.append(wallet)
        return Account(self.account, wallets=wallets, decided=self._decided())

    def _decided(self) -> list[DecidedRow]:
        return [
            DecidedRow(
                owner_id=each.owner_id,
                idempotency_key=each.idempotency_key,
                transaction_id=each.id,
                seq=each.seq,
                type=each.type,
                outcome=each.outcome,
                asset_type_id=each.asset_type_id or 0,
                amount=each.amount or 0,
                fingerprint=each.fingerprint,
                terms=each.terms,
                facts=each.facts,
                created_at=each.created_at,
                balance_after=[e.balance_after for e in each.entries if e.lot_id][-1] if each.entries else None,
                lots=tuple(
                    LotUse(lot_id=lot.id, kind=lot.kind, amount=abs(entry.amount), expires_at=lot.expires_at)
                    for entry in each.entries
                    if entry.lot_id is not None
                    for lot in [self.lots[entry.lot_id]]
                ),
            )
            for each, _ in self.transactions
        ]

    def _keep(self, account: Account) -> None:
        self.account = replace(
            self.account,
            last_seq=account.last_seq,
            last_hash=account.last_hash,
            last_at=account.last_at,
            last_effective_at=account.last_effective_at,
        )
        self.transactions += account.transactions
        for wallet in account.wallets.values():
            if wallet.changed:
                self.wallets[wallet.asset_type_id] = WalletRow(
                    owner_id=account.id,
                    asset_type_id=wallet.asset_type_id,
                    posted=wallet.posted,
                    held=wallet.held,
                    next_due_at=wallet.next_due_at,
                )
            for lot in wallet.lots_changed:
                self.lots[lot.id] = replace(lot.row, remaining=lot.remaining, held=lot.held)

    @property
    def posted(self) -> list[TransactionRecord]:
        """The transactions that were posted."""
        return [each for each, _ in self.transactions if each.outcome is Outcome.POSTED]
