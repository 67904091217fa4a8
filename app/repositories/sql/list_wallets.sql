-- List of which asset types an account has wallets.
-- Binds: $1 account id, $2 bucket. Locks: none. Rows: one a wallet, in the order of the asset types.
SELECT w.asset_type_id
  FROM wallets AS w
 WHERE w.owner_id = $1
   AND w.bucket = $2
 ORDER BY w.asset_type_id
