-- Write what changed in holds that were there.
-- Binds: arrays, one element a hold; $7 to $9 are what it still reserves, an array a hold in its text form.
-- Locks: the rows, under their owners' locks.
UPDATE holds AS h
   SET amount = c.amount,
       captured = c.captured,
       deadline = c.deadline,
       status = c.status,
       lot_ids = c.lot_ids::uuid[],
       lot_amounts = c.lot_amounts::bigint[],
       lot_held_at = c.lot_held_at::timestamptz[]
  FROM unnest($1::text::uuid[], $2::text::smallint[], $3::text::bigint[], $4::text::bigint[], $5::text::timestamptz[],
              $6::text[], $7::text[], $8::text[], $9::text[])
       AS c (id, bucket, amount, captured, deadline, status, lot_ids, lot_amounts, lot_held_at)
 WHERE h.id = c.id
   AND h.bucket = c.bucket
