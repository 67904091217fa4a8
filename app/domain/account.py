"""An owner in memory: what each command does to its wallets and to its history.

Commands are decided one after the other. Each decision that is kept becomes the owner's next transaction: the next
`seq`, and a hash over the one before. Nothing here waits, reads a clock or makes up an id: those are arguments.
"""

import json
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from itertools import groupby
from typing import assert_never
from uuid import UUID

from app.domain import chain
from app.domain.amounts import UNITS_MAX
from app.domain.commands import Bonus, Command, Credit, Spend, TopUp
from app.domain.errors import (
    ERRORS_BY_CODE,
    AccountClosed,
    AccountFrozen,
    AccountQuarantined,
    AssetTypeInactive,
    BalanceLimitExceeded,
    ExpiryInvalid,
    Fact,
    IdempotencyMismatch,
    InsufficientFunds,
    LedgerCorrupt,
    StateRefusal,
)
from app.domain.placement import BREAKAGE_ID, TREASURY_ID
from app.domain.records import (
    AccountRow,
    AccountStatus,
    AssetStatus,
    AssetType,
    Balance,
    DecidedRow,
    EntryRecord,
    LotRow,
    LotUse,
    Note,
    Outcome,
    Receipt,
    TransactionRecord,
    TransactionType,
    WalletRow,
)
from app.domain.wallet import Lot, Taken, Wallet

FROZEN_REFUSES = frozenset({TransactionType.SPEND, TransactionType.BONUS})


