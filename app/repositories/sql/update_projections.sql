-- Write what a unit of work has changed in what was there: where histories stand, wallets, lots, and holds that have
-- ended (nothing is reserved by them any more). One statement, because each costs a way to the server and back.
-- Binds: arrays, one element a row: $1 to $6 accounts, $7 to $15 wallets, $16 to $19 lots, $20 to $23 holds.
-- Locks: the rows, under their owners' locks. Rows: one, how many rows of each were written.
-- ck_wallets_*, ck_lots_*: the decision was wrong; the unit fails.
WITH account AS (
    UPDATE accounts AS a
       SET last_seq = c.last_seq,
           last_hash = c.last_hash,
           last_at = c.last_at,
           last_effective_at = c.last_effective_at
      FROM unnest($1::text::bigint[], $2::text::smallint[], $3::text::bigint[], $4::text::bytea[],
                  $5::text::timestamptz[], $6::text::timestamptz[])
           AS c (id, bucket, last_seq, last_hash, last_at, last_effective_at)
     WHERE a.id = c.id
       AND a.bucket = c.bucket
    RETURNING 1
),
wallet AS (
    UPDATE wallets AS w
       SET posted = c.posted,
           held = c.held,
           next_due_at = c.next_due_at,
           day = c.day,
           day_spent = c.day_spent,
           day_credited = c.day_credited
      FROM unnest($7::text::bigint[], $8::text::smallint[], $9::text::integer[], $10::text::bigint[],
                  $11::text::bigint[], $12::text::timestamptz[], $13::text::date[], $14::text::bigint[],
                  $15::text::bigint[])
           AS c (owner_id, bucket, asset_type_id, posted, held, next_due_at, day, day_spent, day_credited)
     WHERE w.owner_id = c.owner_id
       AND w.bucket = c.bucket
       AND w.asset_type_id = c.asset_type_id
    RETURNING 1
),
lot AS (
    UPDATE lots AS l
       SET remaining = c.remaining,
           held = c.held,
           open = c.remaining > 0
      FROM unnest($16::text::uuid[], $17::text::smallint[], $18::text::bigint[], $19::text::bigint[])
           AS c (id, bucket, remaining, held)
     WHERE l.id = c.id
       AND l.bucket = c.bucket
    RETURNING 1
),
hold AS (
    UPDATE holds AS h
       SET captured = c.captured,
           status = c.status,
           lot_ids = '{}',
           lot_amounts = '{}',
           lot_held_at = '{}'
      FROM unnest($20::text::uuid[], $21::text::smallint[], $22::text::bigint[], $23::text::text[])
           AS c (id, bucket, captured, status)
     WHERE h.id = c.id
       AND h.bucket = c.bucket
    RETURNING 1
)
SELECT (SELECT count(*) FROM account) AS accounts,
       (SELECT count(*) FROM wallet) AS wallets,
       (SELECT count(*) FROM lot) AS lots,
       (SELECT count(*) FROM hold) AS holds
