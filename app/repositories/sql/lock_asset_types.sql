-- Let nobody else add or change asset types until the unit of work is over; reading them goes on.
-- Binds: nothing. Locks: the table asset_types.
LOCK TABLE asset_types IN SHARE ROW EXCLUSIVE MODE
