-- Open accounts that a unit of work found missing.
-- Binds: arrays, one element an account, in ascending order of the user ids. Locks: the new rows.
-- uq_accounts_external_user_id: somebody else has just opened the account; run the unit again.
INSERT INTO accounts (id, bucket, external_user_id, last_seq, last_hash, last_at, last_effective_at, created_at)
SELECT n.id, n.bucket, n.external_user_id, n.last_seq, n.last_hash, n.last_at, n.last_effective_at, n.created_at
  FROM unnest($1::text::bigint[], $2::text::smallint[], $3::text[], $4::text::bigint[], $5::bytea[],
              $6::text::timestamptz[], $7::text::timestamptz[], $8::text::timestamptz[])
       AS n (id, bucket, external_user_id, last_seq, last_hash, last_at, last_effective_at, created_at)
