-- Every lot, in the order of owner, the seq that made it, and id. Binds: none. Locks: none.
SELECT l.id, l.owner_id, l.asset_type_id, l.seq, l.kind, l.priority, l.expires_at, l.granted, l.remaining, l.held,
       l.debt, l.expired, l.reversed
  FROM lots AS l
 ORDER BY l.owner_id, l.seq, l.id
