"""Ways to change a ledger behind the service's back, and what verify says to each.

In the statements and the answers, {alice} and {bob} are account ids; `…` in an answer is an id. The transactions
that they are about are those of the books in test_verify.py.
"""

import pytest

from app.domain.placement import bucket_of

BUCKET = bucket_of("user_alice")


def at(seq: int) -> str:
    """Return the condition for Alice's rows of this number."""
    return f"owner_id = {{alice}} AND seq = {seq}"


def named(seq: int) -> str:
    """Return how verify names Alice's transaction of this number."""
    return f"transaction … (owner {{alice}}, seq {seq})"


NOT_ITS_HASH = "its hash is not that of what is stored"

ENTRIES = [
    pytest.param(
        f"UPDATE ledger_entries SET amount = amount - 1 WHERE {at(6)} AND line = 1",
        f"{named(6)}: its entries in asset type 1 sum to -1, not to zero",
        id="amount of the owner's line",
    ),
    pytest.param(
        f"UPDATE ledger_entries SET amount = amount + 1 WHERE {at(6)} AND line = 2",
        f"{named(6)}: its entries in asset type 1 sum to 1, not to zero",
        id="amount of the Treasury's line",
    ),
    pytest.param(
        f"UPDATE ledger_entries SET balance_after = balance_after + 1 WHERE {at(6)} AND line = 1",
        f"{named(6)} line 1: balance_after is 105201, not 105200",
        id="balance_after",
    ),
    pytest.param(
        f"UPDATE ledger_entries SET amount = amount - 1, balance_after = balance_after - 1 WHERE {at(6)} AND line = 1; "
        f"UPDATE ledger_entries SET amount = amount + 1 WHERE {at(6)} AND line = 2",
        f"{named(6)}: takes 101, its header says 100",
        id="amount and balance_after of the whole entry",
    ),
    pytest.param(
        f"UPDATE ledger_entries SET amount = amount - 1, balance_after = balance_after - 1 WHERE {at(6)} AND line = 1; "
        f"UPDATE ledger_entries SET amount = amount + 1 WHERE {at(6)} AND line = 2; "
        f"UPDATE transactions SET amount = 101 WHERE {at(6)}",
        f"{named(6)}: {NOT_ITS_HASH}",
        id="the whole entry and its header",
    ),
    pytest.param(
        f"UPDATE ledger_entries SET amount = -201, balance_after = 105099 WHERE {at(6)} AND line = 1; "
        f"UPDATE ledger_entries SET amount = 301, balance_after = 105300 WHERE {at(5)} AND line = 1",
        f"{named(5)}: its entries in asset type 1 sum to 1, not to zero",
        id="two transactions",
    ),
    pytest.param(
        f"UPDATE ledger_entries SET account_id = 2 WHERE {at(6)} AND line = 2",
        f"{named(6)}: {NOT_ITS_HASH}",
        id="Breakage instead of the Treasury",
    ),
    pytest.param(
        f"UPDATE ledger_entries SET account_id = 500 WHERE {at(6)} AND line = 2",
        f"{named(6)} line 2: is on account 500, not on the owner's",
        id="a system account that there is not",
    ),
    pytest.param(
        f"UPDATE ledger_entries SET lot_id = (SELECT id FROM lots WHERE {at(1)}) WHERE {at(6)} AND line = 1",
        f"{named(6)}: {NOT_ITS_HASH}",
        id="another lot",
    ),
    pytest.param(
        f"UPDATE ledger_entries SET lot_id = (SELECT id FROM lots WHERE {at(3)}) WHERE {at(6)} AND line = 1",
        f"{named(6)} line 1: lot … is of another asset type",
        id="a lot of another asset type",
    ),
    pytest.param(
        "UPDATE ledger_entries SET lot_id = (SELECT id FROM lots WHERE owner_id = {bob} AND seq = 1) "
        f"WHERE {at(6)} AND line = 1",
        f"{named(6)} line 1: no transaction before it made lot …",
        id="a lot of another user",
    ),
    pytest.param(
        f"UPDATE ledger_entries SET lot_id = (SELECT id FROM lots WHERE {at(10)}) WHERE {at(6)} AND line = 1",
        f"{named(6)} line 1: no transaction before it made lot …",
        id="a lot of later",
    ),
    pytest.param(
        f"UPDATE ledger_entries SET lot_id = (SELECT id FROM lots WHERE {at(5)}) WHERE {at(9)} AND line = 1",
        f"{named(9)} line 1: leaves -5000 in …",
        id="a lot that has nothing left",
    ),
    pytest.param(
        f"UPDATE ledger_entries SET asset_type_id = 2 WHERE {at(6)}",
        f"{named(6)} line 1: balance_after is 105200, not 19900",
        id="another asset type",
    ),
    pytest.param(
        f"UPDATE ledger_entries SET line = 3 WHERE {at(6)} AND line = 2",
        f"{named(6)}: line 2 is missing",
        id="number of a line",
    ),
    pytest.param(
        f"DELETE FROM ledger_entries WHERE {at(6)} AND line = 1",
        f"{named(6)}: line 1 is missing",
        id="the owner's line deleted",
    ),
    pytest.param(
        f"DELETE FROM ledger_entries WHERE {at(6)} AND line = 2",
        f"{named(6)}: its entries in asset type 1 sum to -100, not to zero",
        id="the Treasury's line deleted",
    ),
    pytest.param(
        f"DELETE FROM ledger_entries WHERE {at(6)}",
        f"{named(6)}: takes 0, its header says 100",
        id="all lines deleted",
    ),
    pytest.param(
        "INSERT INTO ledger_entries (owner_id, bucket, seq, line, account_id, asset_type_id, amount) "
        f"SELECT owner_id, bucket, seq, added.line, account_id, asset_type_id, added.amount FROM ledger_entries, "
        f"(VALUES (3, 5), (4, -5)) AS added (line, amount) WHERE {at(6)} AND ledger_entries.line = 2",
        f"{named(6)}: {NOT_ITS_HASH}",
        id="lines added that balance",
    ),
    pytest.param(
        "INSERT INTO ledger_entries (owner_id, bucket, seq, line, account_id, asset_type_id, amount) "
        f"SELECT owner_id, bucket, 7, line, account_id, asset_type_id, amount FROM ledger_entries "
        f"WHERE {at(6)} AND line = 2",
        f"{named(7)}: was refused and has entries or lots",
        id="a line added to a refusal",
    ),
    pytest.param(
        "INSERT INTO ledger_entries SELECT owner_id, 99, account_id, amount, balance_after, asset_type_id, bucket, "
        f"line, lot_id FROM ledger_entries WHERE {at(6)}",
        "entry of owner {alice}, seq 99: belongs to nothing that is there",
        id="lines of no transaction",
    ),
    pytest.param(
        "INSERT INTO ledger_entries VALUES (5127, 1, 1, 5, NULL, 1, 7, 1, NULL)",
        "entry of owner 5127, seq 1: belongs to nothing that is there",
        id="lines of nobody",
    ),
]

