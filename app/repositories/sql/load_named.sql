-- Load the holds and earlier transactions that commands name.
-- Binds: $1 hold ids, $2 their buckets; $3 transaction ids, $4 their buckets.
-- Locks: none; their owners are locked. Rows: one, with arrays:
--   holds     (the columns of a hold)
--   hold lots (the columns of a lot; what those holds reserve)
--   parents   (the columns of a header; how many refunds it has and what they gave back; the owner's lines in their
--             order, each the columns of its lot as it is now, and the amount)
WITH hold AS MATERIALIZED (
    SELECT h.*
      FROM unnest($1::uuid[], $2::smallint[]) AS named (id, bucket)
     CROSS JOIN LATERAL (
           SELECT holds.* FROM holds WHERE holds.id = named.id AND holds.bucket = named.bucket LIMIT 1
           ) AS h
)
SELECT ARRAY(
           SELECT ROW(h.id, h.owner_id, h.asset_type_id, h.seq, h.amount, h.captured, h.deadline, h.status, h.lot_ids,
                      h.lot_amounts, h.lot_held_at)
             FROM hold AS h
       ) AS holds,
       ARRAY(
           SELECT ROW(l.id, l.owner_id, l.asset_type_id, l.seq, l.kind, l.priority, l.expires_at, l.granted,
                      l.remaining, l.held, l.debt, l.expired, l.reversed)
             FROM (SELECT DISTINCT unnest(h.lot_ids) AS id, h.bucket FROM hold AS h) AS named
            CROSS JOIN LATERAL (
                  SELECT lots.* FROM lots WHERE lots.id = named.id AND lots.bucket = named.bucket LIMIT 1
                  ) AS l
       ) AS hold_lots,
       ARRAY(
           SELECT ROW(t.id, t.owner_id, t.type, t.outcome, t.asset_type_id, t.amount, t.created_at, t.facts,
                      coalesce(r.refund_no, 0), coalesce(r.refunded_after, 0),
                      ARRAY(
                          SELECT ROW(l.id, l.owner_id, l.asset_type_id, l.seq, l.kind, l.priority, l.expires_at,
                                     l.granted, l.remaining, l.held, l.debt, l.expired, l.reversed, e.amount)
                            FROM ledger_entries AS e
                           CROSS JOIN LATERAL (
                                 SELECT lots.* FROM lots WHERE lots.id = e.lot_id AND lots.bucket = e.bucket LIMIT 1
                                 ) AS l
                           WHERE e.owner_id = t.owner_id
                             AND e.asset_type_id = t.asset_type_id
                             AND e.seq = t.seq
                             AND e.bucket = t.bucket
                           ORDER BY e.line
                      ))
             FROM unnest($3::uuid[], $4::smallint[]) AS named (id, bucket)
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
       ) AS parents
