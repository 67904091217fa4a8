-- Every hold, in the order of owner and the seq that placed it. Binds: none. Locks: none.
SELECT h.id, h.owner_id, h.asset_type_id, h.seq, h.amount, h.captured, h.deadline, h.status, h.lot_ids, h.lot_amounts,
       h.lot_held_at
  FROM holds AS h
 ORDER BY h.owner_id, h.seq, h.id
