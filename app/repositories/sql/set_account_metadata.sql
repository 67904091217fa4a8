-- Replace the metadata of one account.
-- Binds: $1 external user id, $2 bucket, $3 metadata. Locks: the row.
UPDATE accounts
   SET metadata = $3
 WHERE external_user_id = $1
   AND bucket = $2
