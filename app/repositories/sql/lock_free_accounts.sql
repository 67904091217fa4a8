-- Lock those owners of a unit of work that nobody else has locked; as lock_accounts, but without waiting.
-- Binds: $1 account ids in ascending order, $2 their buckets.
-- Locks: the account rows, in the order of the ids, so that two units can't wait for each other.
-- Rows: the accounts as they are under the lock. (A statement that waited for a lock sees the locked row as it is now,
-- but every other row as of its own start: all else is loaded by a later statement.)
SELECT a.id, a.bucket, a.external_user_id, a.status, a.last_seq, a.last_hash, a.last_at, a.last_effective_at,
       a.limits
  FROM unnest($1::text::bigint[], $2::text::smallint[]) AS o (id, bucket)
 CROSS JOIN LATERAL (
       SELECT accounts.*
         FROM accounts
        WHERE accounts.id = o.id
          AND accounts.bucket = o.bucket
          FOR NO KEY UPDATE SKIP LOCKED
       ) AS a
