-- Every entry, in the order of owner, seq and line. Binds: none. Locks: none.
SELECT e.owner_id, e.seq, e.line, e.account_id, e.asset_type_id, e.lot_id, e.amount, e.balance_after
  FROM ledger_entries AS e
 ORDER BY e.owner_id, e.seq, e.line
