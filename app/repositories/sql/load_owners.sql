-- Load what deciding for locked owners needs, in one snapshot, in a later statement than their lock.
-- Binds: $1 owner ids, $2 buckets;
--        $3 owner ids, $4 buckets, $5 idempotency keys to look up;
--        $6 ids of the asset types in question;
--        $7 the owners of wallets that are taken from, $8 their buckets, $9 their last_at, $10 the wallets' asset types;
--        $11 how many of the lots that are burned first at most for each;
--        $12 ids of holds that are named, $13 their buckets.
-- Locks: none. Rows: one for each thing, all in the same columns, of which each kind of thing uses its own. As rows of
-- columns they are read in a third of the time that the driver needs for records in arrays.
--   clock       moment: now; ids: of the transactions that the keys belong to
--   asset type  asset_type_id; words: code, name, status; numbers: scale, default_expiry_days, hold_seconds, and the
--               limits amount_min, amount_max, balance_max, daily_spend_max, daily_credit_max
--   wallet      owner_id, asset_type_id; moment: next_due_at; a to d: posted, held, day_spent, day_credited; day
--   free lot    id to flag: the columns of a lot, in their order; the lots that are burned first, in burn order within a
--               wallet (the order of ix_lots_burn)
--   held lot    likewise, once for each time that a named hold reserves it
--   hold        id, owner_id, asset_type_id, seq; word: status; moment: deadline; a, b: amount, captured; what it
--               reserves: ids (of lots), numbers (amounts), moments (since when)
WITH clock AS MATERIALIZED (
    SELECT ledger_now() AS now
),
hold AS MATERIALIZED (
    SELECT h.*
      FROM unnest($12::text::uuid[], $13::text::smallint[]) AS named (id, bucket)
     CROSS JOIN LATERAL (
           SELECT holds.* FROM holds WHERE holds.id = named.id AND holds.bucket = named.bucket LIMIT 1
           ) AS h
)
SELECT 'clock' AS what, NULL::uuid AS id, NULL::bigint AS owner_id, NULL::integer AS asset_type_id, NULL::bigint AS seq,
       NULL::text AS word, NULL::integer AS priority, clock.now AS moment, NULL::bigint AS a, NULL::bigint AS b,
       NULL::bigint AS c, NULL::bigint AS d, NULL::bigint AS e, NULL::boolean AS flag,
       ARRAY(
           SELECT t.id
             FROM unnest($3::text::bigint[], $4::text::smallint[], $5::text::text[])
                  AS k (owner_id, bucket, idempotency_key)
            CROSS JOIN LATERAL (
                  SELECT transactions.id
                    FROM transactions
                   WHERE transactions.owner_id = k.owner_id
                     AND transactions.bucket = k.bucket
                     AND transactions.idempotency_key = k.idempotency_key
                   LIMIT 1
                  ) AS t
       ) AS ids,
       NULL::bigint[] AS numbers, NULL::timestamptz[] AS moments, NULL::date AS day, NULL::text[] AS words
  FROM clock
 UNION ALL
SELECT 'asset type', NULL, NULL, a.id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       ARRAY[a.scale, a.default_expiry_days, a.hold_seconds,
             a.amount_min, a.amount_max, a.balance_max, a.daily_spend_max, a.daily_credit_max],
       NULL, NULL, ARRAY[a.code, a.name, a.status]
  FROM unnest($6::text::integer[]) AS wanted (id)
 CROSS JOIN LATERAL (
       SELECT asset_types.* FROM asset_types WHERE asset_types.id = wanted.id LIMIT 1
       ) AS a
 UNION ALL
SELECT 'wallet', NULL, w.owner_id, w.asset_type_id, NULL, NULL, NULL, w.next_due_at,
       w.posted, w.held, w.day_spent, w.day_credited, NULL, NULL, NULL, NULL, NULL, w.day, NULL
  FROM unnest($1::text::bigint[], $2::text::smallint[]) AS o (id, bucket)
 CROSS JOIN LATERAL (
       SELECT wallets.*
         FROM wallets
        WHERE wallets.owner_id = o.id
          AND wallets.bucket = o.bucket
       OFFSET 0
       ) AS w
 UNION ALL
SELECT 'free lot', l.id, l.owner_id, l.asset_type_id, l.seq, l.kind, l.priority, l.expires_at,
       l.granted, l.remaining, l.held, l.debt, l.expired, l.reversed, NULL, NULL, NULL, NULL, NULL
  FROM clock
 CROSS JOIN unnest($7::text::bigint[], $8::text::smallint[], $9::text::timestamptz[], $10::text::integer[])
            AS s (owner_id, bucket, last_at, asset_type_id)
 CROSS JOIN LATERAL (
       SELECT lots.*
         FROM lots
        WHERE lots.owner_id = s.owner_id
          AND lots.asset_type_id = s.asset_type_id
          AND lots.bucket = s.bucket
          AND lots.open
          AND (lots.expires_at IS NULL OR lots.expires_at > greatest(clock.now, s.last_at))
          AND lots.remaining > lots.held
        ORDER BY lots.priority, lots.expires_at, lots.kind DESC, lots.seq, lots.id
        LIMIT $11::integer
       ) AS l
 UNION ALL
SELECT 'held lot', l.id, l.owner_id, l.asset_type_id, l.seq, l.kind, l.priority, l.expires_at,
       l.granted, l.remaining, l.held, l.debt, l.expired, l.reversed, NULL, NULL, NULL, NULL, NULL
  FROM (SELECT unnest(hold.lot_ids) AS lot_id, hold.bucket FROM hold) AS p
 CROSS JOIN LATERAL (
       SELECT lots.* FROM lots WHERE lots.id = p.lot_id AND lots.bucket = p.bucket LIMIT 1
       ) AS l
 UNION ALL
SELECT 'hold', h.id, h.owner_id, h.asset_type_id, h.seq, h.status, NULL, h.deadline,
       h.amount, h.captured, NULL, NULL, NULL, NULL, h.lot_ids, h.lot_amounts, h.lot_held_at, NULL, NULL
  FROM hold AS h
