-- Load more of the lots that spends from these wallets burn first than load_owners did.
-- Binds: $1 owner ids, $2 buckets, $3 asset type ids, $4 the moment for each owner, $5 how many at most of each.
-- Locks: none. Rows: the columns of a lot, in burn order within a wallet (the order of ix_lots_burn).
SELECT l.id, l.owner_id, l.asset_type_id, l.seq, l.kind, l.priority, l.expires_at, l.granted, l.remaining, l.held,
       l.debt, l.expired, l.reversed
  FROM unnest($1::text::bigint[], $2::text::smallint[], $3::text::integer[], $4::text::timestamptz[])
       AS w (owner_id, bucket, asset_type_id, now)
 CROSS JOIN LATERAL (
       SELECT lots.*
         FROM lots
        WHERE lots.owner_id = w.owner_id
          AND lots.asset_type_id = w.asset_type_id
          AND lots.bucket = w.bucket
          AND lots.open
          AND (lots.expires_at IS NULL OR lots.expires_at > w.now)
          AND lots.remaining > lots.held
        ORDER BY lots.priority, lots.expires_at, lots.kind DESC, lots.seq, lots.id
        LIMIT $5::integer
       ) AS l
