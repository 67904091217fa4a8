-- Empty the erasable texts of one owner, some at a time; their digests stay, for the chain.
-- Binds: $1 owner id, $2 bucket, $3 after which seq, $4 how many at most (NULL: all).
-- Locks: the rows, under their owner's lock. Rows: the seqs of those that were emptied.
UPDATE transaction_notes AS n
   SET salt = NULL,
       reference = NULL,
       metadata = NULL,
       operator = NULL,
       reason = NULL
  FROM (
      SELECT notes.seq
        FROM transaction_notes AS notes
       WHERE notes.owner_id = $1
         AND notes.bucket = $2
         AND notes.seq > $3
         AND notes.salt IS NOT NULL
       ORDER BY notes.seq
       LIMIT $4
       ) AS next
 WHERE n.owner_id = $1
   AND n.bucket = $2
   AND n.seq = next.seq
RETURNING n.seq
