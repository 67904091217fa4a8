-- Load what time has decided in wallets and nobody has booked yet: only for wallets whose next_due_at has come.
-- Binds: $1 owner ids, $2 buckets, $3 asset type ids, $4 the moment for each; $5 how many lots, and how many holds, at
--        most for each wallet; $6 after how many lots that those holds reserve no further hold is loaded.
-- Locks: none. Rows: one for each thing, in columns that all share, as load_owners has them:
--   due lot   those that have something free to expire, soonest first within a wallet
--   hold      those whose deadline has come, soonest first within a wallet
--   held lot  what those holds reserve
--   next      owner_id, asset_type_id; moment: the first expiry or deadline that is still to come
WITH wallet AS MATERIALIZED (
    SELECT w.*
      FROM unnest($1::text::bigint[], $2::text::smallint[], $3::text::integer[], $4::text::timestamptz[])
           AS w (owner_id, bucket, asset_type_id, now)
),
due_lot AS MATERIALIZED (
    SELECT d.*
      FROM wallet AS w
     CROSS JOIN LATERAL (
           SELECT l.*
             FROM lots AS l
            WHERE l.owner_id = w.owner_id
              AND l.asset_type_id = w.asset_type_id
              AND l.bucket = w.bucket
              AND l.open
              AND l.expires_at <= w.now
              AND l.remaining > l.held
            ORDER BY l.expires_at
            LIMIT $5::integer
           ) AS d
),
due_hold AS MATERIALIZED (
    SELECT d.*
      FROM wallet AS w
     CROSS JOIN LATERAL (
           SELECT h.*, sum(cardinality(h.lot_ids)) OVER (ORDER BY h.deadline, h.seq) - cardinality(h.lot_ids) AS before
             FROM holds AS h
            WHERE h.owner_id = w.owner_id
              AND h.asset_type_id = w.asset_type_id
              AND h.bucket = w.bucket
              AND h.status = 'open'
              AND h.deadline <= w.now
            ORDER BY h.deadline, h.seq
            LIMIT $5::integer
           ) AS d
     WHERE d.before < $6::integer
     ORDER BY d.deadline, d.seq
)
SELECT 'due lot' AS what, d.id, d.owner_id, d.asset_type_id, d.seq, d.kind AS word, d.priority, d.expires_at AS moment,
       d.granted AS a, d.remaining AS b, d.held AS c, d.debt AS d, d.expired AS e, d.reversed AS flag,
       NULL::uuid[] AS ids, NULL::bigint[] AS numbers, NULL::timestamptz[] AS moments
  FROM due_lot AS d
 UNION ALL
SELECT 'hold', d.id, d.owner_id, d.asset_type_id, d.seq, d.status, NULL, d.deadline,
       d.amount, d.captured, NULL, NULL, NULL, NULL, d.lot_ids, d.lot_amounts, d.lot_held_at
  FROM due_hold AS d
 UNION ALL
SELECT 'held lot', l.id, l.owner_id, l.asset_type_id, l.seq, l.kind, l.priority, l.expires_at,
       l.granted, l.remaining, l.held, l.debt, l.expired, l.reversed, NULL, NULL, NULL
  FROM (SELECT DISTINCT unnest(d.lot_ids) AS id, d.bucket FROM due_hold AS d) AS named
 CROSS JOIN LATERAL (
       SELECT lots.* FROM lots WHERE lots.id = named.id AND lots.bucket = named.bucket LIMIT 1
       ) AS l
 UNION ALL
SELECT 'next', NULL, w.owner_id, w.asset_type_id, NULL, NULL, NULL, least(e.expires_at, d.deadline),
       NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
  FROM wallet AS w
  LEFT JOIN LATERAL (
       SELECT l.expires_at
         FROM lots AS l
        WHERE l.owner_id = w.owner_id
          AND l.asset_type_id = w.asset_type_id
          AND l.bucket = w.bucket
          AND l.open
          AND l.expires_at > w.now
        ORDER BY l.expires_at
        LIMIT 1
       ) AS e ON true
  LEFT JOIN LATERAL (
       SELECT h.deadline
         FROM holds AS h
        WHERE h.owner_id = w.owner_id
          AND h.asset_type_id = w.asset_type_id
          AND h.bucket = w.bucket
          AND h.status = 'open'
          AND h.deadline > w.now
        ORDER BY h.deadline
        LIMIT 1
       ) AS d ON true