HEADERS = [
    pytest.param(f"{name} = {value}", problem, id=name)
    for name, value, problem in (
        ("type", "'expiry'", NOT_ITS_HASH),
        ("amount", "101", "takes 100, its header says 101"),
        ("asset_type_id", "2", NOT_ITS_HASH),
        ("idempotency_key", "'other'", NOT_ITS_HASH),
        ("fingerprint", "sha256('other')", NOT_ITS_HASH),
        ("actor", "'somebody else'", NOT_ITS_HASH),
        ("created_at", "created_at + interval '1 microsecond'", NOT_ITS_HASH),
        ("effective_at", "effective_at - interval '1 microsecond'", NOT_ITS_HASH),
        ("terms", "'{{}}'", NOT_ITS_HASH),
        ("facts", "'{{}}'", NOT_ITS_HASH),
        ("parent_id", "gen_random_uuid()", NOT_ITS_HASH),
        ("group_id", "gen_random_uuid()", NOT_ITS_HASH),
        ("id", "overlay(id::text PLACING '00000000' FROM 1 FOR 8)::uuid", NOT_ITS_HASH),
        ("hash", "sha256('other')", NOT_ITS_HASH),
    )
]

HISTORY = [
    pytest.param(
        f"DELETE FROM transactions WHERE {at(6)}; DELETE FROM ledger_entries WHERE {at(6)}",
        f"{named(7)}: follows seq 5",
        id="a transaction deleted",
    ),
    pytest.param(
        f"DELETE FROM transactions WHERE {at(6)}",
        "entry of owner {alice}, seq 6: belongs to nothing that is there",
        id="a header deleted",
    ),
    pytest.param(
        f"DELETE FROM transactions WHERE {at(10)}; DELETE FROM ledger_entries WHERE {at(10)}; "
        f"DELETE FROM lots WHERE {at(10)}",
        "account {alice}: last_seq is 10, not 9",
        id="the last transaction cut off",
    ),
    pytest.param(
        f"DELETE FROM transactions WHERE {at(10)}; DELETE FROM ledger_entries WHERE {at(10)}; "
        f"DELETE FROM lots WHERE {at(10)}; UPDATE accounts SET last_seq = 9 WHERE id = {{alice}}",
        "account {alice}: last_hash is not that of its last transaction",
        id="the last transaction cut off and last_seq put back",
    ),
    pytest.param(
        "DELETE FROM transactions WHERE owner_id = {bob}; DELETE FROM ledger_entries WHERE owner_id = {bob}; "
        "DELETE FROM lots WHERE owner_id = {bob}; DELETE FROM wallets WHERE owner_id = {bob}",
        "account {bob}: last_seq is 3, not 0",
        id="everything of a user deleted",
    ),
    pytest.param(
        f"UPDATE transactions SET seq = 11 WHERE {at(10)}; UPDATE ledger_entries SET seq = 11 WHERE {at(10)}; "
        f"UPDATE lots SET seq = 11 WHERE {at(10)}",
        f"{named(11)}: follows seq 9",
        id="a number left out",
    ),
    pytest.param(
        "UPDATE transactions AS t SET hash = other.hash FROM transactions AS other WHERE t.owner_id = {alice} "
        "AND other.owner_id = {alice} AND (t.seq, other.seq) IN ((5, 6), (6, 5))",
        f"{named(5)}: {NOT_ITS_HASH}",
        id="two hashes swapped",
    ),
    pytest.param(
        f"UPDATE transactions SET created_at = '2001-01-01Z', effective_at = '2001-01-01Z' WHERE {at(6)}",
        f"{named(6)}: created_at runs backwards",
        id="created before the one before it",
    ),
    pytest.param(
        f"UPDATE transactions SET effective_at = '2001-01-01Z' WHERE {at(6)}",
        f"{named(6)}: effective_at runs backwards",
        id="in effect before the one before it",
    ),
    pytest.param(
        f"UPDATE transactions SET amount = 301 WHERE {at(5)}",
        f"{named(5)}: gives 300, its header says 301",
        id="amount of a top-up",
    ),
    pytest.param(
        f"UPDATE transactions SET amount = 201 WHERE {at(8)}",
        f"{named(8)}: takes 200, its header says 201",
        id="amount of an expiry",
    ),
    pytest.param(
        f"UPDATE transactions SET outcome = 'refused', facts = '{{{{}}}}' WHERE {at(6)}",
        f"{named(6)}: was refused and has entries or lots",
        id="a spend made a refusal",
    ),
    pytest.param(
        f"UPDATE transactions SET outcome = 'posted' WHERE {at(7)}",
        f"{named(7)}: takes 0, its header says 1000000000",
        id="a refusal made a spend",
    ),
    pytest.param(
        f"UPDATE transactions SET amount = amount + 1 WHERE {at(7)}",
        f"{named(7)}: {NOT_ITS_HASH}",
        id="amount of a refusal",
    ),
    pytest.param(
        "UPDATE accounts SET id = id + 102400 WHERE id = {bob}; "
        "UPDATE ledger_entries SET owner_id = owner_id + 102400, "
        "account_id = CASE WHEN account_id = owner_id THEN account_id + 102400 ELSE account_id END "
        "WHERE owner_id = {bob}; "
        + "; ".join(
            f"UPDATE {table} SET owner_id = owner_id + 102400 WHERE owner_id = {{bob}}"
            for table in ("transactions", "lots", "wallets")
        ),
        f"transaction … (owner {{moved_bob}}, seq 1): {NOT_ITS_HASH}",
        id="a whole history moved to another account",
    ),
    pytest.param(
        f"UPDATE transactions SET facts = replace(facts, 'insufficient_funds', 'account_frozen') WHERE {at(7)}",
        f"{named(7)}: {NOT_ITS_HASH}",
        id="reason of a refusal",
    ),
    pytest.param(
        f"UPDATE transactions SET id = overlay(id::text PLACING 'ffffffffffff' FROM 25 FOR 12)::uuid WHERE {at(6)}",
        f"{named(6)}: is not in its owner's bucket {BUCKET}",
        id="an id of another bucket",
    ),
    pytest.param(
        "UPDATE transactions SET owner_id = owner_id + 1024 * 100 WHERE owner_id = {bob} AND seq = 3",
        "account {bob}: last_seq is 3, not 2",
        id="a header moved to nobody",
    ),
]

