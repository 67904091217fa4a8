-- Find the ids of users.
-- Binds: $1 external user ids, $2 their buckets. Locks: none.
-- Rows: external_user_id, id; nothing for an unknown user.
SELECT u.external_user_id, a.id
  FROM unnest($1::text[], $2::text::smallint[]) AS u (external_user_id, bucket)
 CROSS JOIN LATERAL (
       SELECT accounts.id
         FROM accounts
        WHERE accounts.external_user_id = u.external_user_id
          AND accounts.bucket = u.bucket
        LIMIT 1
       ) AS a
