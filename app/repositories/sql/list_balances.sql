-- Read all wallets of one account for showing.
-- Binds: $1 account id, $2 bucket. Locks: none.
-- Rows: one a wallet; `due` is what has expired and is not booked yet, `released` what holds past
-- their deadline give back: lot, amount, the lot's debt, whether it has expired.
WITH clock AS MATERIALIZED (
    SELECT ledger_now() AS now
)
SELECT w.owner_id AS account_id, w.asset_type_id, w.posted, w.held,
       CASE WHEN w.next_due_at <= clock.now THEN (
           SELECT coalesce(sum(l.remaining - l.held), 0)::bigint
             FROM lots AS l
            WHERE l.owner_id = w.owner_id
              AND l.asset_type_id = w.asset_type_id
              AND l.bucket = w.bucket
              AND l.open
              AND l.expires_at <= clock.now
              AND l.remaining > l.held
       ) ELSE 0 END AS due,
       CASE WHEN w.next_due_at <= clock.now THEN ARRAY(
           SELECT ROW(part.lot_id, part.amount, l.debt, l.expires_at <= clock.now)
             FROM holds AS h
            CROSS JOIN LATERAL unnest(h.lot_ids, h.lot_amounts) AS part (lot_id, amount)
            CROSS JOIN LATERAL (
                  SELECT lots.debt, lots.expires_at
                    FROM lots
                   WHERE lots.id = part.lot_id
                     AND lots.bucket = h.bucket
                   LIMIT 1
                  ) AS l
            WHERE h.owner_id = w.owner_id
              AND h.asset_type_id = w.asset_type_id
              AND h.bucket = w.bucket
              AND h.status = 'open'
              AND h.deadline <= clock.now
       ) END AS released
  FROM clock
 CROSS JOIN wallets AS w
 WHERE w.owner_id = $1
   AND w.bucket = $2
 ORDER BY w.asset_type_id
