-- Every user account, in the order of the ids. Binds: none. Locks: none.
SELECT a.id, a.bucket, a.external_user_id, a.status, a.last_seq, a.last_hash, a.last_at, a.last_effective_at,
       a.limits
  FROM accounts AS a
 WHERE a.id >= 1024
 ORDER BY a.id
