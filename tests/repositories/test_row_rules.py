"""What each row must be like by itself. Every CHECK of the tables has a case, and a test sees to that."""

import re
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from app.domain.records import AccountStatus, AssetStatus, HoldStatus, LotKind, Outcome, TransactionType
from tests.repositories.rows import CHECK, COUNTER_LINE, NOW, OTHER, Connection, Row, insert, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")

REFUND: Row = {"type": "refund", "parent_id": UUID(int=9), "parent_amount": 100, "refund_no": 1, "refunded_after": 60}
RESERVES_NOTHING: Row = {"lot_ids": [], "lot_amounts": [], "lot_held_at": []}

BROKEN: list[tuple[str, Row]] = [
    # -- reference -----------------------------------------------------------------------------------------------------
    ("ck_asset_types_id_positive", {"id": 0}),
    ("ck_asset_types_code_form", {"code": ""}),
    ("ck_asset_types_code_form", {"code": "gem"}),
    ("ck_asset_types_code_form", {"code": "1GEM"}),
    ("ck_asset_types_code_form", {"code": "GEM-1"}),
    ("ck_asset_types_code_form", {"code": "GEM\n"}),
    ("ck_asset_types_code_form", {"code": "GEMSTONES_OF_1000"}),
    ("ck_asset_types_scale_range", {"scale": -1}),
    ("ck_asset_types_scale_range", {"scale": 19}),
    ("ck_asset_types_status_known", {"status": "retired"}),
    ("ck_asset_types_expiry_positive", {"default_expiry_days": 0}),
    ("ck_asset_types_expiry_positive", {"default_expiry_days": 36501}),
    ("ck_asset_types_hold_positive", {"hold_seconds": 0}),
    ("ck_asset_types_limits_positive", {"amount_min": 0}),
    ("ck_asset_types_limits_positive", {"amount_max": 0}),
    ("ck_asset_types_limits_positive", {"balance_max": 0}),
    ("ck_asset_types_limits_positive", {"daily_spend_max": -1}),
    ("ck_asset_types_limits_positive", {"daily_credit_max": -1}),
    # -- accounts ------------------------------------------------------------------------------------------------------
    ("ck_accounts_bucket_of_id", {"bucket": 8}),
    ("ck_accounts_bucket_of_id", {"id": 1000, "bucket": 1000}),
    ("ck_accounts_bucket_of_id", {"id": 1023, "bucket": 1023}),
    ("ck_accounts_bucket_of_id", {"id": 3, "bucket": 3, "external_user_id": None, "system_name": "Third"}),
    ("ck_accounts_bucket_of_id", {"id": 0, "bucket": 0, "external_user_id": None, "system_name": "Zeroth"}),
    ("ck_accounts_user_or_system", {"external_user_id": None}),
    ("ck_accounts_user_or_system", {"system_name": "Owner"}),
    ("ck_accounts_user_or_system", {"id": 3, "bucket": 0}),
    ("ck_accounts_user_or_system", {"id": 3, "bucket": 0, "external_user_id": None}),
    ("ck_accounts_status_known", {"status": "asleep"}),
    ("ck_accounts_last_seq_floor", {"last_seq": -1}),
    ("ck_accounts_last_hash_length", {"last_hash": bytes(31)}),
    ("ck_accounts_last_hash_length", {"last_hash": bytes(33)}),
    # -- headers -------------------------------------------------------------------------------------------------------
    ("ck_transactions_bucket_of_owner", {"bucket": 8}),
    ("ck_transactions_seq_floor", {"seq": 0}),
    ("ck_transactions_type_known", {"type": "transfer"}),
    ("ck_transactions_outcome_known", {"outcome": "pending", "facts": "{}"}),
    ("ck_transactions_refused_says_why", {"outcome": "refused"}),
    ("ck_transactions_key_with_fingerprint", {"idempotency_key": "key"}),
    ("ck_transactions_key_with_fingerprint", {"fingerprint": bytes(32)}),
    ("ck_transactions_fingerprint_length", {"idempotency_key": "key", "fingerprint": bytes(31)}),
    ("ck_transactions_fingerprint_length", {"idempotency_key": "key", "fingerprint": bytes(33)}),
    ("ck_transactions_hash_length", {"hash": bytes(31)}),
    ("ck_transactions_hash_length", {"hash": bytes(33)}),
    ("ck_transactions_effective_first", {"effective_at": NOW + timedelta(microseconds=1)}),
    ("ck_transactions_refund_whole", {"refund_no": 1, "parent_id": UUID(int=9)}),
    ("ck_transactions_refund_whole", {"parent_amount": 100}),
    ("ck_transactions_refund_whole", {"refunded_after": 60}),
    ("ck_transactions_refund_whole", REFUND | {"refund_no": None}),
    ("ck_transactions_refund_whole", REFUND | {"parent_id": None}),
    ("ck_transactions_refund_ceiling", REFUND | {"refunded_after": 101}),
    ("ck_transactions_refund_with_number", {"type": "refund"}),
    ("ck_transactions_refund_with_number", REFUND | {"type": "spend"}),
    # -- entries -------------------------------------------------------------------------------------------------------
    ("ck_ledger_entries_bucket_of_owner", {"bucket": 8}),
    ("ck_ledger_entries_own_or_system", {"account_id": OTHER, "balance_after": None, "lot_id": None}),
    ("ck_ledger_entries_own_or_system", COUNTER_LINE | {"account_id": 0}),
    ("ck_ledger_entries_own_or_system", COUNTER_LINE | {"account_id": -1}),
    ("ck_ledger_entries_own_or_system", COUNTER_LINE | {"account_id": 1000}),
    ("ck_ledger_entries_amount_not_zero", {"amount": 0}),
    ("ck_ledger_entries_line_floor", {"line": 0}),
    ("ck_ledger_entries_own_has_balance", {"balance_after": None}),
    ("ck_ledger_entries_own_has_balance", COUNTER_LINE | {"balance_after": 100}),
    ("ck_ledger_entries_own_has_lot", {"lot_id": None}),
    ("ck_ledger_entries_own_has_lot", COUNTER_LINE | {"lot_id": UUID(int=2)}),
    ("ck_ledger_entries_balance_floor", {"balance_after": -1}),
    # -- projections ---------------------------------------------------------------------------------------------------
    ("ck_wallets_bucket_of_owner", {"bucket": 8}),
    ("ck_wallets_posted_floor", {"posted": -1}),
    ("ck_wallets_held_within_posted", {"held": 101}),
    ("ck_wallets_held_within_posted", {"held": -1}),
    ("ck_wallets_day_floor", {"day_spent": -1}),
    ("ck_wallets_day_floor", {"day_credited": -1}),
    ("ck_lots_bucket_of_owner", {"bucket": 8}),
    ("ck_lots_kind_known", {"kind": "gift"}),
    ("ck_lots_priority_range", {"priority": -1}),
    ("ck_lots_priority_range", {"priority": 101}),
    ("ck_lots_remaining_within_granted", {"remaining": 101, "debt": 0}),
    ("ck_lots_remaining_within_granted", {"remaining": -1, "open": False}),
    ("ck_lots_held_within_remaining", {"held": 91}),
    ("ck_lots_held_within_remaining", {"held": -1, "debt": 0}),
    ("ck_lots_held_within_remaining", {"remaining": -1, "held": 0}),
    ("ck_lots_gone_or_held_covers_debt", {"debt": -1}),
    ("ck_lots_gone_or_held_covers_debt", {"debt": 21}),
    ("ck_lots_gone_or_held_covers_debt", {"debt": 11, "held": 0}),
    ("ck_lots_debt_after_reversal", {"reversed": False}),
    ("ck_lots_expired_within_gone", {"expired": -1}),
    ("ck_lots_expired_within_gone", {"expired": 11}),
    ("ck_lots_open_while_remaining", {"open": False}),
    ("ck_lots_open_while_remaining", {"remaining": 0, "held": 0}),
    ("ck_holds_bucket_of_owner", {"bucket": 8}),
    ("ck_holds_amount_positive", {"amount": 0}),
    ("ck_holds_captured_floor", {"captured": -1}),
    ("ck_holds_status_known", {"status": "kept", **RESERVES_NOTHING}),
    ("ck_holds_lots_paired", {"lot_amounts": [5, 5]}),
    ("ck_holds_lots_paired", {"lot_ids": []}),
    ("ck_holds_lots_paired", {"lot_held_at": []}),
    ("ck_holds_lots_paired", {"lot_held_at": [NOW, NOW]}),
    ("ck_holds_closed_reserves_nothing", {"status": "captured"}),
    ("ck_holds_closed_reserves_nothing", {"status": "released"}),
    ("ck_holds_closed_reserves_nothing", {"status": "expired"}),
    # -- notes ---------------------------------------------------------------------------------------------------------
    ("ck_transaction_notes_bucket_of_owner", {"bucket": 8}),
    ("ck_transaction_notes_digest_length", {"digest": bytes(31)}),
    ("ck_transaction_notes_digest_length", {"digest": bytes(33)}),
    ("ck_transaction_notes_erased_whole", {"salt": None}),
    ("ck_transaction_notes_erased_whole", {"salt": None, "reference": None, "metadata": "{}"}),
    ("ck_transaction_notes_erased_whole", {"salt": None, "reference": None, "operator": "Olga"}),
    ("ck_transaction_notes_erased_whole", {"salt": None, "reference": None, "reason": "A mistake"}),
    # -- API keys ------------------------------------------------------------------------------------------------------
    ("ck_api_keys_digest_length", {"digest": bytes(31)}),
    ("ck_api_keys_ending_length", {"ending": "aB3"}),
    ("ck_api_keys_name_length", {"name": ""}),
    ("ck_api_keys_name_length", {"name": 101 * "x"}),
    ("ck_api_keys_some_scope", {"scopes": []}),
    ("ck_api_keys_rate_whole", {"requests_per_second": 1}),
    ("ck_api_keys_rate_whole", {"burst": 1}),
    ("ck_api_keys_rate_positive", {"requests_per_second": 0, "burst": 1}),
    ("ck_api_keys_rate_positive", {"requests_per_second": 1, "burst": 0}),
    ("ck_api_keys_expiry_to_come", {"expires_at": NOW}),
    ("ck_api_keys_revocation_whole", {"revoked_at": NOW}),
    ("ck_api_keys_revocation_whole", {"revoked_by": "Olga"}),
    ("ck_key_buckets_not_negative", {"tokens": -0.1}),
    ("ck_key_buckets_not_negative", {"granted": -1}),
]

