-- Append the erasable texts of a unit of work.
-- Binds: arrays, one element a note. Locks: the new rows.
INSERT INTO transaction_notes (owner_id, bucket, seq, digest, salt, reference, metadata, operator, reason)
SELECT n.owner_id, n.bucket, n.seq, n.digest, n.salt, n.reference, n.metadata, n.operator, n.reason
  FROM unnest($1::text::bigint[], $2::text::smallint[], $3::text::bigint[], $4::bytea[], $5::bytea[], $6::text[],
              $7::text[], $8::text[], $9::text[])
       AS n (owner_id, bucket, seq, digest, salt, reference, metadata, operator, reason)
