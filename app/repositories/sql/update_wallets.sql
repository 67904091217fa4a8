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
  FROM unnest($1::text::bigint[], $2::text::smallint[], $3::text::integer[], $4::text::bigint[], $5::text::bigint[], $6::text::timestamptz[], $7::text::date[],
              $8::text::bigint[], $9::text::bigint[])
       AS c (owner_id, bucket, asset_type_id, posted, held, next_due_at, day, day_spent, day_credited)
 WHERE w.owner_id = c.owner_id
   AND w.bucket = c.bucket
   AND w.asset_type_id = c.asset_type_id