MASKED = {
    "ck_wallets_posted_floor": ("ck_wallets_held_within_posted",),
    "ck_lots_remaining_within_granted": ("ck_lots_held_within_remaining", "ck_lots_expired_within_gone"),
}
"""Rules that others imply in part: without those, they still hold by themselves."""


def _table_of(constraint: str) -> str:
    tables = (
        "asset_types|accounts|transactions|ledger_entries|wallets|lots|holds|transaction_notes|api_keys|key_buckets"
    )
    found = re.match(f"ck_({tables})_", constraint)
    assert found
    return found[1]


def _said(argument: str | Row) -> str:
    """Write a case's id."""
    if isinstance(argument, str):
        return argument
    return ", ".join(f"{name}={_short(value)}" for name, value in argument.items())


def _short(value: object) -> object:
    match value:
        case bytes():
            return f"{len(value)} bytes"
        case datetime():
            return "later"
        case UUID() | list():
            return "…"
        case _:
            return value


@pytest.mark.parametrize(("constraint", "changes"), BROKEN, ids=_said)
async def test_a_row_that_breaks_a_rule_is_refused_in_its_name(
    connection: Connection, constraint: str, changes: Row
) -> None:
    table = _table_of(constraint)
    for masking in MASKED.get(constraint, ()):
        await connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {masking}")
    with refused(CHECK, constraint):
        await insert(connection, table, changes)


