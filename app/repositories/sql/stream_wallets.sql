-- Every wallet, in the order of owner and asset type. Binds: none. Locks: none.
SELECT w.owner_id, w.asset_type_id, w.posted, w.held, w.next_due_at, w.day, w.day_spent, w.day_credited
  FROM wallets AS w
 ORDER BY w.owner_id, w.asset_type_id
