-- Write what changed in lots that were there.
-- Binds: arrays, one element a lot. Locks: the rows, under their owners' locks.
UPDATE lots AS l
   SET remaining = c.remaining,
       held = c.held,
       open = c.remaining > 0
  FROM unnest($1::text::uuid[], $2::text::smallint[], $3::text::bigint[], $4::text::bigint[]) AS c (id, bucket, remaining, held)
 WHERE l.id = c.id
   AND l.bucket = c.bucket
