-- Load the members of groups that were decided before: the transactions that follow their headers.
-- Binds: $1 owner ids, $2 buckets, $3 the headers' ids, $4 the headers' seqs, $5 how many members at most.
-- Locks: none; the owners are locked. Rows: the columns of a decided transaction and its group, by seq.
SELECT t.owner_id, t.idempotency_key, t.id, t.seq, t.type, t.outcome, t.asset_type_id, t.amount, t.fingerprint,
       t.terms, t.facts, t.created_at, t.parent_id,
       (
           SELECT e.balance_after
             FROM ledger_entries AS e
            WHERE e.owner_id = t.owner_id
              AND e.asset_type_id = t.asset_type_id
              AND e.seq <= t.seq
              AND e.bucket = t.bucket
              AND e.balance_after IS NOT NULL
            ORDER BY e.seq DESC, e.line DESC
            LIMIT 1
       ) AS balance_after,
       ARRAY(
           SELECT ROW(e.lot_id, l.kind, e.amount, l.expires_at)
             FROM ledger_entries AS e
            CROSS JOIN LATERAL (
                  SELECT lots.kind, lots.expires_at
                    FROM lots
                   WHERE lots.id = e.lot_id
                     AND lots.bucket = e.bucket
                   LIMIT 1
                  ) AS l
            WHERE e.owner_id = t.owner_id
              AND e.asset_type_id = t.asset_type_id
              AND e.seq = t.seq
              AND e.bucket = t.bucket
            ORDER BY e.line
       ) AS lines,
       t.group_id
  FROM unnest($1::bigint[], $2::smallint[], $3::uuid[], $4::bigint[]) AS g (owner_id, bucket, id, seq)
 CROSS JOIN LATERAL (
       SELECT transactions.*
         FROM transactions
        WHERE transactions.owner_id = g.owner_id
          AND transactions.bucket = g.bucket
          AND transactions.seq > g.seq
          AND transactions.seq <= g.seq + $5::bigint
          AND transactions.group_id = g.id
        ORDER BY transactions.seq
       ) AS t
