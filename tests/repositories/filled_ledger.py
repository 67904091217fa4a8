"""A ledger of as many owners as wanted, and keys of rows in it."""

from app.database import Connection

WALLETS_OF_AN_OWNER = 2
TRANSACTIONS_OF_AN_OWNER = 3
REFUNDS_OF_AN_OWNER = 2
HOLDS_OF_AN_OWNER = 3
"""One open, one released, one past its deadline; all of the first lot, in the first wallet."""

LOTS_OF_A_WALLET = 3
"""One for ever, one that expires later, one that has expired; it is still open in a third of the wallets."""

CROWDED_EVERY, CROWDED_LOTS, CROWDED_HOLDS = 500, 1_000, 100
"""The wallets of one owner in so many have so many lots, and the first so many holds, more."""

_FIRST = 100_000
_FILL = f"""
BEGIN;
SET LOCAL session_replication_role = replica;
CREATE TEMPORARY TABLE owner ON COMMIT DROP AS
SELECT n, (n * 1024 + n % 1024)::bigint AS id, (n % 1024)::smallint AS bucket
  FROM generate_series({_FIRST}, {_FIRST} + :owners - 1) AS n;

INSERT INTO accounts (id, bucket, external_user_id, last_seq)
SELECT id, bucket, 'user_' || n, {TRANSACTIONS_OF_AN_OWNER + REFUNDS_OF_AN_OWNER} FROM owner;

INSERT INTO transactions (id, owner_id, bucket, seq, type, outcome, asset_type_id, amount, actor, created_at,
                          effective_at, hash, idempotency_key, fingerprint)
SELECT md5(format('transaction %s %s', n, seq))::uuid, id, bucket, seq, 'top_up', 'posted', 1, 100, 'a test', now(),
       now(), sha256('hash'), 'key ' || seq, sha256('fingerprint')
  FROM owner CROSS JOIN generate_series(1, {TRANSACTIONS_OF_AN_OWNER}) AS seq;

INSERT INTO transactions (id, owner_id, bucket, seq, type, outcome, asset_type_id, amount, actor, created_at,
                          effective_at, hash, parent_id, refund_no, parent_amount, refunded_after)
SELECT md5(format('refund %s %s', n, refund))::uuid, id, bucket, {TRANSACTIONS_OF_AN_OWNER} + refund, 'refund',
       'posted', 1, 10, 'a test', now(), now(), sha256('hash'), md5(format('transaction %s 1', n))::uuid,
       refund, 100, 10 * refund
  FROM owner CROSS JOIN LATERAL generate_series(1, {REFUNDS_OF_AN_OWNER}) AS refund;

INSERT INTO ledger_entries (owner_id, bucket, seq, line, account_id, asset_type_id, amount, lot_id, balance_after)
SELECT id, bucket, seq, line, CASE line WHEN 1 THEN id ELSE 1 END, 1, CASE line WHEN 1 THEN 100 ELSE -100 END,
       CASE line WHEN 1 THEN md5(format('lot %s 1 %s', n, seq))::uuid END, CASE line WHEN 1 THEN 100 * seq END
  FROM owner CROSS JOIN generate_series(1, {TRANSACTIONS_OF_AN_OWNER}) AS seq CROSS JOIN generate_series(1, 2) AS line;

INSERT INTO transaction_notes (owner_id, bucket, seq, digest)
SELECT id, bucket, 1, sha256('digest') FROM owner;

INSERT INTO wallets (owner_id, bucket, asset_type_id, posted, next_due_at)
SELECT id, bucket, asset, 300, CASE n % 3 WHEN 0 THEN now() - interval '1 day' ELSE now() + interval '30 days' END
  FROM owner CROSS JOIN generate_series(1, {WALLETS_OF_AN_OWNER}) AS asset;

INSERT INTO lots (id, bucket, owner_id, asset_type_id, seq, kind, priority, expires_at, granted, remaining, open)
SELECT md5(format('lot %s %s %s', n, asset, lot))::uuid, bucket, id, asset, lot, 'paid', 50,
       CASE lot WHEN 1 THEN NULL WHEN 3 THEN now() - interval '1 day' ELSE now() + interval '30 days' END,
       100, CASE WHEN spent THEN 0 ELSE 100 END, NOT spent
  FROM owner
 CROSS JOIN generate_series(1, {WALLETS_OF_AN_OWNER}) AS asset
 CROSS JOIN LATERAL generate_series(1, CASE n % {CROWDED_EVERY} WHEN 0 THEN {CROWDED_LOTS} ELSE 0 END
                                       + {LOTS_OF_A_WALLET}) AS lot
 CROSS JOIN LATERAL (SELECT lot = 3 AND n % 3 <> 0 AS spent) AS state;

INSERT INTO holds (id, owner_id, bucket, seq, amount, deadline, asset_type_id, status, lot_ids, lot_amounts,
                   lot_held_at)
SELECT md5(format('hold %s %s', n, hold))::uuid, id, bucket, hold, 10,
       CASE hold % 3 WHEN 0 THEN now() - interval '1 hour' ELSE now() + interval '1 hour' END, 1,
       CASE WHEN is_open THEN 'open' ELSE 'released' END,
       CASE WHEN is_open THEN ARRAY[md5(format('lot %s 1 1', n))::uuid] ELSE '{{}}' END,
       CASE WHEN is_open THEN ARRAY[10] ELSE '{{}}' END, CASE WHEN is_open THEN ARRAY[now()] ELSE '{{}}' END
  FROM owner
 CROSS JOIN LATERAL generate_series(1, {HOLDS_OF_AN_OWNER} + CASE n % {CROWDED_EVERY} WHEN 0 THEN {CROWDED_HOLDS}
                                                             ELSE 0 END) AS hold
 CROSS JOIN LATERAL (SELECT hold <> 2 AS is_open) AS state;

CREATE TABLE keys AS
SELECT id, bucket, 'user_' || n AS external_user_id, 1 AS asset_type_id,
       {TRANSACTIONS_OF_AN_OWNER + REFUNDS_OF_AN_OWNER + 1} AS next_seq,
       'key 1' AS idempotency_key, md5(format('transaction %s 1', n))::uuid AS transaction_id,
       md5(format('lot %s 1 1', n))::uuid AS lot_id, md5('new ' || n)::uuid AS new_id, now() AS moment,
       sha256('hash') AS hash, 100 AS amount, 0 AS held, 'paid' AS kind, 50 AS priority, 'words' AS words,
       md5(format('hold %s 1', n))::uuid AS hold_id, current_date AS day, 'open' AS status, false AS reversed,
       format('{{%s}}', md5(format('lot %s 1 1', n))::uuid) AS lot_ids, '{{10}}' AS lot_amounts,
       format('{{"%s"}}', now()) AS lot_held_at
  FROM owner;
COMMIT;
ANALYZE
"""


async def fill(connection: Connection, owners: int) -> None:
    """Write a ledger, and `keys`: a row for each owner, with whatever a statement can be asked about or told to write.

    The triggers are left out: what they guard against is not in it.
    """
    await connection.execute(_FILL.replace(":owners", str(owners)))
