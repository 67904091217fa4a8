-- Find API keys by what is kept of them, and how long each still lasts.
-- Binds: $1 digests. Locks: none. Rows: one for each key that is there.
SELECT k.digest, k.id, k.name, k.ending, k.scopes, k.requests_per_second, k.burst, k.created_at, k.created_by,
       k.expires_at, k.revoked_at, k.revoked_by, k.last_used_at, coalesce(k.expires_at <= now(), false) AS has_expired,
       extract(epoch FROM k.expires_at - now())::double precision AS seconds_left
  FROM unnest($1::bytea[]) AS d (digest)
 CROSS JOIN LATERAL (SELECT a.* FROM api_keys AS a WHERE a.digest = d.digest LIMIT 1) AS k