NOTES = [
    pytest.param("reference = 'order 8'", "its note is not the one that was written", id="reference"),
    pytest.param("reference = NULL", "its note is not the one that was written", id="reference removed"),
    pytest.param("metadata = '{{}}'", "its note is not the one that was written", id="metadata"),
    pytest.param("operator = 'Olga'", "its note is not the one that was written", id="operator"),
    pytest.param(
        "reference = metadata, metadata = reference", "its note is not the one that was written", id="texts swapped"
    ),
    pytest.param("salt = sha256('other')", "its note is not the one that was written", id="salt"),
    pytest.param(
        "salt = NULL, reference = NULL, metadata = NULL",
        "its texts are gone, and nobody erased them",
        id="texts erased behind the account's back",
    ),
    pytest.param("digest = sha256('other')", "its note is not the one that was written", id="digest"),
    pytest.param(
        "digest = sha256('other'), salt = NULL, reference = NULL, metadata = NULL",
        NOT_ITS_HASH,
        id="digest of an erased note",
    ),
    pytest.param(
        "salt = '', reference = 'order 8', metadata = NULL, "
        "digest = sha256('\\x00000007'::bytea || 'order 8' || '\\xffffffffffffffff'::bytea)",
        NOT_ITS_HASH,
        id="another note with its right digest",
    ),
]

