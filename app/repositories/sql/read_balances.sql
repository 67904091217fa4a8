-- Read wallets for showing: many questions in one statement.
-- Binds: $1 external user ids, $2 buckets, $3 asset type ids. Locks: none.
-- Rows: one a question whose user is known: the question's number, the account, and the wallet (NULL where there is
-- none yet); `due` is what has expired and is not booked yet, `released` what holds past
-- their deadline give back: lot, amount, the lot's debt, whether it has expired.
WITH clock AS MATERIALIZED (
    SELECT ledger_now() AS now
)
SELECT q.number, a.id AS account_id, w.posted, w.held,
       CASE WHEN w.next_due_at <= clock.now THEN (
           SELECT coalesce(sum(l.remaining - l.held), 0)::bigint
             FROM lots AS l
            WHERE l.owner_id = a.id
              AND l.asset_type_id = q.asset_type_id
              AND l.bucket = q.bucket
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
            WHERE h.owner_id = a.id
              AND h.asset_type_id = q.asset_type_id
              AND h.bucket = q.bucket
              AND h.status = 'open'
              AND h.deadline <= clock.now
       ) END AS released
  FROM clock
 CROSS JOIN unnest($1::text[], $2::text::smallint[], $3::text::integer[])
       WITH ORDINALITY AS q (external_user_id, bucket, asset_type_id, number)
 CROSS JOIN LATERAL (
       SELECT accounts.id
         FROM accounts
        WHERE accounts.external_user_id = q.external_user_id
          AND accounts.bucket = q.bucket
        LIMIT 1
       ) AS a
  LEFT JOIN LATERAL (
       SELECT wallets.posted, wallets.held, wallets.next_due_at
         FROM wallets
        WHERE wallets.owner_id = a.id
          AND wallets.asset_type_id = q.asset_type_id
          AND wallets.bucket = q.bucket
        LIMIT 1
       ) AS w ON true
