-- Write the names, states and limits of accounts that a unit of work changed. An erased account keeps no metadata.
-- Binds: arrays, one element an account. Locks: rows that lock_accounts has locked.
UPDATE accounts AS a
   SET external_user_id = c.external_user_id,
       status = c.status,
       limits = c.limits,
       metadata = CASE WHEN a.external_user_id = c.external_user_id THEN a.metadata END
  FROM unnest($1::text::bigint[], $2::text::smallint[], $3::text[], $4::text[], $5::text[])
       AS c (id, bucket, external_user_id, status, limits)
 WHERE a.id = c.id
   AND a.bucket = c.bucket
