"""The hash chain: vectors pin the bytes for ever, and no member can change without changing the hash."""

import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from app.domain import chain
from app.domain.records import (
    EntryRecord,
    LotKind,
    LotRow,
    Note,
    Outcome,
    TransactionRecord,
    TransactionType,
)

VECTORS = json.loads((Path(__file__).parent / "chain_vectors.json").read_text())
MOMENT = datetime(2026, 11, 22, 18, 0, 0, 123456, tzinfo=UTC)
OWNER_ID = 7 * 1024 + 92

TOP_UP = TransactionRecord(
    id=UUID("019a0000-0000-7000-8000-00000000005c"),
    owner_id=OWNER_ID,
    bucket=92,
    seq=1,
    type=TransactionType.TOP_UP,
    outcome=Outcome.POSTED,
    asset_type_id=1,
    amount=15_000,
    idempotency_key="order-1",
    fingerprint=bytes(range(32)),
    actor="key:bootstrap",
    created_at=MOMENT,
    effective_at=MOMENT,
    terms='{"priority":10}',
    note=Note(
        reference="order 1",
        metadata='{"shop":"berlin"}',
        operator=None,
        salt=b"0123456789abcdef",
        digest=chain.note_digest(
            salt=b"0123456789abcdef", reference="order 1", metadata='{"shop":"berlin"}', operator=None, reason=None
        ),
    ),
    entries=(
        EntryRecord(
            line=1,
            account_id=OWNER_ID,
            asset_type_id=1,
            lot_id=UUID("019a0000-0000-7000-8000-00000000085c"),
            amount=15_000,
            balance_after=15_000,
        ),
        EntryRecord(line=2, account_id=1, asset_type_id=1, lot_id=None, amount=-15_000, balance_after=None),
    ),
    lots=(
        LotRow(
            id=UUID("019a0000-0000-7000-8000-00000000085c"),
            owner_id=OWNER_ID,
            asset_type_id=1,
            seq=1,
            kind=LotKind.PAID,
            priority=10,
            expires_at=MOMENT + timedelta(days=30),
            granted=15_000,
            remaining=15_000,
            held=0,
        ),
    ),
)
REFUSED = TransactionRecord(
    id=UUID("019a0000-0000-7000-8000-000000000c5c"),
    owner_id=OWNER_ID,
    bucket=92,
    seq=2,
    type=TransactionType.SPEND,
    outcome=Outcome.REFUSED,
    asset_type_id=1,
    amount=9_223_372_036_854_775_807,
    idempotency_key="ключ",
    fingerprint=bytes(32),
    actor="local",
    created_at=MOMENT + timedelta(seconds=1),
    effective_at=MOMENT,
    facts='{"code":"insufficient_funds"}',
    parent_id=UUID(int=1),
    group_id=UUID(int=2),
)


@pytest.mark.parametrize(
    ("transaction", "name"),
    [pytest.param(TOP_UP, "top_up", id="top-up"), pytest.param(REFUSED, "refused", id="refused")],
)
def test_the_canonical_bytes_are_those_of_the_vectors(transaction: TransactionRecord, name: str) -> None:
    assert chain.canonical_bytes(transaction).hex() == VECTORS[name]["canonical_bytes"]


def test_the_chain_is_that_of_the_vectors() -> None:
    first = chain.next_hash(chain.GENESIS, TOP_UP)
    assert first.hex() == VECTORS["top_up"]["hash"]
    assert chain.next_hash(first, REFUSED).hex() == VECTORS["refused"]["hash"]


CHANGES: dict[str, Any] = {
    "id": UUID(int=99),
    "owner_id": 2048,
    "bucket": 1,
    "seq": 3,
    "type": TransactionType.BONUS,
    "outcome": Outcome.REFUSED,
    "asset_type_id": 2,
    "amount": 15_001,
    "idempotency_key": "order-2",
    "fingerprint": bytes(32),
    "actor": "local",
    "created_at": MOMENT + timedelta(microseconds=1),
    "effective_at": MOMENT - timedelta(microseconds=1),
    "terms": None,
    "facts": "{}",
    "parent_id": UUID(int=1),
    "group_id": UUID(int=1),
    "note": None,
    "entries": TOP_UP.entries[:1],
    "lots": (),
}


RECOMPUTED = {"refund"}
"""Follows from the refunds before it and from the parent: the audit computes it again."""


@pytest.mark.parametrize("member", [each.name for each in fields(TransactionRecord) if each.name not in RECOMPUTED])
def test_no_member_of_a_transaction_can_change_unseen(member: str) -> None:
    changed = replace(TOP_UP, **{member: CHANGES[member]})
    assert chain.next_hash(chain.GENESIS, changed) != chain.next_hash(chain.GENESIS, TOP_UP)


@pytest.mark.parametrize(
    ("member", "value"),
    [("line", 2), ("account_id", 2), ("asset_type_id", 2), ("lot_id", None), ("amount", 1), ("balance_after", None)],
)
def test_no_member_of_an_entry_can_change_unseen(member: str, value: object) -> None:
    entries = (replace(TOP_UP.entries[0], **{member: value}), TOP_UP.entries[1])  # type: ignore[arg-type]  # a table
    assert chain.canonical_bytes(replace(TOP_UP, entries=entries)) != chain.canonical_bytes(TOP_UP)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("id", UUID(int=3)),
        ("asset_type_id", 2),
        ("kind", LotKind.PROMO),
        ("priority", 11),
        ("granted", 1),
        ("expires_at", None),
    ],
)
def test_no_immutable_member_of_a_lot_can_change_unseen(member: str, value: object) -> None:
    lots = (replace(TOP_UP.lots[0], **{member: value}),)  # type: ignore[arg-type]  # a table
    assert chain.canonical_bytes(replace(TOP_UP, lots=lots)) != chain.canonical_bytes(TOP_UP)


def test_the_order_of_two_transactions_is_part_of_the_chain() -> None:
    forth = chain.next_hash(chain.next_hash(chain.GENESIS, TOP_UP), REFUSED)
    back = chain.next_hash(chain.next_hash(chain.GENESIS, REFUSED), TOP_UP)
    assert forth != back


def test_a_note_can_be_erased_and_the_hash_stays() -> None:
    note = TOP_UP.note
    assert note is not None
    erased = replace(note, reference=None, metadata=None, salt=b"")
    assert chain.canonical_bytes(replace(TOP_UP, note=erased)) == chain.canonical_bytes(TOP_UP)
