-- Write what is rarely changed in lots: what they owe, what of them has expired, and whether they were reversed.
-- Binds: arrays, one element a lot. Locks: the rows, under their owners' locks.
UPDATE lots AS l
   SET debt = c.debt,
       expired = c.expired,
       reversed = c.reversed
  FROM unnest($1::text::uuid[], $2::text::smallint[], $3::text::bigint[], $4::text::bigint[], $5::text::boolean[])
       AS c (id, bucket, debt, expired, reversed)
 WHERE l.id = c.id
   AND l.bucket = c.bucket
