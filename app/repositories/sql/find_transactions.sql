-- Find of which asset types transactions are: an immutable fact.
-- Binds: $1 transaction ids, $2 their buckets. Locks: none. Rows: those that are there.
SELECT t.id, t.asset_type_id
  FROM unnest($1::text::uuid[], $2::text::smallint[]) AS named (id, bucket)
 CROSS JOIN LATERAL (
       SELECT transactions.id, transactions.asset_type_id
         FROM transactions
        WHERE transactions.id = named.id
          AND transactions.bucket = named.bucket
        LIMIT 1
       ) AS t
