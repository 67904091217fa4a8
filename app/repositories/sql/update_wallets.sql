-- Write what changed in wallets that were there.
-- Binds: arrays, one element a wallet. Locks: the rows, under their owners' locks.
-- ck_wallets_*: the decision was wrong; the unit fails.
UPDATE wallets AS w
   SET posted = c.posted,
       held = c.held,
       next_due_at = c.next_due_at,
       day = c.day,
       day_spent = c.day_spent,
       day_credited = c.day_credited
  FROM unnest($1::bigint[], $2::smallint[], $3::integer[], $4::bigint[], $5::bigint[], $6::timestamptz[], $7::date[],
              $8::bigint[], $9::bigint[])
       AS c (owner_id, bucket, asset_type_id, posted, held, next_due_at, day, day_spent, day_credited)
 WHERE w.owner_id = c.owner_id
   AND w.bucket = c.bucket
   AND w.asset_type_id = c.asset_type_id
