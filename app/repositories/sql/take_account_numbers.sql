-- Take the next running numbers for new accounts. Numbers of accounts that are then not opened are lost.
-- Binds: $1 how many. Locks: none.
SELECT nextval('account_numbers') AS number
  FROM generate_series(1, $1::integer)
