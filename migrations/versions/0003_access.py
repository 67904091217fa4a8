"""Who may do what: API keys, and how much of its rate each has left; and accounts that keep their names.

A key is never removed, because transactions name the key that did them, and never changed but by being revoked, once
and for good. What is left of a rate is no record of anything: it is not in the write-ahead log, and full after a crash.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATEMENTS = (
    # -- accounts: credits never change hands by giving their owner another's name ------------------------------------
    """
    CREATE FUNCTION refuse_renaming() RETURNS trigger
    LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'an account keeps its name until it is erased' USING ERRCODE = 'restrict_violation';
    END
    $$
    """,
    """
    CREATE TRIGGER accounts_keep_their_names BEFORE UPDATE OF external_user_id ON accounts
        FOR EACH ROW WHEN (
            NEW.external_user_id IS DISTINCT FROM OLD.external_user_id
            AND NEW.external_user_id IS DISTINCT FROM 'erased/' || OLD.id
        ) EXECUTE FUNCTION refuse_renaming()
    """,
    # -- API keys -----------------------------------------------------------------------------------------------------
    """
    CREATE TABLE api_keys (
        id                  integer     NOT NULL GENERATED ALWAYS AS IDENTITY,
        requests_per_second integer,
        burst               integer,
        created_at          timestamptz NOT NULL DEFAULT now(),
        expires_at          timestamptz,
        revoked_at          timestamptz,
        last_used_at        timestamptz,
        digest              bytea       NOT NULL,
        name                text        NOT NULL,
        ending              text        NOT NULL,
        scopes              text[]      NOT NULL,
        created_by          text        NOT NULL,
        revoked_by          text,
        CONSTRAINT pk_api_keys PRIMARY KEY (id),
        CONSTRAINT uq_api_keys_digest UNIQUE (digest),
        CONSTRAINT ck_api_keys_digest_length CHECK (octet_length(digest) = 32),
        CONSTRAINT ck_api_keys_ending_length CHECK (char_length(ending) = 4),
        CONSTRAINT ck_api_keys_name_length CHECK (char_length(name) BETWEEN 1 AND 100),
        CONSTRAINT ck_api_keys_some_scope CHECK (cardinality(scopes) > 0),
        CONSTRAINT ck_api_keys_rate_whole CHECK ((requests_per_second IS NULL) = (burst IS NULL)),
        CONSTRAINT ck_api_keys_rate_positive CHECK (requests_per_second > 0 AND burst > 0),
        CONSTRAINT ck_api_keys_expiry_to_come CHECK (expires_at > created_at),
        CONSTRAINT ck_api_keys_revocation_whole CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
    )
    """,
    """
    CREATE FUNCTION refuse_key_change() RETURNS trigger
    LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'an API key stays as it was made, but for being revoked, once and for good'
            USING ERRCODE = 'restrict_violation';
    END
    $$
    """,
    """
    CREATE TRIGGER api_keys_immutable BEFORE UPDATE ON api_keys
        FOR EACH ROW WHEN (
            (OLD.id, OLD.requests_per_second, OLD.burst, OLD.created_at, OLD.expires_at, OLD.digest, OLD.name,
             OLD.ending, OLD.scopes, OLD.created_by)
            IS DISTINCT FROM
            (NEW.id, NEW.requests_per_second, NEW.burst, NEW.created_at, NEW.expires_at, NEW.digest, NEW.name,
             NEW.ending, NEW.scopes, NEW.created_by)
            OR (OLD.revoked_at IS NOT NULL
                AND (OLD.revoked_at, OLD.revoked_by) IS DISTINCT FROM (NEW.revoked_at, NEW.revoked_by))
        ) EXECUTE FUNCTION refuse_key_change()
    """,
    """
    CREATE TRIGGER api_keys_stay BEFORE DELETE OR TRUNCATE ON api_keys
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_key_change()
    """,
    """
    CREATE UNLOGGED TABLE key_buckets (
        tokens    double precision NOT NULL,
        filled_at timestamptz      NOT NULL,
        key_id    integer          NOT NULL,
        granted   integer          NOT NULL,
        CONSTRAINT pk_key_buckets PRIMARY KEY (key_id),
        CONSTRAINT ck_key_buckets_not_negative CHECK (tokens >= 0 AND granted >= 0)
    ) WITH (fillfactor = 50)
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
