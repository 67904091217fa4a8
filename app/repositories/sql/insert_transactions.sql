-- Append the headers of a unit of work.
-- Binds: arrays, one element a transaction. Locks: the new rows.
-- uq_transactions_idempotency_key: another instance has just used the key; run the unit again.
INSERT INTO transactions (id, bucket, owner_id, seq, type, outcome, asset_type_id, amount, idempotency_key,
                          fingerprint, actor, created_at, effective_at, terms, facts, hash)
SELECT n.id, n.bucket, n.owner_id, n.seq, n.type, n.outcome, n.asset_type_id, n.amount, n.idempotency_key,
       n.fingerprint, n.actor, n.created_at, n.effective_at, n.terms, n.facts, n.hash
  FROM unnest($1::uuid[], $2::smallint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::integer[],
              $8::bigint[], $9::text[], $10::bytea[], $11::text[], $12::timestamptz[], $13::timestamptz[],
              $14::text[], $15::text[], $16::bytea[])
       AS n (id, bucket, owner_id, seq, type, outcome, asset_type_id, amount, idempotency_key, fingerprint, actor,
             created_at, effective_at, terms, facts, hash)
