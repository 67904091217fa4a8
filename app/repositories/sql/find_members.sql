-- Find the members of groups that were decided before: the transactions that follow their headers.
-- Binds: $1 owner ids, $2 buckets, $3 the headers' ids, $4 the headers' seqs, $5 how many members at most.
-- Locks: none; the owners are locked. Rows: the ids of a member and of its group.
SELECT t.id, t.group_id
  FROM unnest($1::text::bigint[], $2::text::smallint[], $3::text::uuid[], $4::text::bigint[])
       AS g (owner_id, bucket, id, seq)
 CROSS JOIN LATERAL (
       SELECT transactions.*
         FROM transactions
        WHERE transactions.owner_id = g.owner_id
          AND transactions.bucket = g.bucket
          AND transactions.seq > g.seq
          AND transactions.seq <= g.seq + $5::bigint
          AND transactions.group_id = g.id
       ) AS t
