-- Note that API keys are in use, of each once a minute at most.
-- Binds: $1 ids. Locks: the rows that are noted, in the order of the ids; what another process notes is left to it.
UPDATE api_keys AS k
   SET last_used_at = now()
  FROM (
      SELECT u.id
        FROM api_keys AS u
       WHERE u.id = ANY ($1::integer[])
         AND (u.last_used_at IS NULL OR u.last_used_at < now() - interval '1 minute')
       ORDER BY u.id
         FOR NO KEY UPDATE SKIP LOCKED
  ) AS used
 WHERE k.id = used.id
