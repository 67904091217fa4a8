-- Read all wallets of one account for showing.
-- Binds: $1 account id, $2 bucket. Locks: none.
-- Rows: one a wallet; `due` is what has expired and is not booked yet.
WITH clock AS MATERIALIZED (
    SELECT ledger_now() AS now
)
SELECT w.asset_type_id, w.posted, w.held,
       CASE WHEN w.next_due_at <= clock.now THEN (
           SELECT coalesce(sum(l.remaining - l.held), 0)::bigint
             FROM lots AS l
            WHERE l.owner_id = w.owner_id
              AND l.asset_type_id = w.asset_type_id
              AND l.bucket = w.bucket
              AND l.open
              AND l.expires_at <= clock.now
              AND l.remaining > l.held
       ) ELSE 0 END AS due
  FROM clock
 CROSS JOIN wallets AS w
 WHERE w.owner_id = $1
   AND w.bucket = $2
 ORDER BY w.asset_type_id
