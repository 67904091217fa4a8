-- Load one account as it is shown.
-- Binds: $1 external user id, $2 bucket. Locks: none. Rows: one or none.
SELECT a.id, a.status, a.metadata, a.limits
  FROM accounts AS a
 WHERE a.external_user_id = $1
   AND a.bucket = $2
