-- Load what is still to come in wallets whose commands may find too little: their open holds, and what expires before
-- the last of their deadlines.
-- Binds: $1 owner ids, $2 buckets, $3 asset type ids, $4 the last deadline that the commands themselves may set (NULL:
--        none); $5 how many holds, and how many lots, at most for each wallet.
-- Locks: none; the owners are locked. Rows: one for each thing, in columns that all share, as load_owners has them:
--   hold      the open ones, soonest deadline first within a wallet
--   held lot  what those holds reserve
--   lot       those that expire in time, soonest first within a wallet
WITH wallet AS MATERIALIZED (
    SELECT w.*
      FROM unnest($1::text::bigint[], $2::text::smallint[], $3::text::integer[], $4::text::timestamptz[])
           AS w (owner_id, bucket, asset_type_id, until)
),
hold AS MATERIALIZED (
    SELECT d.*
      FROM wallet AS w
     CROSS JOIN LATERAL (
           SELECT h.*
             FROM holds AS h
            WHERE h.owner_id = w.owner_id
              AND h.asset_type_id = w.asset_type_id
              AND h.bucket = w.bucket
              AND h.status = 'open'
            ORDER BY h.deadline
            LIMIT $5::integer
           ) AS d
)
SELECT 'hold' AS what, h.id, h.owner_id, h.asset_type_id, h.seq, h.status AS word, NULL::integer AS priority,
       h.deadline AS moment, h.amount AS a, h.captured AS b, NULL::bigint AS c, NULL::bigint AS d, NULL::bigint AS e,
       NULL::boolean AS flag, h.lot_ids AS ids, h.lot_amounts AS numbers, h.lot_held_at AS moments
  FROM hold AS h
 UNION ALL
SELECT 'held lot', l.id, l.owner_id, l.asset_type_id, l.seq, l.kind, l.priority, l.expires_at,
       l.granted, l.remaining, l.held, l.debt, l.expired, l.reversed, NULL, NULL, NULL
  FROM (SELECT DISTINCT unnest(h.lot_ids) AS id, h.bucket FROM hold AS h) AS named
 CROSS JOIN LATERAL (
       SELECT lots.* FROM lots WHERE lots.id = named.id AND lots.bucket = named.bucket LIMIT 1
       ) AS l
 UNION ALL
SELECT 'lot', l.id, l.owner_id, l.asset_type_id, l.seq, l.kind, l.priority, l.expires_at,
       l.granted, l.remaining, l.held, l.debt, l.expired, l.reversed, NULL, NULL, NULL
  FROM wallet AS w
 CROSS JOIN LATERAL (
       SELECT greatest(w.until, max(h.deadline)) AS until
         FROM hold AS h
        WHERE h.owner_id = w.owner_id
          AND h.asset_type_id = w.asset_type_id
       ) AS last
 CROSS JOIN LATERAL (
       SELECT lots.*
         FROM lots
        WHERE lots.owner_id = w.owner_id
          AND lots.asset_type_id = w.asset_type_id
          AND lots.bucket = w.bucket
          AND lots.open
          AND lots.expires_at <= last.until
        ORDER BY lots.expires_at
        LIMIT $5::integer
       ) AS l
