-- Append the entries of a unit of work, after their headers.
-- Binds: arrays, one element an entry. Locks: the new rows.
-- ledger_entries_sum_to_zero, ledger_entries_header_of_this_unit: the decision was wrong; the unit fails.
INSERT INTO ledger_entries (owner_id, bucket, seq, line, account_id, asset_type_id, lot_id, amount, balance_after)
SELECT n.owner_id, n.bucket, n.seq, n.line, n.account_id, n.asset_type_id, n.lot_id, n.amount, n.balance_after
  FROM unnest($1::bigint[], $2::smallint[], $3::bigint[], $4::smallint[], $5::bigint[], $6::integer[], $7::uuid[],
              $8::bigint[], $9::bigint[])
       AS n (owner_id, bucket, seq, line, account_id, asset_type_id, lot_id, amount, balance_after)
