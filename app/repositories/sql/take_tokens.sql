-- Take tokens out of the buckets of API keys: of each as many as are asked for, or as many as there are.
-- Binds: $1 key ids, each once; $2 how many tokens are asked for, $3 how many come in a second, $4 how many there can be.
-- Locks: the rows, in the order of the ids, and each is waited for 250 ms at most: this is its own transaction.
-- A bucket that is not there is full: that of a new key, and all of them after a crash, since the table is not logged.
-- Nor is its commit waited for, on a disk or a standby. Mostly it has no record in the log, but PostgreSQL may tidy up a
-- page of its catalogue on the way, and that has one.
-- The time is the world's, not the ledger's. It is read once the row is locked, so that each moment counts once, however
-- many processes wait for the row. When the clock goes back, what came in since the take before is lost, and no more.
-- Rows: key id, how many were taken, and how many are left.
INSERT INTO key_buckets AS b (key_id, tokens, filled_at, granted)
SELECT a.key_id, a.burst - least(a.asked, a.burst), clock_timestamp(), least(a.asked, a.burst)
  FROM unnest($1::integer[], $2::integer[], $3::integer[], $4::integer[]) AS a (key_id, asked, per_second, burst)
 CROSS JOIN set_config('lock_timeout', '250ms', true) AS waits_briefly
 CROSS JOIN set_config('synchronous_commit', 'off', true) AS commits_at_once
 ORDER BY a.key_id
    ON CONFLICT (key_id) DO UPDATE
   SET (tokens, filled_at, granted) = (
       SELECT f.tokens - least(f.asked, floor(f.tokens)), f.now, least(f.asked, floor(f.tokens))
         FROM (
             SELECT m.now,
                    ($2::integer[])[m.place] AS asked,
                    least(
                        ($4::integer[])[m.place],
                        b.tokens
                        + ($3::integer[])[m.place]
                        * greatest(0, extract(epoch FROM m.now - b.filled_at)::double precision)
                    ) AS tokens
               FROM (SELECT clock_timestamp() AS now, array_position($1, excluded.key_id) AS place) AS m
         ) AS f
   )
RETURNING b.key_id, b.granted, b.tokens
