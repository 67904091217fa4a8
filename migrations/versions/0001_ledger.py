"""The ledger: asset types, accounts, wallets, transactions, entries, lots, holds, notes, and the guards on them.

One statement a call, `bucket` in every key of every table that grows: so the tables can be distributed by bucket
later. What changes often stands in no index, so that the hot rows' updates stay heap-only.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = (
    # -- time ------------------------------------------------------------------------------------------------------
    """
    CREATE FUNCTION ledger_now() RETURNS timestamptz
    LANGUAGE sql VOLATILE
    RETURN clock_timestamp()
    """,
    "COMMENT ON FUNCTION ledger_now() IS 'The only clock of the ledger'",
    # -- reference -------------------------------------------------------------------------------------------------
    """
    CREATE TABLE asset_types (
        id                  integer     NOT NULL,
        code                text        NOT NULL,
        name                text        NOT NULL,
        scale               smallint    NOT NULL,
        status              text        NOT NULL DEFAULT 'active',
        default_expiry_days integer,
        hold_seconds        integer     NOT NULL DEFAULT 86400,
        amount_min          bigint,
        amount_max          bigint,
        balance_max         bigint,
        daily_spend_max     bigint,
        daily_credit_max    bigint,
        created_at          timestamptz NOT NULL DEFAULT ledger_now(),
        CONSTRAINT pk_asset_types PRIMARY KEY (id),
        CONSTRAINT uq_asset_types_code UNIQUE (code),
        CONSTRAINT ck_asset_types_id_positive CHECK (id > 0),
        CONSTRAINT ck_asset_types_code_form CHECK (code ~ '^[A-Z][A-Z0-9_]{0,15}$'),
        CONSTRAINT ck_asset_types_scale_range CHECK (scale BETWEEN 0 AND 18),
        CONSTRAINT ck_asset_types_status_known CHECK (status IN ('active', 'inactive')),
        CONSTRAINT ck_asset_types_expiry_positive CHECK (default_expiry_days BETWEEN 1 AND 36500),
        CONSTRAINT ck_asset_types_hold_positive CHECK (hold_seconds > 0),
        CONSTRAINT ck_asset_types_limits_positive CHECK (
            amount_min > 0 AND amount_max > 0 AND balance_max > 0 AND daily_spend_max >= 0 AND daily_credit_max >= 0
        )
    )
    """,
    # -- accounts --------------------------------------------------------------------------------------------------
    "CREATE SEQUENCE account_numbers AS bigint MINVALUE 1 MAXVALUE 8796093022207",
    """
    CREATE TABLE accounts (
        id                bigint      NOT NULL,
        last_seq          bigint      NOT NULL DEFAULT 0,
        last_at           timestamptz NOT NULL DEFAULT '1970-01-01T00:00:00Z',
        last_effective_at timestamptz NOT NULL DEFAULT '1970-01-01T00:00:00Z',
        created_at        timestamptz NOT NULL DEFAULT ledger_now(),
        bucket            smallint    NOT NULL,
        status            text        NOT NULL DEFAULT 'active',
        external_user_id  text,
        system_name       text,
        metadata          text,
        limits            text,
        last_hash         bytea       NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
        CONSTRAINT pk_accounts PRIMARY KEY (id, bucket),
        CONSTRAINT uq_accounts_external_user_id UNIQUE (external_user_id, bucket),
        CONSTRAINT ck_accounts_bucket_of_id CHECK (
            CASE WHEN id < 1000 THEN id > 0 AND bucket = 0 ELSE id >= 1024 AND bucket = id % 1024 END
        ),
        CONSTRAINT ck_accounts_user_or_system CHECK (
            (id < 1000) = (external_user_id IS NULL) AND (id < 1000) = (system_name IS NOT NULL)
        ),
        CONSTRAINT ck_accounts_status_known CHECK (status IN ('active', 'frozen', 'quarantined', 'closed')),
        CONSTRAINT ck_accounts_last_seq_floor CHECK (last_seq >= 0),
        CONSTRAINT ck_accounts_last_hash_length CHECK (octet_length(last_hash) = 32)
    ) WITH (fillfactor = 70)
    """,
    "INSERT INTO accounts (id, bucket, system_name) VALUES (1, 0, 'Treasury'), (2, 0, 'Breakage')",
    # -- the two append-only tables --------------------------------------------------------------------------------
    """
    CREATE TABLE transactions (
        id              uuid        NOT NULL,
        owner_id        bigint      NOT NULL,
        seq             bigint      NOT NULL,
        amount          bigint,
        created_at      timestamptz NOT NULL,
        effective_at    timestamptz NOT NULL,
        feed_xid        xid8        NOT NULL DEFAULT pg_current_xact_id(),
        asset_type_id   integer,
        bucket          smallint    NOT NULL,
        refund_no       smallint,
        type            text        NOT NULL,
        outcome         text        NOT NULL,
        actor           text        NOT NULL,
        hash            bytea       NOT NULL,
        parent_id       uuid,
        group_id        uuid,
        parent_amount   bigint,
        refunded_after  bigint,
        idempotency_key text,
        fingerprint     bytea,
        terms           text,
        facts           text,
        CONSTRAINT pk_transactions PRIMARY KEY (id, bucket),
        CONSTRAINT uq_transactions_seq UNIQUE (owner_id, seq, bucket),
        CONSTRAINT ck_transactions_bucket_of_owner CHECK (owner_id >= 1024 AND bucket = owner_id % 1024),
        CONSTRAINT ck_transactions_seq_floor CHECK (seq > 0),
        CONSTRAINT ck_transactions_type_known CHECK (type IN (
            'top_up', 'bonus', 'spend', 'hold', 'capture', 'release', 'refund', 'reversal', 'expiry', 'adjustment',
            'extend', 'group', 'account_change'
        )),
        CONSTRAINT ck_transactions_outcome_known CHECK (outcome IN ('posted', 'refused')),
        CONSTRAINT ck_transactions_refused_says_why CHECK (outcome = 'posted' OR facts IS NOT NULL),
        CONSTRAINT ck_transactions_key_with_fingerprint CHECK (
            (idempotency_key IS NULL) = (fingerprint IS NULL)
        ),
        CONSTRAINT ck_transactions_fingerprint_length CHECK (octet_length(fingerprint) = 32),
        CONSTRAINT ck_transactions_hash_length CHECK (octet_length(hash) = 32),
        CONSTRAINT ck_transactions_effective_first CHECK (effective_at <= created_at),
        CONSTRAINT ck_transactions_refund_whole CHECK (
            num_nulls(refund_no, parent_amount, refunded_after) IN (0, 3)
            AND (refund_no IS NULL OR parent_id IS NOT NULL)
        ),
        CONSTRAINT ck_transactions_refund_ceiling CHECK (refunded_after <= parent_amount),
        CONSTRAINT ck_transactions_refund_with_number CHECK (
            (type = 'refund' AND outcome = 'posted') = (refund_no IS NOT NULL)
        )
    )
    """,
    """
    CREATE UNIQUE INDEX uq_transactions_idempotency_key
        ON transactions (owner_id, idempotency_key, bucket) WHERE idempotency_key IS NOT NULL
    """,
    """
    CREATE UNIQUE INDEX uq_transactions_refund_no
        ON transactions (owner_id, parent_id, refund_no, bucket) WHERE refund_no IS NOT NULL
    """,
    """
    CREATE TABLE ledger_entries (
        owner_id      bigint   NOT NULL,
        seq           bigint   NOT NULL,
        account_id    bigint   NOT NULL,
        amount        bigint   NOT NULL,
        balance_after bigint,
        asset_type_id integer  NOT NULL,
        bucket        smallint NOT NULL,
        line          smallint NOT NULL,
        lot_id        uuid,
        CONSTRAINT pk_ledger_entries PRIMARY KEY (owner_id, asset_type_id, seq, line, bucket),
        CONSTRAINT ck_ledger_entries_bucket_of_owner CHECK (owner_id >= 1024 AND bucket = owner_id % 1024),
        CONSTRAINT ck_ledger_entries_own_or_system CHECK (account_id = owner_id OR account_id BETWEEN 1 AND 999),
        CONSTRAINT ck_ledger_entries_amount_not_zero CHECK (amount <> 0),
        CONSTRAINT ck_ledger_entries_line_floor CHECK (line > 0),
        CONSTRAINT ck_ledger_entries_own_has_balance CHECK ((account_id = owner_id) = (balance_after IS NOT NULL)),
        CONSTRAINT ck_ledger_entries_own_has_lot CHECK ((account_id = owner_id) = (lot_id IS NOT NULL)),
        CONSTRAINT ck_ledger_entries_balance_floor CHECK (balance_after >= 0)
    )
    """,
    # -- projections -----------------------------------------------------------------------------------------------
    """
    CREATE TABLE wallets (
        owner_id      bigint   NOT NULL,
        posted        bigint   NOT NULL DEFAULT 0,
        held          bigint   NOT NULL DEFAULT 0,
        next_due_at   timestamptz,
        day_spent     bigint   NOT NULL DEFAULT 0,
        day_credited  bigint   NOT NULL DEFAULT 0,
        day           date,
        asset_type_id integer  NOT NULL,
        bucket        smallint NOT NULL,
        CONSTRAINT pk_wallets PRIMARY KEY (owner_id, asset_type_id, bucket),
        CONSTRAINT fk_wallets_asset_type FOREIGN KEY (asset_type_id) REFERENCES asset_types (id),
        CONSTRAINT ck_wallets_bucket_of_owner CHECK (owner_id >= 1024 AND bucket = owner_id % 1024),
        CONSTRAINT ck_wallets_posted_floor CHECK (posted >= 0),
        CONSTRAINT ck_wallets_held_within_posted CHECK (held BETWEEN 0 AND posted),
        CONSTRAINT ck_wallets_day_floor CHECK (day_spent >= 0 AND day_credited >= 0)
    ) WITH (fillfactor = 70)
    """,
    """
    CREATE TABLE lots (
        id            uuid     NOT NULL,
        owner_id      bigint   NOT NULL,
        seq           bigint   NOT NULL,
        expires_at    timestamptz,
        granted       bigint   NOT NULL,
        remaining     bigint   NOT NULL,
        held          bigint   NOT NULL DEFAULT 0,
        debt          bigint   NOT NULL DEFAULT 0,
        asset_type_id integer  NOT NULL,
        bucket        smallint NOT NULL,
        priority      smallint NOT NULL,
        open          boolean  NOT NULL,
        kind          text     NOT NULL,
        CONSTRAINT pk_lots PRIMARY KEY (id, bucket),
        CONSTRAINT ck_lots_bucket_of_owner CHECK (owner_id >= 1024 AND bucket = owner_id % 1024),
        CONSTRAINT ck_lots_kind_known CHECK (kind IN ('paid', 'promo')),
        CONSTRAINT ck_lots_priority_range CHECK (priority BETWEEN 0 AND 100),
        CONSTRAINT ck_lots_remaining_within_granted CHECK (remaining BETWEEN 0 AND granted),
        CONSTRAINT ck_lots_held_within_remaining CHECK (held BETWEEN 0 AND remaining),
        CONSTRAINT ck_lots_spent_covers_debt CHECK (debt BETWEEN 0 AND granted - remaining),
        CONSTRAINT ck_lots_open_while_remaining CHECK (open = (remaining > 0))
    ) WITH (fillfactor = 70)
    """,
    """
    CREATE INDEX ix_lots_burn
        ON lots (owner_id, asset_type_id, priority, expires_at, kind DESC, seq, id) WHERE open
    """,
    """
    CREATE INDEX ix_lots_due
        ON lots (owner_id, asset_type_id, expires_at) WHERE open AND expires_at IS NOT NULL
    """,
    """
    CREATE TABLE holds (
        id            uuid        NOT NULL,
        owner_id      bigint      NOT NULL,
        seq           bigint      NOT NULL,
        amount        bigint      NOT NULL,
        captured      bigint      NOT NULL DEFAULT 0,
        deadline      timestamptz NOT NULL,
        asset_type_id integer     NOT NULL,
        bucket        smallint    NOT NULL,
        status        text        NOT NULL DEFAULT 'open',
        lot_ids       uuid[]      NOT NULL,
        lot_amounts   bigint[]    NOT NULL,
        CONSTRAINT pk_holds PRIMARY KEY (id, bucket),
        CONSTRAINT ck_holds_bucket_of_owner CHECK (owner_id >= 1024 AND bucket = owner_id % 1024),
        CONSTRAINT ck_holds_amount_positive CHECK (amount > 0),
        CONSTRAINT ck_holds_captured_floor CHECK (captured >= 0),
        CONSTRAINT ck_holds_status_known CHECK (status IN ('open', 'captured', 'released', 'expired')),
        CONSTRAINT ck_holds_lots_paired CHECK (cardinality(lot_ids) = cardinality(lot_amounts))
    ) WITH (fillfactor = 70)
    """,
    "CREATE INDEX ix_holds_open ON holds (owner_id, asset_type_id, deadline) WHERE status = 'open'",
    """
    CREATE TABLE transaction_notes (
        owner_id  bigint   NOT NULL,
        seq       bigint   NOT NULL,
        bucket    smallint NOT NULL,
        digest    bytea    NOT NULL,
        salt      bytea,
        reference text,
        metadata  text,
        operator  text,
        CONSTRAINT pk_transaction_notes PRIMARY KEY (owner_id, seq, bucket),
        CONSTRAINT ck_transaction_notes_bucket_of_owner CHECK (owner_id >= 1024 AND bucket = owner_id % 1024),
        CONSTRAINT ck_transaction_notes_digest_length CHECK (octet_length(digest) = 32),
        CONSTRAINT ck_transaction_notes_erased_whole CHECK (
            salt IS NOT NULL OR num_nonnulls(reference, metadata, operator) = 0
        )
    )
    """,
    # -- guards that hold whoever is connected -----------------------------------------------------------------------
    """
    CREATE FUNCTION refuse_change() RETURNS trigger
    LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP
            USING ERRCODE = 'restrict_violation';
    END
    $$
    """,
    """
    CREATE TRIGGER transactions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON transactions
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
    """
    CREATE TRIGGER ledger_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entries
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
    """
    CREATE TRIGGER asset_types_stay BEFORE DELETE OR TRUNCATE ON asset_types
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
    """
    CREATE FUNCTION check_entries() RETURNS trigger
    LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
    DECLARE
        wrong record;
    BEGIN
        SELECT e.owner_id, e.seq, e.asset_type_id, sum(e.amount) AS total
          INTO wrong
          FROM new_entries AS e
         GROUP BY e.owner_id, e.seq, e.asset_type_id
        HAVING sum(e.amount) <> 0
         LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'the entries of owner %, seq %, asset type % sum to %, not to zero',
                wrong.owner_id, wrong.seq, wrong.asset_type_id, wrong.total
                USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_entries_sum_to_zero';
        END IF;
        SELECT e.owner_id, e.seq
          INTO wrong
          FROM (SELECT DISTINCT n.owner_id, n.seq, n.bucket FROM new_entries AS n) AS e
          LEFT JOIN LATERAL (
              SELECT t.outcome, t.xmin AS written_by
                FROM transactions AS t
               WHERE t.owner_id = e.owner_id AND t.seq = e.seq AND t.bucket = e.bucket
               LIMIT 1
          ) AS h ON true
         WHERE h.outcome IS DISTINCT FROM 'posted' OR h.written_by <> pg_current_xact_id()::xid
         LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'the entries of owner %, seq % have no posted header of this unit of work',
                wrong.owner_id, wrong.seq
                USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'ledger_entries_header_of_this_unit';
        END IF;
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE TRIGGER ledger_entries_sum_to_zero AFTER INSERT ON ledger_entries
        REFERENCING NEW TABLE AS new_entries
        FOR EACH STATEMENT EXECUTE FUNCTION check_entries()
    """,
    """
    CREATE FUNCTION refuse_asset_type_change() RETURNS trigger
    LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the id, code and scale of asset type % never change', OLD.code
            USING ERRCODE = 'restrict_violation';
    END
    $$
    """,
    """
    CREATE TRIGGER asset_types_immutable BEFORE UPDATE ON asset_types
        FOR EACH ROW WHEN ((OLD.id, OLD.code, OLD.scale) IS DISTINCT FROM (NEW.id, NEW.code, NEW.scale))
        EXECUTE FUNCTION refuse_asset_type_change()
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
