-- Write the lots that a unit of work made, as they are at its end.
-- Binds: arrays, one element a lot. Locks: the new rows.
INSERT INTO lots (id, bucket, owner_id, asset_type_id, seq, kind, priority, expires_at, granted, remaining, held, open)
SELECT n.id, n.bucket, n.owner_id, n.asset_type_id, n.seq, n.kind, n.priority, n.expires_at, n.granted, n.remaining,
       n.held, n.remaining > 0
  FROM unnest($1::text::uuid[], $2::text::smallint[], $3::text::bigint[], $4::text::integer[], $5::text::bigint[],
              $6::text[], $7::text::smallint[], $8::text::timestamptz[], $9::text::bigint[], $10::text::bigint[],
              $11::text::bigint[])
       AS n (id, bucket, owner_id, asset_type_id, seq, kind, priority, expires_at, granted, remaining, held)
