-- Tell whether the database was created as a sandbox.
-- Binds: nothing. Locks: none. Rows: one.
SELECT to_regclass('sandbox_clock') IS NOT NULL
