-- Find a row that can't be: it belongs to nothing, is missing, or holds what no transaction puts there.
-- Binds: none. Locks: none. Rows: at most one, with what is wrong; what can't even be read comes first.
SELECT problem
  FROM (
      SELECT format('transaction %s (owner %s, seq %s): its times are out of range', t.id, t.owner_id, t.seq) AS problem
        FROM transactions AS t
       WHERE t.created_at NOT BETWEEN '1970-01-01Z' AND '9999-12-31T23:59:59.999999Z'
          OR t.effective_at NOT BETWEEN '1970-01-01Z' AND '9999-12-31T23:59:59.999999Z'
   UNION ALL
      SELECT format('lot %s (owner %s): expires_at is out of range', l.id, l.owner_id)
        FROM lots AS l
       WHERE l.expires_at NOT BETWEEN '1970-01-01Z' AND '9999-12-31T23:59:59.999999Z'
   UNION ALL
      SELECT format('wallet of account %s in asset type %s: next_due_at is out of range', w.owner_id, w.asset_type_id)
        FROM wallets AS w
       WHERE w.next_due_at NOT BETWEEN '1970-01-01Z' AND '9999-12-31T23:59:59.999999Z'
   UNION ALL
      SELECT format('account %s: last_at or last_effective_at is out of range', a.id)
        FROM accounts AS a
       WHERE a.last_at NOT BETWEEN '1970-01-01Z' AND '9999-12-31T23:59:59.999999Z'
          OR a.last_effective_at NOT BETWEEN '1970-01-01Z' AND '9999-12-31T23:59:59.999999Z'
   UNION ALL
      SELECT format('system account %s: is missing', s.id)
        FROM (VALUES (1), (2)) AS s (id)
       WHERE NOT EXISTS (SELECT 1 FROM accounts AS a WHERE a.id = s.id AND a.bucket = 0)
   UNION ALL
      SELECT format('wallet of account %s: there is no asset type %s', w.owner_id, w.asset_type_id)
        FROM wallets AS w
       WHERE NOT EXISTS (SELECT 1 FROM asset_types AS a WHERE a.id = w.asset_type_id)
   UNION ALL
      SELECT format('note of owner %s, seq %s: belongs to nothing that is there', n.owner_id, n.seq)
        FROM transaction_notes AS n
       WHERE NOT EXISTS (
             SELECT 1 FROM transactions AS t
              WHERE t.owner_id = n.owner_id AND t.seq = n.seq AND t.bucket = n.bucket
             )
   UNION ALL
      SELECT format('hold %s (owner %s): its times are out of range', h.id, h.owner_id)
        FROM holds AS h
       WHERE h.deadline NOT BETWEEN '1970-01-01Z' AND '9999-12-31T23:59:59.999999Z'
          OR '1970-01-01Z' > ANY (h.lot_held_at)
          OR '9999-12-31T23:59:59.999999Z' < ANY (h.lot_held_at)
   UNION ALL
      SELECT format('lot %s (owner %s): is closed and has something left, or is open and has not', l.id, l.owner_id)
        FROM lots AS l
       WHERE l.open <> (l.remaining > 0)
   ) AS impossible
 LIMIT 1