PROJECTIONS = [
    # -- lots ----------------------------------------------------------------------------------------------------------
    pytest.param(f"UPDATE lots SET kind = 'promo' WHERE {at(5)}", f"{named(5)}: {NOT_ITS_HASH}", id="lot kind"),
    pytest.param(f"UPDATE lots SET priority = 11 WHERE {at(5)}", f"{named(5)}: {NOT_ITS_HASH}", id="lot priority"),
    pytest.param(
        f"UPDATE lots SET expires_at = expires_at + interval '1 second' WHERE {at(5)}",
        f"{named(5)}: {NOT_ITS_HASH}",
        id="lot expires_at",
    ),
    pytest.param(
        f"UPDATE lots SET expires_at = NULL WHERE {at(5)}", f"{named(5)}: {NOT_ITS_HASH}", id="lot expires no more"
    ),
    pytest.param(
        f"UPDATE lots SET expires_at = '1970-01-01Z' WHERE {at(1)}",
        f"{named(1)}: {NOT_ITS_HASH}",
        id="lot that never expires has expired",
    ),
    pytest.param(
        f"UPDATE lots SET granted = granted + 1 WHERE {at(5)}", f"{named(5)}: {NOT_ITS_HASH}", id="lot granted"
    ),
    pytest.param(
        f"UPDATE lots SET asset_type_id = 2 WHERE {at(5)}",
        f"{named(5)} line 1: lot … is of another asset type",
        id="lot asset type",
    ),
    pytest.param(
        f"UPDATE lots SET id = overlay(id::text PLACING 'ffffffffffff' FROM 25 FOR 12)::uuid WHERE {at(5)}",
        f"{named(5)}: lot … is not in its bucket",
        id="lot id of another bucket",
    ),
    pytest.param(
        f"UPDATE lots SET remaining = remaining - 1 WHERE {at(1)}",
        "lot … (owner {alice}): remaining is 99499, not 99500",
        id="lot remaining",
    ),
    pytest.param(
        f"UPDATE lots SET remaining = 200, open = true, expired = 0 WHERE {at(5)}",
        "lot … (owner {alice}): remaining is 200, not 0",
        id="expired lot open again",
    ),
    pytest.param(
        f"UPDATE lots SET held = 1 WHERE {at(1)}",
        "lot … (owner {alice}): held is 1, not 0",
        id="lot held",
    ),
    pytest.param(
        f"UPDATE lots SET seq = 6 WHERE {at(5)}",
        f"{named(5)} line 1: no transaction before it made lot …",
        id="lot of another transaction",
    ),
    pytest.param(
        f"DELETE FROM lots WHERE {at(5)}",
        f"{named(5)} line 1: no transaction before it made lot …",
        id="lot deleted",
    ),
    pytest.param(
        f"INSERT INTO lots SELECT overlay(id::text PLACING '00000000' FROM 1 FOR 8)::uuid, owner_id, 6, expires_at, "
        f"granted, granted, held, debt, asset_type_id, bucket, priority, true, kind FROM lots WHERE {at(5)}",
        f"{named(6)}: {NOT_ITS_HASH}",
        id="lot added to a transaction",
    ),
    pytest.param(
        f"UPDATE lots SET seq = 99 WHERE {at(10)}",
        f"{named(10)} line 1: no transaction before it made lot …",
        id="lot of no transaction",
    ),
    pytest.param(
        f"INSERT INTO lots SELECT overlay(id::text PLACING '00000000' FROM 1 FOR 8)::uuid, owner_id, 99, expires_at, "
        f"granted, granted, held, debt, asset_type_id, bucket, priority, true, kind FROM lots WHERE {at(5)}",
        "lot of owner {alice}, seq 99: belongs to nothing that is there",
        id="lot of nothing added",
    ),
    pytest.param(
        "INSERT INTO lots SELECT id, 5127, 1, expires_at, granted, remaining, held, debt, asset_type_id, 7, priority, "
        f"open, kind FROM lots WHERE {at(1)}",
        "lot of owner 5127, seq 1: belongs to nothing that is there",
        id="lot of nobody",
    ),
    # -- wallets -------------------------------------------------------------------------------------------------------
    pytest.param(
        "UPDATE wallets SET posted = posted + 1 WHERE owner_id = {alice} AND asset_type_id = 1",
        "wallet of account {alice} in asset type 1: posted is 99551, not 99550",
        id="wallet posted",
    ),
    pytest.param(
        "UPDATE wallets SET held = 1 WHERE owner_id = {alice} AND asset_type_id = 1",
        "wallet of account {alice} in asset type 1: held is 1, not 0",
        id="wallet held",
    ),
    pytest.param(
        "UPDATE wallets SET next_due_at = next_due_at + interval '1 second' "
        "WHERE owner_id = {alice} AND asset_type_id = 1",
        "wallet of account {alice} in asset type 1: next_due_at is after the expiry of one of its lots or "
        "the deadline of one of its holds",
        id="wallet due later",
    ),
    pytest.param(
        "UPDATE wallets SET next_due_at = NULL WHERE owner_id = {alice} AND asset_type_id = 1",
        "wallet of account {alice} in asset type 1: next_due_at is after the expiry of one of its lots or "
        "the deadline of one of its holds",
        id="wallet never due",
    ),
    pytest.param(
        "DELETE FROM wallets WHERE owner_id = {alice} AND asset_type_id = 1",
        "account {alice}: has entries in asset type 1 and no wallet",
        id="wallet deleted",
    ),
    pytest.param(
        "INSERT INTO asset_types (id, code, name, scale) VALUES (4, 'GEM', 'Gems', 2); "
        "UPDATE wallets SET asset_type_id = 4 WHERE owner_id = {alice} AND asset_type_id = 3",
        "wallet of account {alice} in asset type 4: posted is 250000, not 0",
        id="wallet of another asset type",
    ),
    pytest.param(
        "INSERT INTO wallets (owner_id, bucket, asset_type_id) VALUES (5127, 7, 1)",
        "wallet of owner 5127: belongs to nothing that is there",
        id="wallet of nobody",
    ),
    # -- accounts ------------------------------------------------------------------------------------------------------
    pytest.param(
        "UPDATE accounts SET last_seq = 11 WHERE id = {alice}", "account {alice}: last_seq is 11, not 10", id="last_seq"
    ),
    pytest.param(
        "UPDATE accounts SET last_hash = sha256('other') WHERE id = {alice}",
        "account {alice}: last_hash is not that of its last transaction",
        id="last_hash",
    ),
    pytest.param(
        "UPDATE accounts SET last_at = last_at + interval '1 microsecond' WHERE id = {alice}",
        "account {alice}: last_at is not its last transaction's",
        id="last_at",
    ),
    pytest.param(
        "UPDATE accounts SET last_effective_at = last_effective_at - interval '1 microsecond' WHERE id = {alice}",
        "account {alice}: last_effective_at is not its last transaction's",
        id="last_effective_at",
    ),
    pytest.param(
        "DELETE FROM accounts WHERE id = {alice}",
        "transaction of owner {alice}, seq 1: belongs to nothing that is there",
        id="account deleted",
    ),
    pytest.param(
        "DELETE FROM accounts WHERE id = {bob}",
        "transaction of owner {bob}, seq 1: belongs to nothing that is there",
        id="last account deleted",
    ),
]

