-- Write that holds have ended: nothing is reserved by them any more.
-- Binds: arrays, one element a hold. Locks: the rows, under their owners' locks.
UPDATE holds AS h
   SET captured = c.captured,
       status = c.status,
       lot_ids = '{}',
       lot_amounts = '{}',
       lot_held_at = '{}'
  FROM unnest($1::text::uuid[], $2::text::smallint[], $3::text::bigint[], $4::text[]) AS c (id, bucket, captured, status)
 WHERE h.id = c.id
   AND h.bucket = c.bucket
