-- List API keys, the oldest first.
-- Binds: $1 the id after which to begin, $2 how many. Locks: none. Rows: one a key, in the order of the ids.
SELECT k.id, k.name, k.ending, k.scopes, k.requests_per_second, k.burst, k.created_at, k.created_by, k.expires_at,
       k.revoked_at, k.revoked_by, k.last_used_at, coalesce(k.expires_at <= now(), false) AS has_expired
  FROM api_keys AS k
 WHERE k.id > $1
 ORDER BY k.id
 LIMIT $2
