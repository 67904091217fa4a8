-- Add asset types that are not there.
-- Binds: arrays, one element an asset type. Locks: the new rows.
INSERT INTO asset_types (id, code, name, scale)
SELECT n.id, n.code, n.name, n.scale
  FROM unnest($1::integer[], $2::text[], $3::text[], $4::smallint[]) AS n (id, code, name, scale)
    ON CONFLICT DO NOTHING
