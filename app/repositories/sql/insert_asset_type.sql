-- Add an asset type. Under the lock of lock_asset_types.
-- Binds: $1 id, $2 code, $3 name, $4 scale, $5 status, $6 default expiry in days, $7 seconds of a hold,
--        $8 smallest amount, $9 largest amount, $10 largest balance, $11 daily spend, $12 daily credit.
-- Locks: the new row.
INSERT INTO asset_types (id, code, name, scale, status, default_expiry_days, hold_seconds, amount_min, amount_max,
                         balance_max, daily_spend_max, daily_credit_max)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
