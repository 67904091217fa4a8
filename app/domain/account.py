"""An owner in memory: what time and each command do to its books, and what its history remembers of it.

Commands are decided one after the other. Each decision that is kept becomes the owner's next transaction: the next
`seq`, and a hash over the one before. Nothing here waits, reads a clock or makes up an id: those are arguments.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import assert_never
from uuid import UUID

from app.domain.account_changes import changed_limits, expect_change_allowed, tombstone
from app.domain.adjustments import adjust
from app.domain.books import Books, Decision
from app.domain.chain import canonical
from app.domain.commands import (
    Adjustment,
    Bonus,
    BookDue,
    Capture,
    ChangeAccount,
    Command,
    Credit,
    EraseAccount,
    Extend,
    Group,
    OnHold,
    OnTransaction,
    Operation,
    PlaceHold,
    Refund,
    Release,
    Reversal,
    Spend,
    TopUp,
)
from app.domain.credits import credit, expect_expiry_to_come, reverse
from app.domain.errors import (
    AccountClosed,
    AccountFrozen,
    AccountQuarantined,
    IdempotencyMismatch,
    LedgerCorrupt,
    StateRefusal,
    UnknownAssetType,
    WalletError,
)
from app.domain.history import History
from app.domain.holds import capture, extend, place_hold, release
from app.domain.records import (
    AccountRow,
    AccountStatus,
    AnyReceipt,
    AssetType,
    Balance,
    ChangeReceipt,
    DecidedRow,
    GroupReceipt,
    HoldRow,
    Outcome,
    ParentRow,
    Receipt,
    TransactionRecord,
    TransactionType,
)
from app.domain.refunds import refund
from app.domain.replays import differing_field, facts_of, refusal_of, row_of, uses_of
from app.domain.settlement import book_expiry, settle
from app.domain.spends import spend
from app.domain.wallet import Wallet

FROZEN_REFUSES = frozenset(
    {
        TransactionType.SPEND,
        TransactionType.BONUS,
        TransactionType.HOLD,
        TransactionType.CAPTURE,
        TransactionType.EXTEND,
    }
)

Assets = Mapping[int, AssetType]


class Account:
    """The owner of the wallets, as one unit of work sees it."""

    def __init__(
        self,
        row: AccountRow,
        new_id: Callable[[], UUID],
        *,
        wallets: Iterable[Wallet] = (),
        holds: Iterable[HoldRow] = (),
        parents: Iterable[ParentRow] = (),
        decided: Iterable[DecidedRow] = (),
        is_new: bool = False,
    ) -> None:
        self.id = row.id
        self.bucket = row.bucket
        self.external_user_id = row.external_user_id
        self.status = row.status
        self.is_new = is_new
        self.is_changed = False
        """Whether its name, state or limits are others now."""
        self.is_erased = False
        """Whether its personal data is to go in this unit of work."""
        self.is_settled = True
        """Whether all that was due is booked: what was loaded of it was all. On a quarantined account nothing is."""
        self.history = History(row)
        self.books = Books(row.id, wallets, new_id, holds=holds, parents=parents, limits=row.limits)
        self._decided: dict[str, DecidedRow] = {}
        self._decided_ids: dict[UUID, DecidedRow] = {}
        for each in decided:
            self._decided_ids[each.transaction_id] = each
            if each.idempotency_key is not None:
                self._decided[each.idempotency_key] = each
        self._decided_here: dict[str, tuple[TransactionRecord, AnyReceipt | StateRefusal]] = {}
        """By key, what this unit of work decided, and its answer."""

    def settle(self, now: datetime) -> bool:
        """Book what time has decided up to `now`, as far as it was loaded; nothing while the account is quarantined.

        Returns:
            Whether anything was due.
        """
        if self.status is AccountStatus.QUARANTINED:
            return False
        was_due = settle(self.books, self.history, max(now, self.history.last_at))
        if was_due:
            self.is_settled = all(wallet.due_until is None for wallet in self.books.wallets.values())
        return was_due

    # -- commands --------------------------------------------------------------------------------------------------

    def execute(self, command: Command, assets: Assets, now: datetime) -> AnyReceipt:
        """Decide `command` at `now`, after `settle(now)`.

        Raises:
            IdempotencyMismatch: the key was used for another request; nothing is recorded.
            Malformed: only what is stored, or the clock, could tell that the request is wrong; nothing is recorded.
            NotFound: it names an asset type, a transaction or a hold that is not there; nothing is recorded.
            StateRefusal: refused on the state. Under a key it is recorded, and replays as the same refusal.
        """
        now = max(now, self.history.last_at)
        if (answer := self.earlier_answer(command)) is not None:
            return answer
        try:
            match command:
                case Operation():
                    return self._remember(command, *self._operate(command, assets, now))
                case Group():
                    return self._remember(command, *self._operate_all(command, assets, now))
                case ChangeAccount() | EraseAccount():
                    return self._remember(command, *self._change(command, now))
                case BookDue():
                    return self._change_receipt(command.transaction_id, self.history.last_seq, now)
                case _:
                    raise TypeError(f"no rule for {type(command).__name__}")
        except StateRefusal as refusal:
            self._record_refusal(refusal, command, now)
            raise

    def earlier_answer(self, command: Command) -> AnyReceipt | None:
        """Return the answer that was given to this very command, or under its key; None when there is none.

        Raises:
            IdempotencyMismatch: the key was used for another request.
            StateRefusal: the answer was this refusal.
        """
        if (decided := self._decided_ids.get(command.transaction_id)) is not None:
            return self._answer(decided, replayed=False)  # this very command, whose outcome had been lost
        key = command.idempotency_key
        if key is None:
            return None
        if (here := self._decided_here.get(key)) is not None:
            transaction, answer = here
            _expect_same(row_of(transaction), command)
            return self._again(answer)
        if (decided := self._decided.get(key)) is not None:
            _expect_same(decided, command)
            return self._answer(decided, replayed=True)
        return None

    def _operate(
        self, command: Operation, assets: Assets, now: datetime, group_id: UUID | None = None
    ) -> tuple[TransactionRecord, Receipt]:
        asset = assets.get(command.asset_type_id)
        if asset is None:
            raise UnknownAssetType(asset=command.asset_type_id)
        if isinstance(command, Credit):
            expect_expiry_to_come(command, now)
        if self.status is not AccountStatus.ACTIVE:
            self._expect_target(command, asset)  # of an active account, deciding begins with that
            self._expect_state_allows(command.type)
        decision = self._decide(command, asset, now)
        transaction = self.history.append(
            transaction_id=command.transaction_id,
            type=command.type,
            asset_type_id=asset.id,
            amount=decision.amount,
            actor=command.actor,
            now=now,
            effective_at=now,
            idempotency_key=command.idempotency_key,
            fingerprint=None if command.idempotency_key is None else command.fingerprint(),
            terms=command.terms,
            facts=None if decision.facts is None else canonical(decision.facts),
            parent_id=command.target,
            group_id=group_id,
            refund=decision.refund,
            note=command.note,
            entries=decision.entries,
            lots=decision.lots,
        )
        balance_after = decision.wallet.posted
        if decision.freed:
            book_expiry(self.books, self.history, decision, now, transaction.effective_at)
        return transaction, Receipt(
            transaction.id,
            transaction.type,
            decision.amount,
            transaction.seq,
            now,
            balance_after,
            self._balance(decision.wallet),
            decision.uses,
            False,  # noqa: FBT003
            transaction.parent_id,
            decision.facts or {},
        )

    def _expect_target(self, command: Operation, asset: AssetType) -> None:
        """Raise UnknownHold or UnknownTransaction when the command names one that the owner does not have."""
        match command:
            case OnHold():
                self.books.hold(command.hold_id, asset)
            case OnTransaction():
                self.books.parent(command.parent_id, asset)
            case _:
                pass

    def _expect_state_allows(self, type_: TransactionType) -> None:
        match self.status:
            case AccountStatus.ACTIVE:
                return
            case AccountStatus.FROZEN:
                if type_ in FROZEN_REFUSES:
                    raise AccountFrozen
            case AccountStatus.QUARANTINED:
                raise AccountQuarantined
            case AccountStatus.CLOSED:
                raise AccountClosed
            case _:
                assert_never(self.status)

    def _decide(self, command: Operation, asset: AssetType, now: datetime) -> Decision:
        books, seq = self.books, self.history.last_seq + 1
        match command:
            case Spend():  # the frequent ones first: each case is asked in turn
                return spend(books, command, asset, now)
            case PlaceHold():
                return place_hold(books, command, asset, seq, now)
            case Capture():
                return capture(books, command, asset, now)
            case TopUp() | Bonus():
                return credit(books, command, asset, seq, now)
            case Release():
                return release(books, command, asset, now)
            case Extend():
                return extend(books, command, asset, now)
            case Refund():
                return refund(books, command, asset, seq, now)
            case Reversal():
                return reverse(books, command, asset)
            case Adjustment():
                return adjust(books, command, asset, seq, now)
            case _:
                raise TypeError(f"no rule for {type(command).__name__}")

    def _operate_all(self, group: Group, assets: Assets, now: datetime) -> tuple[TransactionRecord, GroupReceipt]:
        """Carry out all members of a group, or none: whatever refuses one puts everything back."""
        undo = [self.books.savepoint(), self.history.savepoint()]
        header = self._append(group, now, facts=canonical({"members": len(group.members)}))
        receipts: list[Receipt] = []
        for number, member in enumerate(group.members):
            try:
                _, receipt = self._operate(member, assets, now, header.id)
            except LedgerCorrupt:
                raise
            except WalletError as error:
                for each in undo:
                    each()
                error.facts["operation"] = number
                raise
            receipts.append(receipt)
        return header, GroupReceipt(
            transaction_id=header.id,
            account_id=self.id,
            seq=header.seq,
            created_at=now,
            members=tuple(receipts),
            replayed=False,
        )

    def _change(self, command: ChangeAccount | EraseAccount, now: datetime) -> tuple[TransactionRecord, ChangeReceipt]:
        expect_change_allowed(command, self.status, self.books.wallets.values())
        if isinstance(command, EraseAccount):
            self.external_user_id = tombstone(self.id)
            self.is_erased = True
        else:
            if self.status is AccountStatus.QUARANTINED:
                self.is_settled = False  # what came due meanwhile is booked before anything else is decided
            self.status = command.status or self.status
            self.books.limits = changed_limits(self.books.limits, command.limits)
        self.is_changed = True
        transaction = self._append(command, now)
        return transaction, self._change_receipt(transaction.id, transaction.seq, now)

    # -- history ---------------------------------------------------------------------------------------------------

    def _append(
        self,
        command: Command,
        now: datetime,
        *,
        outcome: Outcome = Outcome.POSTED,
        facts: str | None = None,
        asset_type_id: int | None = None,
        amount: int | None = None,
        parent_id: UUID | None = None,
    ) -> TransactionRecord:
        """Append what moves nothing: a group's header, a change of the account, a refusal."""
        return self.history.append(
            transaction_id=command.transaction_id,
            type=command.type,
            outcome=outcome,
            asset_type_id=asset_type_id,
            amount=amount,
            actor=command.actor,
            now=now,
            effective_at=now,
            idempotency_key=command.idempotency_key,
            fingerprint=None if command.idempotency_key is None else command.fingerprint(),
            terms=command.terms,
            facts=facts,
            parent_id=parent_id,
            note=command.note,
        )

    def _remember(self, command: Command, transaction: TransactionRecord, receipt: AnyReceipt) -> AnyReceipt:
        if command.idempotency_key is not None:
            self._decided_here[command.idempotency_key] = transaction, receipt
        return receipt

    def _record_refusal(self, refusal: StateRefusal, command: Command, now: datetime) -> None:
        if command.idempotency_key is None or command.dry_run:
            return
        facts = canonical({"code": refusal.code, **refusal.facts})
        if isinstance(command, Operation):
            transaction = self._append(
                command,
                now,
                outcome=Outcome.REFUSED,
                facts=facts,
                asset_type_id=command.asset_type_id,
                amount=command.amount,
                parent_id=command.target,
            )
        else:
            transaction = self._append(command, now, outcome=Outcome.REFUSED, facts=facts)
        self._decided_here[command.idempotency_key] = transaction, refusal
        refusal.transaction_id, refusal.decided_at = transaction.id, now

    # -- answers ---------------------------------------------------------------------------------------------------

    def _again(self, answer: AnyReceipt | StateRefusal) -> AnyReceipt:
        """Return what was answered in this unit of work, for another who asks the same."""
        match answer:
            case Receipt():
                return replace(answer, balance=self._balance_in(answer.balance.asset_type_id), replayed=True)
            case GroupReceipt():
                members = [
                    replace(each, balance=self._balance_in(each.balance.asset_type_id), replayed=True)
                    for each in answer.members
                ]
                return replace(answer, members=tuple(members), replayed=True)
            case ChangeReceipt():
                return replace(answer, replayed=True)
            case _:
                again = type(answer)(**answer.facts)
                again.transaction_id, again.decided_at, again.replayed = answer.transaction_id, answer.decided_at, True
                raise again

    def _answer(self, decided: DecidedRow, *, replayed: bool) -> AnyReceipt:
        """Return what was answered to a command, from what is stored of it."""
        if decided.outcome is Outcome.REFUSED:
            raise refusal_of(decided, replayed=replayed)
        if decided.type is TransactionType.ACCOUNT_CHANGE:
            return self._change_receipt(decided.transaction_id, decided.seq, decided.created_at, replayed=replayed)
        if decided.type is TransactionType.GROUP:
            return GroupReceipt(
                transaction_id=decided.transaction_id,
                account_id=self.id,
                seq=decided.seq,
                created_at=decided.created_at,
                members=tuple(self._receipt(each, replayed=replayed) for each in decided.members),
                replayed=replayed,
            )
        return self._receipt(decided, replayed=replayed)

    def _receipt(self, decided: DecidedRow, *, replayed: bool) -> Receipt:
        return Receipt(
            transaction_id=decided.transaction_id,
            type=decided.type,
            amount=decided.amount,
            seq=decided.seq,
            created_at=decided.created_at,
            balance_after=decided.balance_after or 0,
            balance=self._balance_in(decided.asset_type_id),
            lots=uses_of(decided),
            replayed=replayed,
            parent_id=decided.parent_id,
            facts=facts_of(decided),
        )

    def _change_receipt(
        self, transaction_id: UUID, seq: int, now: datetime, *, replayed: bool = False
    ) -> ChangeReceipt:
        return ChangeReceipt(
            transaction_id=transaction_id, account_id=self.id, seq=seq, created_at=now, replayed=replayed
        )

    def _balance_in(self, asset_type_id: int) -> Balance:
        return self._balance(self.books.wallets[asset_type_id])

    def _balance(self, wallet: Wallet) -> Balance:
        return Balance(self.id, wallet.asset_type_id, wallet.posted, wallet.held)


def _expect_same(decided: DecidedRow, command: Command) -> None:
    if command.fingerprint() != decided.fingerprint:
        raise IdempotencyMismatch(field=differing_field(decided, command))
