-- Load what deciding for locked owners needs, in one snapshot, in a later statement than their lock.
-- Binds: $1 owner ids, $2 buckets;
--        $3 owner ids, $4 buckets, $5 idempotency keys to look up;
--        $6 ids of the asset types in question; $7 transaction ids to look up, $8 their buckets;
--        $9 the owners of wallets that are taken from, $10 their buckets, $11 their last_at, $12 the wallets' asset
--        types; $13 how many of the lots that are burned first at most for each.
-- Locks: none. Rows: one, with an array for each kind of thing:
--   wallets   (the columns of a wallet)
--   free lots (the columns of a lot; in burn order within a wallet: the order of ix_lots_burn)
--   decided   (what became of the keys and ids, with the owner's lines of it in their order)
--   asset types, with their policy
WITH clock AS MATERIALIZED (
    SELECT ledger_now() AS now
),
free_lot AS MATERIALIZED (
    SELECT f.*
      FROM clock
     CROSS JOIN unnest($9::bigint[], $10::smallint[], $11::timestamptz[], $12::integer[])
                AS s (owner_id, bucket, last_at, asset_type_id)
     CROSS JOIN LATERAL (
           SELECT l.id, l.owner_id, l.asset_type_id, l.seq, l.kind, l.priority, l.expires_at, l.granted,
                  l.remaining, l.held, l.debt, l.expired, l.reversed
             FROM lots AS l
            WHERE l.owner_id = s.owner_id
              AND l.asset_type_id = s.asset_type_id
              AND l.bucket = s.bucket
              AND l.open
              AND (l.expires_at IS NULL OR l.expires_at > greatest(clock.now, s.last_at))
              AND l.remaining > l.held
            ORDER BY l.priority, l.expires_at, l.kind DESC, l.seq, l.id
            LIMIT $13::integer
           ) AS f
),
decided AS MATERIALIZED (
    SELECT t.*
      FROM unnest($3::bigint[], $4::smallint[], $5::text[]) AS k (owner_id, bucket, idempotency_key)
     CROSS JOIN LATERAL (
           SELECT h.owner_id, h.idempotency_key, h.id, h.seq, h.type, h.outcome, h.asset_type_id, h.amount,
                  h.fingerprint, h.terms, h.facts, h.created_at, h.parent_id, h.bucket
             FROM transactions AS h
            WHERE h.owner_id = k.owner_id
              AND h.bucket = k.bucket
              AND h.idempotency_key = k.idempotency_key
            LIMIT 1
           ) AS t
     UNION ALL
    SELECT t.*
      FROM unnest($7::uuid[], $8::smallint[]) AS i (id, bucket)
     CROSS JOIN LATERAL (
           SELECT h.owner_id, h.idempotency_key, h.id, h.seq, h.type, h.outcome, h.asset_type_id, h.amount,
                  h.fingerprint, h.terms, h.facts, h.created_at, h.parent_id, h.bucket
             FROM transactions AS h
            WHERE h.id = i.id
              AND h.bucket = i.bucket
            LIMIT 1
           ) AS t
)
SELECT (SELECT now FROM clock) AS now,
       ARRAY(
           SELECT ROW(w.owner_id, w.asset_type_id, w.posted, w.held, w.next_due_at, w.day, w.day_spent, w.day_credited)
             FROM unnest($1::bigint[], $2::smallint[]) AS o (id, bucket)
            CROSS JOIN LATERAL (
                  SELECT wallets.*
                    FROM wallets
                   WHERE wallets.owner_id = o.id
                     AND wallets.bucket = o.bucket
                  OFFSET 0
                  ) AS w
       ) AS wallets,
       ARRAY(
           SELECT ROW(f.id, f.owner_id, f.asset_type_id, f.seq, f.kind, f.priority, f.expires_at, f.granted,
                      f.remaining, f.held, f.debt, f.expired, f.reversed)
             FROM free_lot AS f
       ) AS free_lots,
       ARRAY(
           SELECT ROW(d.owner_id, d.idempotency_key, d.id, d.seq, d.type, d.outcome, d.asset_type_id, d.amount,
                      d.fingerprint, d.terms, d.facts, d.created_at, d.parent_id,
                      (
                          SELECT e.balance_after
                            FROM ledger_entries AS e
                           WHERE e.owner_id = d.owner_id
                             AND e.asset_type_id = d.asset_type_id
                             AND e.seq <= d.seq
                             AND e.bucket = d.bucket
                             AND e.balance_after IS NOT NULL
                           ORDER BY e.seq DESC, e.line DESC
                           LIMIT 1
                      ),
                      ARRAY(
                          SELECT ROW(e.lot_id, l.kind, e.amount, l.expires_at)
                            FROM ledger_entries AS e
                           CROSS JOIN LATERAL (
                                 SELECT lots.kind, lots.expires_at
                                   FROM lots
                                  WHERE lots.id = e.lot_id
                                    AND lots.bucket = e.bucket
                                  LIMIT 1
                                 ) AS l
                           WHERE e.owner_id = d.owner_id
                             AND e.asset_type_id = d.asset_type_id
                             AND e.seq = d.seq
                             AND e.bucket = d.bucket
                           ORDER BY e.line
                      ))
             FROM decided AS d
       ) AS decided,
       ARRAY(
           SELECT ROW(a.id, a.code, a.name, a.scale::integer, a.status, a.default_expiry_days, a.hold_seconds,
                      a.amount_min, a.amount_max, a.balance_max, a.daily_spend_max, a.daily_credit_max)
             FROM unnest($6::integer[]) AS wanted (id)
            CROSS JOIN LATERAL (
                  SELECT asset_types.* FROM asset_types WHERE asset_types.id = wanted.id LIMIT 1
                  ) AS a
       ) AS asset_types
