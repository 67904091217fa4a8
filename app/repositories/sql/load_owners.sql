-- Load what deciding for locked owners needs, in one snapshot, in a later statement than their lock.
-- Binds: $1 owner ids, $2 buckets;
--        $3 owner ids, $4 buckets, $5 idempotency keys to look up;
--        $6 ids of the asset types in question;
--        $7 the owners of wallets that are taken from, $8 their buckets, $9 their last_at, $10 the wallets' asset types;
--        $11 how many of the lots that are burned first at most for each;
--        $12 ids of holds that are named, $13 their buckets.
-- Locks: none. Rows: one, with an array for each kind of thing:
--   wallets   (the columns of a wallet)
--   free lots (the columns of a lot; in burn order within a wallet: the order of ix_lots_burn)
--   holds     (the columns of a hold but for its arrays; in their place what it reserves, in order: for each part the
--              amount, since when, and the columns of its lot)
--   decided   (the ids of the transactions that the keys belong to)
--   asset types, with their policy
WITH clock AS MATERIALIZED (
    SELECT ledger_now() AS now
)
SELECT (SELECT now FROM clock) AS now,
       ARRAY(
           SELECT ROW(w.owner_id, w.asset_type_id, w.posted, w.held, w.next_due_at, w.day, w.day_spent, w.day_credited)
             FROM unnest($1::text::bigint[], $2::text::smallint[]) AS o (id, bucket)
            CROSS JOIN LATERAL (
                  SELECT wallets.*
                    FROM wallets
                   WHERE wallets.owner_id = o.id
                     AND wallets.bucket = o.bucket
                  OFFSET 0
                  ) AS w
       ) AS wallets,
       ARRAY(
           SELECT ROW(l.id, l.owner_id, l.asset_type_id, l.seq, l.kind, l.priority, l.expires_at, l.granted,
                      l.remaining, l.held, l.debt, l.expired, l.reversed)
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
       ) AS free_lots,
       ARRAY(
           SELECT ROW(h.id, h.owner_id, h.asset_type_id, h.seq, h.amount, h.captured, h.deadline, h.status,
                      ARRAY(
                          SELECT ROW(p.amount, p.held_at, l.id, l.owner_id, l.asset_type_id, l.seq, l.kind, l.priority,
                                     l.expires_at, l.granted, l.remaining, l.held, l.debt, l.expired, l.reversed)
                            FROM (
                                SELECT unnest(h.lot_ids) AS lot_id, unnest(h.lot_amounts) AS amount,
                                       unnest(h.lot_held_at) AS held_at
                                 ) AS p
                           CROSS JOIN LATERAL (
                                 SELECT lots.* FROM lots WHERE lots.id = p.lot_id AND lots.bucket = h.bucket LIMIT 1
                                 ) AS l
                      ))
             FROM unnest($12::text::uuid[], $13::text::smallint[]) AS named (id, bucket)
            CROSS JOIN LATERAL (
                  SELECT holds.* FROM holds WHERE holds.id = named.id AND holds.bucket = named.bucket LIMIT 1
                  ) AS h
       ) AS holds,
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
       ) AS decided,
       ARRAY(
           SELECT ROW(a.id, a.code, a.name, a.scale::integer, a.status, a.default_expiry_days, a.hold_seconds,
                      a.amount_min, a.amount_max, a.balance_max, a.daily_spend_max, a.daily_credit_max)
             FROM unnest($6::text::integer[]) AS wanted (id)
            CROSS JOIN LATERAL (
                  SELECT asset_types.* FROM asset_types WHERE asset_types.id = wanted.id LIMIT 1
                  ) AS a
       ) AS asset_types
