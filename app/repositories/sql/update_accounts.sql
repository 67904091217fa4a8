-- Move the owners' histories on. The first write of a unit of work.
-- Binds: arrays, one element an account. Locks: rows that lock_accounts has locked.
UPDATE accounts AS a
   SET last_seq = c.last_seq,
       last_hash = c.last_hash,
       last_at = c.last_at,
       last_effective_at = c.last_effective_at
  FROM unnest($1::text::bigint[], $2::text::smallint[], $3::text::bigint[], $4::bytea[], $5::text::timestamptz[], $6::text::timestamptz[])
       AS c (id, bucket, last_seq, last_hash, last_at, last_effective_at)
 WHERE a.id = c.id
   AND a.bucket = c.bucket
