-- Advance the clock of a sandbox, unless it would reach a moment, and tell the time.
-- Binds: $1 seconds, $2 the moment. Locks: the row, so that advances that come at once add up.
-- Rows: the time when advanced, nothing when it would reach the moment.
UPDATE sandbox_clock AS c
   SET offset_seconds = c.offset_seconds + $1
 WHERE c.id = 1
   AND ledger_now() + $1 * interval '1 second' < $2
RETURNING ledger_now()
