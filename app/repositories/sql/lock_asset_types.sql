-- Let nobody else change asset types until the unit of work is over, or find the next number free; reading goes on.
-- Binds: nothing. Locks: every asset type, in the order of the ids. Two that add the first one at once want the same
-- number: pk_asset_types lets one of them begin again. (LOCK TABLE would need the right to change every column.)
SELECT t.id
  FROM asset_types AS t
 ORDER BY t.id
   FOR NO KEY UPDATE
