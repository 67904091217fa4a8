-- Revoke an API key; one that is revoked stays as it is.
-- Binds: $1 id, $2 who revokes it. Locks: the row.
UPDATE api_keys
   SET revoked_at = now(),
       revoked_by = $2
 WHERE id = $1 AND revoked_at IS NULL
