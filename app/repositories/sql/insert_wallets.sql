-- Write the wallets that a unit of work made.
-- Binds: arrays, one element a wallet. Locks: the new rows.
INSERT INTO wallets (owner_id, bucket, asset_type_id, posted, held, next_due_at, day, day_spent, day_credited)
SELECT n.owner_id, n.bucket, n.asset_type_id, n.posted, n.held, n.next_due_at, n.day, n.day_spent, n.day_credited
  FROM unnest($1::bigint[], $2::smallint[], $3::integer[], $4::bigint[], $5::bigint[], $6::timestamptz[], $7::date[],
              $8::bigint[], $9::bigint[])
       AS n (owner_id, bucket, asset_type_id, posted, held, next_due_at, day, day_spent, day_credited)
