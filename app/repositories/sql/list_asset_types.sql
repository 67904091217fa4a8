-- List all asset types with their policy.
-- Binds: nothing. Locks: none. Rows: one an asset type, in the order of the ids.
SELECT t.id, t.code, t.name, t.scale, t.status, t.default_expiry_days, t.hold_seconds, t.amount_min, t.amount_max,
       t.balance_max, t.daily_spend_max, t.daily_credit_max
  FROM asset_types AS t
 ORDER BY t.id