class Account:
    """The owner of the wallets, as one unit of work sees it."""

    def __init__(
        self,
        row: AccountRow,
        *,
        wallets: Iterable[Wallet] = (),
        decided: Iterable[DecidedRow] = (),
        is_new: bool = False,
    ) -> None:
        self.id = row.id
        self.bucket = row.bucket
        self.external_user_id = row.external_user_id
        self.status = row.status
        self.is_new = is_new
        self.last_seq = row.last_seq
        self.last_hash = row.last_hash
        self.last_at = row.last_at
        self.last_effective_at = row.last_effective_at
        self.wallets = {wallet.asset_type_id: wallet for wallet in wallets}
        self.transactions: list[tuple[TransactionRecord, bytes]] = []
        """What this unit of work decided, each with its hash."""
        self._decided: dict[str, DecidedRow] = {}
        self._decided_ids: dict[UUID, DecidedRow] = {}
        for each in decided:
            self._decided_ids[each.transaction_id] = each
            if each.idempotency_key is not None:
                self._decided[each.idempotency_key] = each
        self._decided_here: dict[str, tuple[TransactionRecord, tuple[LotUse, ...]]] = {}
        """By key, what this unit of work decided, with the lots it made or took."""

    # -- time ------------------------------------------------------------------------------------------------------

    def settle(self, now: datetime, new_id: Callable[[int], UUID]) -> None:
        """Book what time has decided up to `now`, in time order: one expiry for each wallet and due moment."""
        now = max(now, self.last_at)
        due = sorted(
            (lot.row.expires_at, wallet.asset_type_id, lot.key, lot)
            for wallet in self.wallets.values()
            for lot in wallet.due_lots
            if lot.row.expires_at is not None and lot.row.expires_at <= now
        )
        for (due_at, asset_type_id), group in groupby(due, key=lambda each: each[:2]):
            self._expire(self.wallets[asset_type_id], [each[3] for each in group], due_at, now, new_id(self.bucket))
        for wallet in self.wallets.values():
            if wallet.next_due_at is not None and wallet.next_due_at <= now:
                wallet.settled()

    def _expire(self, wallet: Wallet, lots: list[Lot], due_at: datetime, now: datetime, transaction_id: UUID) -> None:
        taken = wallet.expire(lots)
        self._append(
            transaction_id=transaction_id,
            type=TransactionType.EXPIRY,
            asset_type_id=wallet.asset_type_id,
            amount=sum(each.amount for each in taken),
            actor="system",
            now=now,
            effective_at=due_at,
            entries=self._entries_of_taken(wallet, taken, counter_account_id=BREAKAGE_ID),
        )

    # -- commands --------------------------------------------------------------------------------------------------

    def execute(self, command: Command, asset: AssetType, now: datetime) -> Receipt:
        """Decide `command` at `now`, after `settle(now)`.

        Raises:
            IdempotencyMismatch: the key was used for another request; nothing is recorded.
            Malformed: only the clock could tell that the request is wrong; nothing is recorded.
            StateRefusal: refused on the state. Under a key it is recorded, and replays as the same refusal.
        """
        now = max(now, self.last_at)
        if (decided := self._decided_ids.get(command.transaction_id)) is not None:
            return self._answer(decided, replayed=False)  # this very command, whose outcome had been lost
        if command.idempotency_key is not None and (decided := self._decided_under(command.idempotency_key)):
            return self._replay(decided, command)
        expires_at = _expiry(command, asset, now) if isinstance(command, Credit) else None
        try:
            self._check_state(command)
            match command:
                case TopUp() | Bonus():
                    return self._credit(command, asset, expires_at, now)
                case Spend():
                    return self._spend(command, asset, now)
                case _:
                    raise TypeError(f"no rule for {type(command).__name__}")
        except StateRefusal as refusal:
            self._record_refusal(refusal, command, now)
            raise

    def _check_state(self, command: Command) -> None:
        match self.status:
            case AccountStatus.ACTIVE:
                return
            case AccountStatus.FROZEN:
                if command.type in FROZEN_REFUSES:
                    raise AccountFrozen
            case AccountStatus.QUARANTINED:
                raise AccountQuarantined
            case AccountStatus.CLOSED:
                raise AccountClosed
            case _:
                assert_never(self.status)

    def _credit(self, command: Credit, asset: AssetType, expires_at: datetime | None, now: datetime) -> Receipt:
        wallet = self._wallet(asset)
        if asset.status is AssetStatus.INACTIVE:
            raise AssetTypeInactive(asset_type_id=asset.id, asset_code=asset.code)
        if wallet.posted + command.amount > UNITS_MAX:
            raise BalanceLimitExceeded(
                asset_type_id=asset.id, balance=wallet.posted, balance_max=UNITS_MAX, amount=command.amount
            )
        lot = LotRow(
            id=command.lot_id,
            owner_id=self.id,
            asset_type_id=asset.id,
            seq=self.last_seq + 1,
            kind=command.lot_kind,
            priority=command.priority,
            expires_at=expires_at,
            granted=command.amount,
            remaining=command.amount,
            held=0,
        )
        wallet.add(lot)
        entries = (
            EntryRecord(
                line=1,
                account_id=self.id,
                asset_type_id=asset.id,
                lot_id=lot.id,
                amount=command.amount,
                balance_after=wallet.posted,
            ),
            _counter_entry(2, TREASURY_ID, asset.id, -command.amount),
        )
        uses = (LotUse(lot_id=lot.id, kind=lot.kind, amount=command.amount, expires_at=expires_at),)
        return self._post(command, wallet, now, entries=entries, lots=(lot,), uses=uses)

    def _spend(self, command: Spend, asset: AssetType, now: datetime) -> Receipt:
        wallet = self._wallet(asset)
        if wallet.available < command.amount:
            raise InsufficientFunds(
                asset_type_id=asset.id,
                available=wallet.available,
                held=wallet.held,
                required=command.amount,
                shortfall=command.amount - wallet.available,
            )
        taken = wallet.burn(command.amount)
        return self._post(
            command,
            wallet,
            now,
            entries=self._entries_of_taken(wallet, taken, counter_account_id=TREASURY_ID),
            uses=tuple(
                LotUse(lot_id=each.lot.id, kind=each.lot.kind, amount=each.amount, expires_at=each.lot.expires_at)
                for each in taken
            ),
        )

    # -- history ---------------------------------------------------------------------------------------------------

    def _post(
        self,
        command: Command,
        wallet: Wallet,
        now: datetime,
        *,
        entries: tuple[EntryRecord, ...],
        uses: tuple[LotUse, ...],
        lots: tuple[LotRow, ...] = (),
    ) -> Receipt:
        transaction = self._append_command(command, Outcome.POSTED, now, entries=entries, lots=lots)
        if command.idempotency_key is not None:
            self._decided_here[command.idempotency_key] = transaction, uses
        return Receipt(
            transaction_id=transaction.id,
            type=transaction.type,
            amount=command.amount,
            seq=transaction.seq,
            created_at=now,
            balance_after=wallet.posted,
            balance=self._balance(wallet),
            lots=uses,
            replayed=False,
        )

    def _record_refusal(self, refusal: StateRefusal, command: Command, now: datetime) -> None:
        if command.idempotency_key is None:
            return
        facts = json.dumps({"code": refusal.code, **refusal.facts}, sort_keys=True, separators=(",", ":"))
        transaction = self._append_command(command, Outcome.REFUSED, now, facts=facts)
        self._decided_here[command.idempotency_key] = transaction, ()
        refusal.transaction_id, refusal.decided_at = transaction.id, now

    def _replay(self, decided: DecidedRow, command: Command) -> Receipt:
        if command.fingerprint() != decided.fingerprint:
            raise IdempotencyMismatch(field=_differing_field(decided, command))
        return self._answer(decided, replayed=True)

    def _answer(self, decided: DecidedRow, *, replayed: bool) -> Receipt:
        if decided.outcome is Outcome.REFUSED:
            raise _recorded_refusal(decided, replayed=replayed)
        if decided.balance_after is None:
            raise LedgerCorrupt(problem=f"transaction {decided.transaction_id} is posted and has no entry")
        return Receipt(
            transaction_id=decided.transaction_id,
            type=decided.type,
            amount=decided.amount,
            seq=decided.seq,
            created_at=decided.created_at,
            balance_after=decided.balance_after,
            balance=self._balance(self.wallets[decided.asset_type_id]),
            lots=decided.lots,
            replayed=replayed,
        )

    def _decided_under(self, key: str) -> DecidedRow | None:
        """Return what was decided under a key, before this unit of work or in it."""
        here = self._decided_here.get(key)
        return self._decided.get(key) if here is None else _decided_row(*here)

    def _append_command(
        self,
        command: Command,
        outcome: Outcome,
        now: datetime,
        *,
        facts: str | None = None,
        entries: tuple[EntryRecord, ...] = (),
        lots: tuple[LotRow, ...] = (),
    ) -> TransactionRecord:
        return self._append(
            transaction_id=command.transaction_id,
            type=command.type,
            outcome=outcome,
            asset_type_id=command.asset_type_id,
            amount=command.amount,
            actor=command.actor,
            now=now,
            effective_at=now,
            idempotency_key=command.idempotency_key,
            fingerprint=None if command.idempotency_key is None else command.fingerprint(),
            terms=command.terms,
            facts=facts,
            note=command.note,
            entries=entries,
            lots=lots,
        )

    def _append(
        self,
        *,
        transaction_id: UUID,
        type: TransactionType,  # noqa: A002 - the column's name
        asset_type_id: int,
        amount: int,
        actor: str,
        now: datetime,
        effective_at: datetime,
        outcome: Outcome = Outcome.POSTED,
        idempotency_key: str | None = None,
        fingerprint: bytes | None = None,
        terms: str | None = None,
        facts: str | None = None,
        note: Note | None = None,
        entries: tuple[EntryRecord, ...] = (),
        lots: tuple[LotRow, ...] = (),
    ) -> TransactionRecord:
        """Make the owner's next transaction: the only place where `seq`, times and hash move on."""
        transaction = TransactionRecord(
            id=transaction_id,
            owner_id=self.id,
            bucket=self.bucket,
            seq=self.last_seq + 1,
            type=type,
            outcome=outcome,
            asset_type_id=asset_type_id,
            amount=amount,
            idempotency_key=idempotency_key,
            fingerprint=fingerprint,
            actor=actor,
            created_at=now,
            effective_at=max(effective_at, self.last_effective_at),
            terms=terms,
            facts=facts,
            note=note,
            entries=entries,
            lots=lots,
        )
        self.last_hash = chain.next_hash(self.last_hash, transaction)
        self.last_seq = transaction.seq
        self.last_at = now
        self.last_effective_at = transaction.effective_at
        self.transactions.append((transaction, self.last_hash))
        return transaction

    # -- parts -----------------------------------------------------------------------------------------------------

    def _wallet(self, asset: AssetType) -> Wallet:
        if asset.id not in self.wallets:
            row = WalletRow(owner_id=self.id, asset_type_id=asset.id, posted=0, held=0, next_due_at=None)
            self.wallets[asset.id] = Wallet(row, is_new=True)
        return self.wallets[asset.id]

    def _balance(self, wallet: Wallet) -> Balance:
        return Balance(
            account_id=self.id,
            asset_type_id=wallet.asset_type_id,
            posted=wallet.posted - wallet.due,
            held=wallet.held,
        )

    def _entries_of_taken(
        self, wallet: Wallet, taken: list[Taken], *, counter_account_id: int
    ) -> tuple[EntryRecord, ...]:
        own = (
            EntryRecord(
                line=line,
                account_id=self.id,
                asset_type_id=wallet.asset_type_id,
                lot_id=each.lot.id,
                amount=-each.amount,
                balance_after=each.balance_after,
            )
            for line, each in enumerate(taken, start=1)
        )
        total = sum(each.amount for each in taken)
        return (*own, _counter_entry(len(taken) + 1, counter_account_id, wallet.asset_type_id, total))


