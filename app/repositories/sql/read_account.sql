-- Read one account as lock_accounts does, without a lock.
-- Binds: $1 external user id, $2 bucket. Locks: none. Rows: the account, if there is one.
SELECT a.id, a.bucket, a.external_user_id, a.status, a.last_seq, a.last_hash, a.last_at, a.last_effective_at,
       a.limits
  FROM accounts AS a
 WHERE a.external_user_id = $1
   AND a.bucket = $2
