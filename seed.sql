-- The seed in SQL: three asset types, the system accounts, the accounts of user_alice and user_bob.
--
--     psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -f seed.sql
--
-- Any number of times, two at once, before or after `python -m scripts.seed`: what is there stays as it is. The tables
-- must be there: run `make migrate` first, or start the service once.
--
-- Balances are no rows to insert: they follow from transactions, each sealed with the hash of the one before. The users'
-- first credits are put in by `make seed` (`python -m scripts.seed`).

BEGIN ISOLATION LEVEL READ COMMITTED;

SET LOCAL lock_timeout = '10s';

DO $$
BEGIN
    IF to_regclass('asset_types') IS NULL OR to_regclass('accounts') IS NULL THEN
        RAISE EXCEPTION 'the tables are not there yet, and nothing was put in'
            USING HINT = 'Run `make migrate` with this DATABASE_URL, or start the service once. Then run this again.',
                  ERRCODE = 'undefined_table';
    END IF;
    -- One seeding after the other, so that none takes a number for an account that another is opening.
    PERFORM pg_advisory_xact_lock(7205759404);
END
$$;

INSERT INTO asset_types (id, code, name, scale)
VALUES (1, 'GOLD', 'Gold Coins', 2),
       (2, 'DMND', 'Diamonds', 2),
       (3, 'PTS', 'Loyalty Points', 2)
    ON CONFLICT DO NOTHING;

INSERT INTO accounts (id, bucket, system_name)
VALUES (1, 0, 'Treasury'),
       (2, 0, 'Breakage')
    ON CONFLICT DO NOTHING;

-- A user lives in the bucket that the first two bytes of the id's SHA-256 name, modulo 1024; an account's id carries it.
WITH digests (external_user_id, digest) AS (
    SELECT u.external_user_id, sha256(convert_to(u.external_user_id, 'UTF8'))
      FROM (VALUES ('user_alice'), ('user_bob')) AS u (external_user_id)
),
placed (external_user_id, bucket) AS (
    SELECT d.external_user_id, (get_byte(d.digest, 0) * 256 + get_byte(d.digest, 1)) % 1024
      FROM digests AS d
),
missing (external_user_id, bucket) AS MATERIALIZED (
    SELECT p.external_user_id, p.bucket
      FROM placed AS p
     WHERE NOT EXISTS (
               SELECT 1
                 FROM accounts AS a
                WHERE a.external_user_id = p.external_user_id AND a.bucket = p.bucket
           )
     ORDER BY p.external_user_id
)
INSERT INTO accounts (id, bucket, external_user_id)
SELECT nextval('account_numbers') * 1024 + m.bucket, m.bucket, m.external_user_id
  FROM missing AS m
    ON CONFLICT (external_user_id, bucket) DO NOTHING;

COMMIT;
