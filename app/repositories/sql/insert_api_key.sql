-- Add an API key; one that is there, because it is not known whether this was done, stays as it is.
-- Binds: $1 digest, $2 ending, $3 name, $4 scopes, $5 requests a second, $6 burst, $7 days until it expires,
--        $8 who makes it. Locks: the new row.
INSERT INTO api_keys (digest, ending, name, scopes, requests_per_second, burst, created_at, expires_at, created_by)
VALUES ($1, $2, $3, $4, $5, $6, now(), now() + $7::integer * interval '1 day', $8)
ON CONFLICT (digest) DO NOTHING