UNGUARDED = [
    pytest.param(
        "ALTER TABLE transactions DROP CONSTRAINT ck_transactions_fingerprint_length; "
        f"UPDATE transactions SET fingerprint = fingerprint || '\\x00' WHERE {at(6)}",
        f"{named(6)}: its fingerprint is no digest",
        id="longer fingerprint",
    ),
    pytest.param(
        f"ALTER TABLE lots DROP CONSTRAINT ck_lots_open_while_remaining; UPDATE lots SET open = false WHERE {at(1)}",
        "lot … (owner {alice}): is closed and has something left, or is open and has not",
        id="lot that nothing is taken from any more",
    ),
    pytest.param(
        "ALTER TABLE ledger_entries DROP CONSTRAINT ck_ledger_entries_balance_floor; "
        f"UPDATE ledger_entries SET amount = -105301, balance_after = -1 WHERE {at(6)} AND line = 1; "
        f"UPDATE ledger_entries SET amount = 105301 WHERE {at(6)} AND line = 2",
        f"{named(6)} line 1: the balance is -1",
        id="negative balance",
    ),
    pytest.param(
        "ALTER TABLE ledger_entries DROP CONSTRAINT ck_ledger_entries_own_or_system; "
        f"UPDATE ledger_entries SET account_id = {{bob}} WHERE {at(6)} AND line = 2",
        f"{named(6)} line 2: is on account {{bob}}, not on the owner's",
        id="line on another user's account",
    ),
    pytest.param(
        "ALTER TABLE ledger_entries DROP CONSTRAINT ck_ledger_entries_own_has_balance; "
        f"UPDATE ledger_entries SET balance_after = 5 WHERE {at(6)} AND line = 2",
        f"{named(6)} line 2: is not the owner's",
        id="balance of the Treasury",
    ),
    pytest.param(
        "ALTER TABLE transactions DROP CONSTRAINT ck_transactions_effective_first; "
        f"UPDATE transactions SET effective_at = created_at + interval '1 microsecond' WHERE {at(6)}",
        f"{named(6)}: is effective after it was created",
        id="in effect before it was created",
    ),
    pytest.param(
        "ALTER TABLE accounts DROP CONSTRAINT ck_accounts_bucket_of_id; "
        "UPDATE accounts SET bucket = bucket + 1 WHERE id = {alice}",
        f"{named(1)}: is not in its owner's bucket {BUCKET + 1}",
        id="account in another bucket",
    ),
    pytest.param(
        "ALTER TABLE accounts DROP CONSTRAINT ck_accounts_bucket_of_id; "
        "INSERT INTO accounts (id, bucket, external_user_id) VALUES (5127, 8, 'new')",
        "account 5127: is not in the bucket of its id",
        id="new account in another bucket",
    ),
]

