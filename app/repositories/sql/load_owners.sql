-- Load what deciding for locked owners needs, in one snapshot, in a later statement than their lock.
-- Binds: $1 owner ids, $2 buckets, $3 the owners' last_at;
--        $4 owner ids, $5 buckets, $6 idempotency keys to look up;
--        $7 ids of the asset types in question; $8 how many due lots at most for each wallet;
--        $9 transaction ids to look up, $10 their buckets;
--        $11 the owners of wallets that are spent from, $12 their buckets, $13 their last_at, $14 the wallets' asset
--        types; $15 how many of the lots that are burned first at most for each.
-- Locks: none. Rows: one, with an array for each kind of thing:
--   wallets  (owner_id, asset_type_id, posted, held, next_due_at, the first expiry that is still to come)
--   due lots (the columns of a lot; soonest first), only of wallets that have anything due
--   free lots (the columns of a lot; in burn order within a wallet: the order of ix_lots_burn)
--   decided  (what became of the keys and ids, with the lots that were made or taken, in the order of the lines)
--   asset types
WITH clock AS MATERIALIZED (
    SELECT ledger_now() AS now
),
owner AS MATERIALIZED (
    SELECT o.id, o.bucket, greatest(clock.now, o.last_at) AS now
      FROM clock
     CROSS JOIN unnest($1::bigint[], $2::smallint[], $3::timestamptz[]) AS o (id, bucket, last_at)
),
wallet AS MATERIALIZED (
    SELECT w.*, o.now, w.next_due_at <= o.now AS due
      FROM owner AS o
     CROSS JOIN LATERAL (
           SELECT wallets.owner_id, wallets.asset_type_id, wallets.bucket, wallets.posted, wallets.held,
                  wallets.next_due_at
             FROM wallets
            WHERE wallets.owner_id = o.id
              AND wallets.bucket = o.bucket
           OFFSET 0
           ) AS w
),
due_lot AS MATERIALIZED (
    SELECT d.*
      FROM wallet AS w
     CROSS JOIN LATERAL (
           SELECT l.id, l.owner_id, l.asset_type_id, l.seq, l.kind, l.priority, l.expires_at, l.granted,
                  l.remaining, l.held, l.debt
             FROM lots AS l
            WHERE l.owner_id = w.owner_id
              AND l.asset_type_id = w.asset_type_id
              AND l.bucket = w.bucket
              AND l.open
              AND l.expires_at <= w.now
              AND l.remaining > l.held
            ORDER BY l.expires_at
            LIMIT $8::integer
           ) AS d
     WHERE w.due
),
free_lot AS MATERIALIZED (
    SELECT f.*
      FROM clock
     CROSS JOIN unnest($11::bigint[], $12::smallint[], $13::timestamptz[], $14::integer[])
                AS s (owner_id, bucket, last_at, asset_type_id)
     CROSS JOIN LATERAL (
           SELECT l.id, l.owner_id, l.asset_type_id, l.seq, l.kind, l.priority, l.expires_at, l.granted,
                  l.remaining, l.held, l.debt
             FROM lots AS l
            WHERE l.owner_id = s.owner_id
              AND l.asset_type_id = s.asset_type_id
              AND l.bucket = s.bucket
              AND l.open
              AND (l.expires_at IS NULL OR l.expires_at > greatest(clock.now, s.last_at))
              AND l.remaining > l.held
            ORDER BY l.priority, l.expires_at, l.kind DESC, l.seq, l.id
            LIMIT $15::integer
           ) AS f
),
decided AS MATERIALIZED (
    SELECT t.*
      FROM unnest($4::bigint[], $5::smallint[], $6::text[]) AS k (owner_id, bucket, idempotency_key)
     CROSS JOIN LATERAL (
           SELECT h.owner_id, h.idempotency_key, h.id, h.seq, h.type, h.outcome, h.asset_type_id, h.amount,
                  h.fingerprint, h.terms, h.facts, h.created_at, h.bucket
             FROM transactions AS h
            WHERE h.owner_id = k.owner_id
              AND h.bucket = k.bucket
              AND h.idempotency_key = k.idempotency_key
            LIMIT 1
           ) AS t
     UNION ALL
    SELECT t.*
      FROM unnest($9::uuid[], $10::smallint[]) AS i (id, bucket)
     CROSS JOIN LATERAL (
           SELECT h.owner_id, h.idempotency_key, h.id, h.seq, h.type, h.outcome, h.asset_type_id, h.amount,
                  h.fingerprint, h.terms, h.facts, h.created_at, h.bucket
             FROM transactions AS h
            WHERE h.id = i.id
              AND h.bucket = i.bucket
            LIMIT 1
           ) AS t
)
SELECT (SELECT now FROM clock) AS now,
       ARRAY(
           SELECT ROW(w.owner_id, w.asset_type_id, w.posted, w.held, w.next_due_at, e.expires_at)
             FROM wallet AS w
             LEFT JOIN LATERAL (
                  SELECT l.expires_at
                    FROM lots AS l
                   WHERE w.due
                     AND l.owner_id = w.owner_id
                     AND l.asset_type_id = w.asset_type_id
                     AND l.bucket = w.bucket
                     AND l.open
                     AND l.expires_at > w.now
                   ORDER BY l.expires_at
                   LIMIT 1
                  ) AS e ON true
       ) AS wallets,
       ARRAY(
           SELECT ROW(d.id, d.owner_id, d.asset_type_id, d.seq, d.kind, d.priority, d.expires_at, d.granted,
                      d.remaining, d.held, d.debt)
             FROM due_lot AS d
       ) AS due_lots,
       ARRAY(
           SELECT ROW(f.id, f.owner_id, f.asset_type_id, f.seq, f.kind, f.priority, f.expires_at, f.granted,
                      f.remaining, f.held, f.debt)
             FROM free_lot AS f
       ) AS free_lots,
       ARRAY(
           SELECT ROW(d.owner_id, d.idempotency_key, d.id, d.seq, d.type, d.outcome, d.asset_type_id, d.amount,
                      d.fingerprint, d.terms, d.facts, d.created_at,
                      ARRAY(
                          SELECT ROW(e.lot_id, l.kind, abs(e.amount), l.expires_at, e.balance_after)
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
           SELECT ROW(a.id, a.code, a.name, a.scale::integer, a.status, a.default_expiry_days)
             FROM unnest($7::integer[]) AS wanted (id)
            CROSS JOIN LATERAL (
                  SELECT asset_types.* FROM asset_types WHERE asset_types.id = wanted.id LIMIT 1
                  ) AS a
       ) AS asset_types
