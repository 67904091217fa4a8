-- Load what became of commands: the transactions that they were decided to be, posted or refused.
-- Binds: $1 transaction ids, $2 their buckets.
-- Locks: none; the owners are locked. Rows: one for each that is there, with the owner's lines in their order.
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
       ) AS lines
  FROM unnest($1::text::uuid[], $2::text::smallint[]) AS named (id, bucket)
 CROSS JOIN LATERAL (
       SELECT transactions.*
         FROM transactions
        WHERE transactions.id = named.id
          AND transactions.bucket = named.bucket
        LIMIT 1
       ) AS t
