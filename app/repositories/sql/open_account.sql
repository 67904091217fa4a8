-- Open one account, unless it is there.
-- Binds: $1 id, $2 bucket, $3 external user id, $4 metadata. Locks: the row.
-- Rows: the id when opened, nothing when it was there.
INSERT INTO accounts (id, bucket, external_user_id, metadata)
VALUES ($1, $2, $3, $4)
    ON CONFLICT (external_user_id, bucket) DO NOTHING
RETURNING id
