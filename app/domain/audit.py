"""Recomputes one owner's history from its rows, and says which row is the first that is wrong.

Nothing stored is believed but the rows themselves: hashes, running balances, what is left in lots and what wallets
hold are computed again and compared.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from app.domain import chain
from app.domain.placement import BREAKAGE_ID, TREASURY_ID, bucket_of, bucket_of_account, bucket_of_id
from app.domain.record import record
from app.domain.records import (
    AccountRow,
    EntryRecord,
    LotRow,
    Outcome,
    TransactionRecord,
    TransactionType,
    WalletRow,
)

_DIGEST = bytes(32)
_GIVES = frozenset({TransactionType.TOP_UP, TransactionType.BONUS})
_TAKES = frozenset({TransactionType.SPEND, TransactionType.EXPIRY})


class AuditFailure(Exception):
    """A row is wrong. The message names it."""


@record
class StoredNote:
    """A note as stored. Without a salt its text was erased, and the digest is all there is."""

    digest: bytes
    salt: bytes | None
    reference: str | None
    metadata: str | None
    operator: str | None


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
        self._posted: defaultdict[int, int] = defaultdict(int)
        self._lots: dict[UUID, LotRow] = {}
        self._remaining: defaultdict[UUID, int] = defaultdict(int)

    def add(self, transaction: TransactionRecord, stored_hash: bytes, note: StoredNote | None) -> None:
        """Check the next transaction, with its entries and the lots it made."""
        name = f"transaction {transaction.id} (owner {transaction.owner_id}, seq {transaction.seq})"
        _expect(transaction.seq == self._seq + 1, f"{name}: follows seq {self._seq}")
        _expect(
            transaction.bucket == self._account.bucket == bucket_of_id(transaction.id),
            f"{name}: is not in its owner's bucket {self._account.bucket}",
        )
        _expect(len(transaction.fingerprint or _DIGEST) == len(_DIGEST), f"{name}: its fingerprint is no digest")
        self._check_times(transaction, name)
        self._check_note(note, name)
        self._take_lots(transaction.lots, name)
        self._check_entries(transaction, name)
        computed = chain.next_hash(self._hash, transaction)
        _expect(computed == stored_hash, f"{name}: its hash is not that of what is stored")
        self._seq, self._hash = transaction.seq, stored_hash

    def finish(self, wallets: Sequence[WalletRow], lots: Iterable[LotRow]) -> None:
        """Check what is derived from the history: the account's head, wallets, and what is left in lots."""
        account = self._account
        _expect(account.last_seq == self._seq, f"{self._name}: last_seq is {account.last_seq}, not {self._seq}")
        _expect(account.last_hash == self._hash, f"{self._name}: last_hash is not that of its last transaction")
        if self._seq:
            _expect(account.last_at == self._created_at, f"{self._name}: last_at is not its last transaction's")
            _expect(
                account.last_effective_at == self._effective_at,
                f"{self._name}: last_effective_at is not its last transaction's",
            )
        _expect(account.bucket == bucket_of_account(account.id), f"{self._name}: is not in the bucket of its id")
        _expect(account.bucket == bucket_of(account.external_user_id), f"{self._name}: is not in its user's bucket")
        self._check_wallets(wallets, self._check_lots(lots))

    # -- one transaction -------------------------------------------------------------------------------------------

    def _check_times(self, transaction: TransactionRecord, name: str) -> None:
        created, effective = transaction.created_at, transaction.effective_at
        _expect(self._created_at is None or created >= self._created_at, f"{name}: created_at runs backwards")
        _expect(self._effective_at is None or effective >= self._effective_at, f"{name}: effective_at runs backwards")
        _expect(effective <= created, f"{name}: is effective after it was created")
        self._created_at, self._effective_at = created, effective

    @staticmethod
    def _check_note(note: StoredNote | None, name: str) -> None:
        if note is None or note.salt is None:
            return
        digest = chain.note_digest(
            salt=note.salt, reference=note.reference, metadata=note.metadata, operator=note.operator
        )
        _expect(digest == note.digest, f"{name}: its note is not the one that was written")

    def _take_lots(self, lots: Sequence[LotRow], name: str) -> None:
        for lot in lots:
            _expect(bucket_of_id(lot.id) == self._account.bucket, f"{name}: lot {lot.id} is not in its bucket")
            self._lots[lot.id] = lot

    def _check_entries(self, transaction: TransactionRecord, name: str) -> None:
        entries = transaction.entries
        if transaction.outcome is Outcome.REFUSED:
            _expect(not entries and not transaction.lots, f"{name}: was refused and has entries or lots")
            return
        sums: defaultdict[int, int] = defaultdict(int)
        for line, entry in enumerate(entries, start=1):
            _expect(entry.line == line, f"{name}: line {line} is missing")
            sums[entry.asset_type_id] += entry.amount
            self._check_entry(entry, f"{name} line {line}")
        for asset_type_id, total in sums.items():
            _expect(total == 0, f"{name}: its entries in asset type {asset_type_id} sum to {total}, not to zero")
        self._check_amount(transaction, name)

    def _check_entry(self, entry: EntryRecord, name: str) -> None:
        if entry.account_id in (TREASURY_ID, BREAKAGE_ID):
            _expect(entry.balance_after is None and entry.lot_id is None, f"{name}: is not the owner's")
            return
        _expect(entry.account_id == self._account.id, f"{name}: is on account {entry.account_id}, not on the owner's")
        self._posted[entry.asset_type_id] += entry.amount
        posted = self._posted[entry.asset_type_id]
        _expect(entry.balance_after == posted, f"{name}: balance_after is {entry.balance_after}, not {posted}")
        _expect(posted >= 0, f"{name}: the balance is {posted}")
        lot = None if entry.lot_id is None else self._lots.get(entry.lot_id)
        if lot is None:
            raise AuditFailure(f"{name}: no transaction before it made lot {entry.lot_id}")
        _expect(lot.asset_type_id == entry.asset_type_id, f"{name}: lot {lot.id} is of another asset type")
        self._remaining[lot.id] += entry.amount
        _expect(0 <= self._remaining[lot.id] <= lot.granted, f"{name}: leaves {self._remaining[lot.id]} in {lot.id}")

    def _check_amount(self, transaction: TransactionRecord, name: str) -> None:
        """The header says what the owner's lines come to."""
        own = sum(each.amount for each in transaction.entries if each.account_id == self._account.id)
        if transaction.type in _GIVES:
            _expect(own == transaction.amount, f"{name}: gives {own}, its header says {transaction.amount}")
        if transaction.type in _TAKES:
            _expect(-own == transaction.amount, f"{name}: takes {-own}, its header says {transaction.amount}")

    # -- projections -----------------------------------------------------------------------------------------------

    def _check_lots(self, lots: Iterable[LotRow]) -> dict[int, datetime]:
        """Return, for each asset type, when the first of its lots is due."""
        due: dict[int, datetime] = {}
        for lot in lots:
            name = f"lot {lot.id} (owner {lot.owner_id})"
            expected = self._remaining[lot.id]
            _expect(lot.id in self._lots, f"{name}: no transaction made it")
            _expect(lot.remaining == expected, f"{name}: remaining is {lot.remaining}, not {expected}")
            _expect(lot.debt == 0, f"{name}: owes {lot.debt}, and no transaction made that debt")
            _expect(lot.held == 0, f"{name}: holds {lot.held}, and no hold does")
            if lot.expires_at is not None and lot.remaining > lot.held:
                due[lot.asset_type_id] = min(due.get(lot.asset_type_id, lot.expires_at), lot.expires_at)
        return due

    def _check_wallets(self, wallets: Sequence[WalletRow], due: dict[int, datetime]) -> None:
        for wallet in wallets:
            asset_type_id = wallet.asset_type_id
            name = f"wallet of account {wallet.owner_id} in asset type {asset_type_id}"
            posted = self._posted.pop(asset_type_id, 0)
            _expect(wallet.posted == posted, f"{name}: posted is {wallet.posted}, not {posted}")
            _expect(wallet.held == 0, f"{name}: held is {wallet.held}, and no hold holds it")
            if (first := due.get(asset_type_id)) is not None:
                _expect(
                    wallet.next_due_at is not None and wallet.next_due_at <= first,
                    f"{name}: next_due_at is after the expiry of one of its lots",
                )
        for asset_type_id in self._posted:
            raise AuditFailure(f"{self._name}: has entries in asset type {asset_type_id} and no wallet")


def _expect(holds: bool, problem: str) -> None:
    if not holds:
        raise AuditFailure(problem)
