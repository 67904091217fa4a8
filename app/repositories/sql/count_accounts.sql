-- Count the user accounts. Binds: none. Locks: none. Rows: one.
SELECT count(*) FROM accounts WHERE id >= 1024