async def test_every_rule_has_a_row_that_breaks_it(connection: Connection) -> None:
    rows = await connection.fetch(
        "SELECT conname FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace"
    )
    assert {row["conname"] for row in rows} == {constraint for constraint, _ in BROKEN}


BOUNDARIES: list[tuple[str, Row]] = [
    ("asset_types", {"id": 1_000_000, "code": "G", "scale": 0, "default_expiry_days": 1, "hold_seconds": 1}),
    ("asset_types", {"code": "GEMSTONES_OF_100", "scale": 18, "default_expiry_days": 36500}),
    ("asset_types", {"amount_min": 1, "amount_max": 1, "balance_max": 1, "daily_spend_max": 0, "daily_credit_max": 0}),
    ("accounts", {"id": 1024, "bucket": 0}),
    ("accounts", {"id": 2047, "bucket": 1023}),
    ("accounts", {"id": 999, "bucket": 0, "external_user_id": None, "system_name": "Last"}),
    ("transactions", {**REFUND, "refunded_after": 100}),
    ("transactions", {**REFUND, "refund_no": 2**31 - 1}),
    ("wallets", {"posted": 0, "held": 0}),
    ("wallets", {"posted": 2**63 - 1, "held": 2**63 - 1}),
    ("lots", {"remaining": 0, "held": 0, "debt": 100, "open": False}),
    ("lots", {"remaining": 100, "held": 100, "debt": 100, "expired": 0}),
    ("lots", {"debt": 20}),
    ("lots", {"debt": 0, "reversed": False}),
    ("lots", {"expired": 0}),
    ("lots", {"expired": 10}),
    ("lots", {"priority": 0}),
    ("lots", {"priority": 100}),
    ("holds", {"captured": 10, **RESERVES_NOTHING}),
    ("transaction_notes", {"salt": None, "reference": None}),
    ("api_keys", {"name": 100 * "x", "requests_per_second": 1, "burst": 1}),
    ("api_keys", {"revoked_at": NOW, "revoked_by": "Olga"}),
    ("key_buckets", {"tokens": 0, "granted": 0}),
]


@pytest.mark.parametrize(("table", "changes"), BOUNDARIES, ids=_said)
async def test_a_row_at_the_edge_of_the_rules_is_taken(connection: Connection, table: str, changes: Row) -> None:
    await insert(connection, table, changes)


WORDS = [
    *(("transactions", REFUND if each is TransactionType.REFUND else {"type": each}) for each in TransactionType),
    *(("transactions", {"outcome": each, "facts": "{}"}) for each in Outcome),
    *(("accounts", {"status": each}) for each in AccountStatus),
    *(("asset_types", {"status": each}) for each in AssetStatus),
    *(("lots", {"kind": each}) for each in LotKind),
    *(("holds", {"status": each, **RESERVES_NOTHING}) for each in HoldStatus),
]


@pytest.mark.parametrize(("table", "changes"), WORDS, ids=_said)
async def test_the_words_of_the_domain_are_known_to_the_database(
    connection: Connection, table: str, changes: Row
) -> None:
    await insert(connection, table, changes)