def _decided_row(transaction: TransactionRecord, uses: tuple[LotUse, ...]) -> DecidedRow:
    """Return what a load would return of a transaction that this unit of work has just decided."""
    balances = [each.balance_after for each in transaction.entries if each.balance_after is not None]
    return DecidedRow(
        owner_id=transaction.owner_id,
        idempotency_key=transaction.idempotency_key,
        transaction_id=transaction.id,
        seq=transaction.seq,
        type=transaction.type,
        outcome=transaction.outcome,
        asset_type_id=transaction.asset_type_id or 0,
        amount=transaction.amount or 0,
        fingerprint=transaction.fingerprint,
        terms=transaction.terms,
        facts=transaction.facts,
        created_at=transaction.created_at,
        balance_after=balances[-1] if balances else None,
        lots=uses,
    )


def _counter_entry(line: int, account_id: int, asset_type_id: int, amount: int) -> EntryRecord:
    return EntryRecord(
        line=line, account_id=account_id, asset_type_id=asset_type_id, lot_id=None, amount=amount, balance_after=None
    )


def _expiry(command: Credit, asset: AssetType, now: datetime) -> datetime | None:
    """Return when the new lot expires: as stated, else by the asset type's default, else never."""
    if command.never_expires:
        return None
    if command.expires_at is not None:
        if command.expires_at <= now:
            raise ExpiryInvalid(now=now)
        return command.expires_at
    days = command.expires_in_days if command.expires_in_days is not None else asset.default_expiry_days
    return None if days is None else now + timedelta(days=days)


def _differing_field(decided: DecidedRow, command: Command) -> str:
    """Name the first member in which a request differs from the one that used the key before."""
    if decided.type is not command.type:
        return "type"
    if decided.asset_type_id != command.asset_type_id:
        return "asset_type_id"
    if decided.amount != command.amount:
        return "amount"
    before, after = json.loads(decided.terms or "{}"), json.loads(command.terms or "{}")
    return next((str(name) for name in sorted({*before, *after}) if before.get(name) != after.get(name)), "terms")


def _recorded_refusal(decided: DecidedRow, *, replayed: bool) -> StateRefusal:
    facts: dict[str, Fact] = json.loads(decided.facts or "{}")
    kind = ERRORS_BY_CODE.get(str(facts.pop("code", "")))
    if kind is None or not issubclass(kind, StateRefusal):
        raise LedgerCorrupt(problem=f"transaction {decided.transaction_id} is refused and says no known reason")
    refusal = kind(**facts)
    refusal.transaction_id, refusal.decided_at, refusal.replayed = (
        decided.transaction_id,
        decided.created_at,
        replayed,
    )
    return refusal
