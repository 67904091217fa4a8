"""Recomputes one owner's history from its rows, and says which row is the first that is wrong.

Nothing stored is believed but the rows themselves: hashes, running balances, what lots and holds have left, what
wallets hold and what the account may do are computed again and compared.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from app.domain import chain
from app.domain.account_changes import ERASED_PREFIX, changed_limits, tombstone
from app.domain.audit_books import AuditBooks
from app.domain.audit_state import AuditFailure, expect
from app.domain.placement import BREAKAGE_ID, TREASURY_ID, bucket_of, bucket_of_account, bucket_of_id
from app.domain.record import record
from app.domain.records import (
    AccountRow,
    AccountStatus,
    EntryRecord,
    HoldRow,
    LotRow,
    Outcome,
    TransactionRecord,
    TransactionType,
    WalletRow,
)

__all__ = ["AuditFailure", "OwnerAudit", "StoredNote"]

_DIGEST = bytes(32)


@record
class StoredNote:
    """A note as stored. Without a salt its text was erased, and the digest is all there is."""

    digest: bytes
    salt: bytes | None
    reference: str | None
    metadata: str | None
    operator: str | None
    reason: str | None = None


class OwnerAudit:
    """Takes an owner's transactions in order, then its projections.

    Raises:
        AuditFailure: from each method, for the first wrong row.
    """

    def __init__(self, account: AccountRow) -> None:
        self._account = account
        self._name = f"account {account.id}"
        self._seq = 0
        self._hash = chain.GENESIS
        self._created_at: datetime | None = None
        self._effective_at: datetime | None = None
        self._status = AccountStatus.ACTIVE
        self._limits: str | None = None
        self._erased = False
        self._emptied: str | None = None
        """The first transaction whose texts are gone."""
        self._group: TransactionRecord | None = None
        self._members: list[dict[str, object]] = []
        """What the members of the last group that are still to come were asked to do, in order."""
        self._books = AuditBooks(account)

    def add(self, transaction: TransactionRecord, stored_hash: bytes, note: StoredNote | None) -> None:
        """Check the next transaction, with its entries and the lots it made."""
        name = f"transaction {transaction.id} (owner {transaction.owner_id}, seq {transaction.seq})"
        expect(transaction.seq == self._seq + 1, f"{name}: follows seq {self._seq}")
        expect(
            transaction.bucket == self._account.bucket == bucket_of_id(transaction.id),
            f"{name}: is not in its owner's bucket {self._account.bucket}",
        )
        expect(len(transaction.fingerprint or _DIGEST) == len(_DIGEST), f"{name}: its fingerprint is no digest")
        last_effective_at = self._effective_at
        self._check_times(transaction, name)
        self._check_note(note, name)
        if note is not None and note.salt is None:
            self._emptied = self._emptied or name
        self._check_entries(transaction, name)
        if self._status is not AccountStatus.QUARANTINED:  # nothing is booked then, not even what time does
            self._books.expect_settled(transaction, name)
        if transaction.outcome is Outcome.POSTED:
            self._books.check_lines(transaction, name)
        computed = chain.next_hash(self._hash, transaction)
        expect(computed == stored_hash, f"{name}: its hash is not that of what is stored")
        self._seq, self._hash = transaction.seq, stored_hash
        self._follow_group(transaction, name)
        if transaction.outcome is Outcome.POSTED:
            self._books.follow(transaction, name, last_effective_at)
            self._change_account(transaction, name)

    def finish(self, wallets: Sequence[WalletRow], lots: Iterable[LotRow], holds: Iterable[HoldRow]) -> None:
        """Check what is derived from the history: the account's head and state, wallets, lots and holds."""
        account = self._account
        expect(not self._members, f"{self._name}: members of its last group are missing")
        expect(account.last_seq == self._seq, f"{self._name}: last_seq is {account.last_seq}, not {self._seq}")
        expect(account.last_hash == self._hash, f"{self._name}: last_hash is not that of its last transaction")
        if self._seq:
            expect(account.last_at == self._created_at, f"{self._name}: last_at is not its last transaction's")
            expect(
                account.last_effective_at == self._effective_at,
                f"{self._name}: last_effective_at is not its last transaction's",
            )
        expect(account.bucket == bucket_of_account(account.id), f"{self._name}: is not in the bucket of its id")
        if self._erased:
            expect(account.external_user_id == tombstone(account.id), f"{self._name}: is erased and has a name")
        else:
            named = not account.external_user_id.startswith(ERASED_PREFIX)
            expect(named, f"{self._name}: has lost its name and was not erased")
            expect(account.bucket == bucket_of(account.external_user_id), f"{self._name}: is not in its user's bucket")
        may_be_emptied = self._erased or self._status is AccountStatus.CLOSED  # as it is while it is being erased
        expect(may_be_emptied or not self._emptied, f"{self._emptied}: its texts are gone, and nobody erased them")
        expect(account.status is self._status, f"{self._name}: is {account.status}, its history says {self._status}")
        expect(account.limits == self._limits, f"{self._name}: its limits are not those that its history says")
        self._books.finish(wallets, lots, holds)

    def _check_times(self, transaction: TransactionRecord, name: str) -> None:
        created, effective = transaction.created_at, transaction.effective_at
        expect(self._created_at is None or created >= self._created_at, f"{name}: created_at runs backwards")
        expect(self._effective_at is None or effective >= self._effective_at, f"{name}: effective_at runs backwards")
        expect(effective <= created, f"{name}: is effective after it was created")
        self._created_at, self._effective_at = created, effective

    @staticmethod
    def _check_note(note: StoredNote | None, name: str) -> None:
        if note is None or note.salt is None:
            return
        digest = chain.note_digest(
            salt=note.salt,
            reference=note.reference,
            metadata=note.metadata,
            operator=note.operator,
            reason=note.reason,
        )
        expect(note.digest == digest, f"{name}: its note is not the one that was written")

    def _check_entries(self, transaction: TransactionRecord, name: str) -> None:
        entries = transaction.entries
        if transaction.outcome is Outcome.REFUSED:
            expect(not entries and not transaction.lots, f"{name}: was refused and has entries or lots")
            return
        sums: defaultdict[int, int] = defaultdict(int)
        for line, entry in enumerate(entries, start=1):
            expect(entry.line == line, f"{name}: line {line} is missing")
            self._check_account(entry, f"{name} line {line}")
            sums[entry.asset_type_id] += entry.amount
        for asset_type_id, total in sums.items():
            expect(total == 0, f"{name}: its entries in asset type {asset_type_id} sum to {total}, not to zero")

    def _check_account(self, entry: EntryRecord, name: str) -> None:
        if entry.account_id in (TREASURY_ID, BREAKAGE_ID):
            expect(entry.balance_after is None and entry.lot_id is None, f"{name}: is not the owner's")
            return
        expect(entry.account_id == self._account.id, f"{name}: is on account {entry.account_id}, not on the owner's")

    def _follow_group(self, transaction: TransactionRecord, name: str) -> None:
        """The members of a group follow its header, in the order in which they were asked for; nothing else does."""
        posted = transaction.outcome is Outcome.POSTED
        if transaction.group_id is None:
            by_time = transaction.type is TransactionType.EXPIRY
            expect(not self._members or by_time, f"{name}: comes before all members of the last group have")
            if transaction.type is TransactionType.GROUP and posted:
                self._group, self._members = transaction, self._operations(transaction, name)
            return
        expect(
            self._group is not None and transaction.group_id == self._group.id and bool(self._members) and posted,
            f"{name}: is no member of a group",
        )
        member = self._members.pop(0)
        expect(
            (member.get("type"), member.get("asset_type_id")) == (transaction.type, transaction.asset_type_id),
            f"{name}: is another operation than its group was asked for",
        )

    @staticmethod
    def _operations(transaction: TransactionRecord, name: str) -> list[dict[str, object]]:
        try:
            return [dict(each) for each in json.loads(transaction.terms or "{}")["operations"]]
        except (KeyError, ValueError, TypeError) as error:
            raise AuditFailure(f"{name}: its terms can't be read") from error

    def _change_account(self, transaction: TransactionRecord, name: str) -> None:
        if transaction.type is not TransactionType.ACCOUNT_CHANGE:
            return
        try:
            terms = json.loads(transaction.terms or "{}")
            self._status = AccountStatus(terms.get("status", self._status))
            changes = {int(asset_type_id): own for asset_type_id, own in terms.get("limits", {}).items()}
            self._limits = changed_limits(self._limits, changes)
            self._erased = self._erased or bool(terms.get("erased"))
        except (ValueError, TypeError, AttributeError) as error:
            raise AuditFailure(f"{name}: its terms can't be read") from error
