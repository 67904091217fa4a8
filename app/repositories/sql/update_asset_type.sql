-- Change the policy of an asset type. Under the lock of lock_asset_types.
-- Binds: $1 id, $2 name, $3 status, $4 default expiry in days, $5 seconds of a hold, $6 smallest amount,
--        $7 largest amount, $8 largest balance, $9 daily spend, $10 daily credit. Locks: the row.
UPDATE asset_types
   SET name = $2,
       status = $3,
       default_expiry_days = $4,
       hold_seconds = $5,
       amount_min = $6,
       amount_max = $7,
       balance_max = $8,
       daily_spend_max = $9,
       daily_credit_max = $10
 WHERE id = $1