IMPOSSIBLE = [
    # -- what can't be read --------------------------------------------------------------------------------------------
    *(
        pytest.param(
            f"UPDATE transactions SET {assignment} WHERE {at(10)}",
            f"{named(10)}: its times are out of range",
            id=assignment,
        )
        for assignment in (
            "created_at = 'infinity'",
            "created_at = '20000-01-01Z'",
            "effective_at = '-infinity'",
            "effective_at = '4000-01-01 BC'",
        )
    ),
    *(
        pytest.param(
            f"UPDATE lots SET expires_at = '{moment}' WHERE {at(10)}",
            "lot … (owner {alice}): expires_at is out of range",
            id=f"expires_at = {moment}",
        )
        for moment in ("infinity", "20000-01-01Z", "4000-01-01 BC")
    ),
    *(
        pytest.param(
            f"UPDATE wallets SET next_due_at = '{moment}' WHERE owner_id = {{alice}} AND asset_type_id = 1",
            "wallet of account {alice} in asset type 1: next_due_at is out of range",
            id=f"next_due_at = {moment}",
        )
        for moment in ("-infinity", "20000-01-01Z", "4000-01-01 BC")
    ),
    *(
        pytest.param(
            f"UPDATE accounts SET {column} = '20000-01-01Z' WHERE id = {{alice}}",
            "account {alice}: last_at or last_effective_at is out of range",
            id=f"{column} far ahead",
        )
        for column in ("last_at", "last_effective_at")
    ),
    # -- what is missing -----------------------------------------------------------------------------------------------
    pytest.param("DELETE FROM accounts WHERE id = 1", "system account 1: is missing", id="no Treasury"),
    pytest.param("DELETE FROM accounts WHERE id = 2", "system account 2: is missing", id="no Breakage"),
    pytest.param(
        "DELETE FROM asset_types WHERE id = 3; DELETE FROM wallets WHERE asset_type_id = 3 AND owner_id = {bob}",
        "wallet of account {alice}: there is no asset type 3",
        id="no asset type",
    ),
    # -- what nothing puts there ---------------------------------------------------------------------------------------
    pytest.param(
        "INSERT INTO transaction_notes (owner_id, bucket, seq, digest) "
        "SELECT id, bucket, 99, sha256('other') FROM accounts WHERE id = {alice}",
        "note of owner {alice}, seq 99: belongs to nothing that is there",
        id="note of no transaction",
    ),
    pytest.param(
        "INSERT INTO transaction_notes (owner_id, bucket, seq, digest) VALUES (5127, 7, 1, sha256('other'))",
        "note of owner 5127, seq 1: belongs to nothing that is there",
        id="note of nobody",
    ),
    pytest.param(
        "UPDATE accounts SET external_user_id = 'mallory' WHERE id = {alice}",
        "account {alice}: is not in its user's bucket",
        id="account of another user",
    ),
]
