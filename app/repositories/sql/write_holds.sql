-- Write the holds that a unit of work placed or changed, as they are at its end. One statement for both, because most
-- units of work have both.
-- Binds: arrays, one element a hold; $10 to $12 are its parts, an array a hold in its text form.
-- Locks: the rows, under their owners' locks.
INSERT INTO holds (id, bucket, owner_id, asset_type_id, seq, amount, captured, deadline, status, lot_ids, lot_amounts,
                   lot_held_at)
SELECT n.id, n.bucket, n.owner_id, n.asset_type_id, n.seq, n.amount, n.captured, n.deadline, n.status,
       n.lot_ids::uuid[], n.lot_amounts::bigint[], n.lot_held_at::timestamptz[]
  FROM unnest($1::uuid[], $2::smallint[], $3::bigint[], $4::integer[], $5::bigint[], $6::bigint[], $7::bigint[],
              $8::timestamptz[], $9::text[], $10::text[], $11::text[], $12::text[])
       AS n (id, bucket, owner_id, asset_type_id, seq, amount, captured, deadline, status, lot_ids, lot_amounts,
             lot_held_at)
    ON CONFLICT (id, bucket) DO UPDATE
   SET amount = excluded.amount,
       captured = excluded.captured,
       deadline = excluded.deadline,
       status = excluded.status,
       lot_ids = excluded.lot_ids,
       lot_amounts = excluded.lot_amounts,
       lot_held_at = excluded.lot_held_at
