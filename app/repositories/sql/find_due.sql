-- Find users for whom time has decided something that nobody has booked yet.
-- Binds: $1 how many lots, and how many holds, are looked at at most. Locks: none.
-- Rows: external user id, bucket and how many of those lots and holds are the user's. Quarantined accounts are left
-- alone: nothing is booked on them.
WITH due AS (
    (SELECT l.owner_id, l.bucket
       FROM lots AS l
       JOIN accounts AS a ON a.id = l.owner_id AND a.bucket = l.bucket AND a.status <> 'quarantined'
      WHERE l.open
        AND l.expires_at <= (SELECT ledger_now())
        AND l.remaining > l.held
      ORDER BY l.expires_at
      LIMIT $1)
     UNION ALL
    (SELECT h.owner_id, h.bucket
       FROM holds AS h
       JOIN accounts AS a ON a.id = h.owner_id AND a.bucket = h.bucket AND a.status <> 'quarantined'
      WHERE h.status = 'open'
        AND h.deadline <= (SELECT ledger_now())
      ORDER BY h.deadline
      LIMIT $1)
)
SELECT a.external_user_id, a.bucket, d.due
  FROM (SELECT due.owner_id, due.bucket, count(*) AS due FROM due GROUP BY due.owner_id, due.bucket) AS d
  JOIN accounts AS a ON a.id = d.owner_id AND a.bucket = d.bucket
