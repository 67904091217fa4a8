-- Every header with its note, in the order of owner and seq, and whether any of what it took was given back.
-- Binds: none. Locks: none.
SELECT t.id, t.owner_id, t.bucket, t.seq, t.type, t.outcome, t.asset_type_id, t.amount, t.idempotency_key,
       t.fingerprint, t.actor, t.created_at, t.effective_at, t.terms, t.facts, t.parent_id, t.group_id, t.refund_no,
       t.parent_amount, t.refunded_after, t.hash, n.digest, n.salt, n.reference, n.metadata, n.operator, n.reason,
       t.type IN ('spend', 'capture') AND EXISTS (
           SELECT 1
             FROM transactions AS r
            WHERE r.owner_id = t.owner_id AND r.parent_id = t.id AND r.bucket = t.bucket AND r.refund_no IS NOT NULL
       ) AS is_refunded
  FROM transactions AS t
  LEFT JOIN transaction_notes AS n
    ON n.owner_id = t.owner_id AND n.seq = t.seq AND n.bucket = t.bucket
 ORDER BY t.owner_id, t.seq
