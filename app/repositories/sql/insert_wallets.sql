-- Write the wallets that a unit of work made.
-- Binds: arrays, one element a wallet. Locks: the new rows.
INSERT INTO wallets (owner_id, bucket, asset_type_id, posted, held, next_due_at, day, day_spent, day_credited)
SELECT n.owner_id, n.bucket, n.asset_type_id, n.posted, n.held, n.next_due_at, n.day, n.day_spent, n.day_credited
  FROM unnest($1::text::bigint[], $2::text::smallint[], $3::text::integer[], $4::text::bigint[], $5::text::bigint[],
              $6::text::timestamptz[], $7::text::date[], $8::text::bigint[], $9::text::bigint[])
       AS n (owner_id, bucket, asset_type_id, posted, held, next_due_at, day, day_spent, day_credited)
