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
    AnyReceipt,
    AssetStatus,
    AssetType,
    DecidedRow,
    HoldRow,
    HoldStatus,
    LotRow,
    LotUse,
    Outcome,
    ParentRow,
    TransactionRecord,
    TransactionType,
    WalletRow,
)
from app.domain.replays import row_of
from app.domain.wallet import Wallet

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
    return UUID(int=with_bucket((next(_ids) << 80) | (7 << 76) | (2 << 62), bucket))


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
        self.assets = dict(ASSETS)
        self.wallets: dict[int, WalletRow] = {}
        self.lots: dict[UUID, LotRow] = {}
        self.holds: dict[UUID, HoldRow] = {}
        self.transactions: list[tuple[TransactionRecord, bytes]] = []

    def unit(self, commands: Sequence[Command], now: datetime) -> list[AnyReceipt | WalletError]:
        """Run one unit of work: load, settle, decide, keep."""
        account = self._load(max(now, self.account.last_at))
        account.settle(now)
        answers: list[AnyReceipt | WalletError] = []
        for command in commands:
            try:
                answers.append(account.execute(command, self.assets, now))
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
                    reason=note.reason,
                )
            audit.add(transaction, stored_hash, stored)
        audit.finish(list(self.wallets.values()), self.lots.values(), self.holds.values())

    def _load(self, now: datetime) -> Account:
        """Load everything, as if every command named every hold and transaction."""
        wallets = [self._wallet(row, now) for row in self.wallets.values()]
        return Account(
            self.account,
            fresh_id,
            wallets=wallets,
            holds=self.holds.values(),
            parents=[self._parent(each) for each, _ in self.transactions if each.asset_type_id is not None],
            decided=self._decided(),
        )

    def _wallet(self, row: WalletRow, now: datetime) -> Wallet:
        lots = [each for each in self.lots.values() if each.asset_type_id == row.asset_type_id]
        open_lots = [each for each in lots if each.remaining > each.held]
        due = [each for each in open_lots if each.expires_at is not None and each.expires_at <= now]
        coming = [each.expires_at for each in lots if each.remaining and each.expires_at and each.expires_at > now]
        coming += [
            each.deadline
            for each in self.holds.values()
            if each.asset_type_id == row.asset_type_id and each.status is HoldStatus.OPEN and each.deadline > now
        ]
        is_due = row.next_due_at is not None and row.next_due_at <= now
        wallet = Wallet(row, next_due_at=min(coming, default=None) if is_due else None)
        for lot in lots:
            wallet.know(lot)
        wallet.due_lots = [wallet.know(each) for each in due] if is_due else []
        wallet.load_free_lots(sorted((each for each in open_lots if each not in due), key=burn_key))
        wallet.knows_holds = True
        return wallet

    def _parent(self, transaction: TransactionRecord) -> ParentRow:
        refunds = [
            each.refund for each, _ in self.transactions if each.refund is not None and each.parent_id == transaction.id
        ]
        return ParentRow(
            id=transaction.id,
            owner_id=transaction.owner_id,
            type=transaction.type,
            outcome=transaction.outcome,
            asset_type_id=transaction.asset_type_id or 0,
            amount=transaction.amount or 0,
            created_at=transaction.created_at,
            facts=transaction.facts,
            refunds=max((each.number for each in refunds), default=0),
            refunded=max((each.refunded_after for each in refunds), default=0),
            lines=tuple(
                (self.lots[each.lot_id], each.amount) for each in transaction.entries if each.lot_id is not None
            ),
        )

    def _decided(self) -> list[DecidedRow]:
        rows = {each.id: self._decided_row(each) for each, _ in self.transactions}
        for each, _ in self.transactions:
            if each.type is TransactionType.GROUP:
                members = [rows[member.id] for member, _ in self.transactions if member.group_id == each.id]
                rows[each.id] = replace(rows[each.id], members=tuple(members))
        return list(rows.values())

    def _decided_row(self, transaction: TransactionRecord) -> DecidedRow:
        balances = [
            entry.balance_after
            for each, _ in self.transactions
            for entry in each.entries
            if each.seq <= transaction.seq
            and entry.asset_type_id == transaction.asset_type_id
            and entry.balance_after is not None
        ]
        return replace(
            row_of(transaction),
            balance_after=balances[-1] if balances else None,
            lines=tuple(
                LotUse(lot_id=lot.id, kind=lot.kind, amount=entry.amount, expires_at=lot.expires_at)
                for entry in transaction.entries
                if entry.lot_id is not None
                for lot in [self.lots[entry.lot_id]]
            ),
        )

    def _keep(self, account: Account) -> None:
        history = account.history
        self.account = replace(
            self.account,
            external_user_id=account.external_user_id,
            status=account.status,
            limits=account.books.limits,
            last_seq=history.last_seq,
            last_hash=history.last_hash,
            last_at=history.last_at,
            last_effective_at=history.last_effective_at,
        )
        self.transactions += history.appended
        for wallet in account.books.wallets.values():
            if wallet.changed:
                self.wallets[wallet.asset_type_id] = WalletRow(
                    owner_id=account.id,
                    asset_type_id=wallet.asset_type_id,
                    posted=wallet.posted,
                    held=wallet.held,
                    next_due_at=wallet.next_due_at,
                    day=wallet.day,
                    day_spent=wallet.day_spent,
                    day_credited=wallet.day_credited,
                )
            for lot in wallet.lots_changed:
                self.lots[lot.id] = replace(
                    lot.row,
                    remaining=lot.remaining,
                    held=lot.held,
                    debt=lot.debt,
                    expired=lot.expired,
                    reversed=lot.reversed,
                )
        self.holds |= {hold.id: hold.stored() for hold in account.books.holds.values() if hold.changed}

    @property
    def posted(self) -> list[TransactionRecord]:
        """The transactions that were posted."""
        return [each for each, _ in self.transactions if each.outcome is Outcome.POSTED]
