-- Load the earlier transactions that commands name: what is refunded or reversed.
-- Binds: $1 transaction ids, $2 their buckets.
-- Locks: none; their owners are locked. Rows: one for each that is there: the columns of a header, how many refunds it
-- has and what they gave back; the owner's lines in their order, each the columns of its lot as it is now, and the
-- amount.
SELECT t.id, t.owner_id, t.type, t.outcome, t.asset_type_id, t.amount, t.created_at, t.facts,
       coalesce(r.refund_no, 0), coalesce(r.refunded_after, 0),
       ARRAY(
           SELECT ROW(l.id, l.owner_id, l.asset_type_id, l.seq, l.kind, l.priority, l.expires_at, l.granted,
                      l.remaining, l.held, l.debt, l.expired, l.reversed, e.amount)
             FROM ledger_entries AS e
            CROSS JOIN LATERAL (
                  SELECT lots.* FROM lots WHERE lots.id = e.lot_id AND lots.bucket = e.bucket LIMIT 1
                  ) AS l
            WHERE e.owner_id = t.owner_id
              AND e.asset_type_id = t.asset_type_id
              AND e.seq = t.seq
              AND e.bucket = t.bucket
            ORDER BY e.line
       )
  FROM unnest($1::text::uuid[], $2::text::smallint[]) AS named (id, bucket)
 CROSS JOIN LATERAL (
       SELECT transactions.*
         FROM transactions
        WHERE transactions.id = named.id
          AND transactions.bucket = named.bucket
        LIMIT 1
       ) AS t
  LEFT JOIN LATERAL (
       SELECT refunds.refund_no, refunds.refunded_after
         FROM transactions AS refunds
        WHERE refunds.owner_id = t.owner_id
          AND refunds.bucket = t.bucket
          AND refunds.parent_id = t.id
          AND refunds.refund_no IS NOT NULL
        ORDER BY refunds.refund_no DESC
        LIMIT 1
       ) AS r ON true
