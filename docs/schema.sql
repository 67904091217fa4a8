-- The tables as the migrations make them, in the words of PostgreSQL 18's pg_dump.
-- `make schema` writes this file: change the migrations, not this.


CREATE FUNCTION public.check_entries() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
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
    $$;

CREATE FUNCTION public.ledger_now() RETURNS timestamp with time zone
    LANGUAGE sql
    RETURN clock_timestamp();

COMMENT ON FUNCTION public.ledger_now() IS 'The only clock of the ledger';

CREATE FUNCTION public.refuse_asset_type_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
    BEGIN
        RAISE EXCEPTION 'the id, code and scale of asset type % never change', OLD.code
            USING ERRCODE = 'restrict_violation';
    END
    $$;

CREATE FUNCTION public.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
    BEGIN
        RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP
            USING ERRCODE = 'restrict_violation';
    END
    $$;

CREATE FUNCTION public.refuse_key_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
    BEGIN
        RAISE EXCEPTION 'an API key stays as it was made, but for being revoked, once and for good'
            USING ERRCODE = 'restrict_violation';
    END
    $$;

CREATE FUNCTION public.refuse_renaming() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
    BEGIN
        RAISE EXCEPTION 'an account keeps its name until it is erased' USING ERRCODE = 'restrict_violation';
    END
    $$;

CREATE SEQUENCE public.account_numbers
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    MAXVALUE 8796093022207
    CACHE 1;

CREATE TABLE public.accounts (
    id bigint NOT NULL,
    last_seq bigint DEFAULT 0 NOT NULL,
    last_at timestamp with time zone DEFAULT '1970-01-01 00:00:00+00'::timestamp with time zone NOT NULL,
    last_effective_at timestamp with time zone DEFAULT '1970-01-01 00:00:00+00'::timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT public.ledger_now() NOT NULL,
    bucket smallint NOT NULL,
    status text DEFAULT 'active'::text NOT NULL,
    external_user_id text,
    system_name text,
    metadata text,
    limits text,
    last_hash bytea DEFAULT decode(repeat('00'::text, 32), 'hex'::text) NOT NULL,
    CONSTRAINT ck_accounts_bucket_of_id CHECK (
CASE
    WHEN (id < 1000) THEN ((id > 0) AND (bucket = 0))
    ELSE ((id >= 1024) AND (bucket = (id % (1024)::bigint)))
END),
    CONSTRAINT ck_accounts_last_hash_length CHECK ((octet_length(last_hash) = 32)),
    CONSTRAINT ck_accounts_last_seq_floor CHECK ((last_seq >= 0)),
    CONSTRAINT ck_accounts_status_known CHECK ((status = ANY (ARRAY['active'::text, 'frozen'::text, 'quarantined'::text, 'closed'::text]))),
    CONSTRAINT ck_accounts_user_or_system CHECK ((((id < 1000) = (external_user_id IS NULL)) AND ((id < 1000) = (system_name IS NOT NULL))))
)
WITH (fillfactor='70');

CREATE TABLE public.api_keys (
    id integer NOT NULL,
    requests_per_second integer,
    burst integer,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    last_used_at timestamp with time zone,
    digest bytea NOT NULL,
    name text NOT NULL,
    ending text NOT NULL,
    scopes text[] NOT NULL,
    created_by text NOT NULL,
    revoked_by text,
    CONSTRAINT ck_api_keys_digest_length CHECK ((octet_length(digest) = 32)),
    CONSTRAINT ck_api_keys_ending_length CHECK ((char_length(ending) = 4)),
    CONSTRAINT ck_api_keys_expiry_to_come CHECK ((expires_at > created_at)),
    CONSTRAINT ck_api_keys_name_length CHECK (((char_length(name) >= 1) AND (char_length(name) <= 100))),
    CONSTRAINT ck_api_keys_rate_positive CHECK (((requests_per_second > 0) AND (burst > 0))),
    CONSTRAINT ck_api_keys_rate_whole CHECK (((requests_per_second IS NULL) = (burst IS NULL))),
    CONSTRAINT ck_api_keys_revocation_whole CHECK (((revoked_at IS NULL) = (revoked_by IS NULL))),
    CONSTRAINT ck_api_keys_some_scope CHECK ((cardinality(scopes) > 0))
);

ALTER TABLE public.api_keys ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.api_keys_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.asset_types (
    id integer NOT NULL,
    code text NOT NULL,
    name text NOT NULL,
    scale smallint NOT NULL,
    status text DEFAULT 'active'::text NOT NULL,
    default_expiry_days integer,
    hold_seconds integer DEFAULT 86400 NOT NULL,
    amount_min bigint,
    amount_max bigint,
    balance_max bigint,
    daily_spend_max bigint,
    daily_credit_max bigint,
    created_at timestamp with time zone DEFAULT public.ledger_now() NOT NULL,
    CONSTRAINT ck_asset_types_code_form CHECK ((code ~ '^[A-Z][A-Z0-9_]{0,15}$'::text)),
    CONSTRAINT ck_asset_types_expiry_positive CHECK (((default_expiry_days >= 1) AND (default_expiry_days <= 36500))),
    CONSTRAINT ck_asset_types_hold_positive CHECK ((hold_seconds > 0)),
    CONSTRAINT ck_asset_types_id_positive CHECK ((id > 0)),
    CONSTRAINT ck_asset_types_limits_positive CHECK (((amount_min > 0) AND (amount_max > 0) AND (balance_max > 0) AND (daily_spend_max >= 0) AND (daily_credit_max >= 0))),
    CONSTRAINT ck_asset_types_scale_range CHECK (((scale >= 0) AND (scale <= 18))),
    CONSTRAINT ck_asset_types_status_known CHECK ((status = ANY (ARRAY['active'::text, 'inactive'::text])))
);

CREATE TABLE public.holds (
    id uuid NOT NULL,
    owner_id bigint NOT NULL,
    seq bigint NOT NULL,
    amount bigint NOT NULL,
    captured bigint DEFAULT 0 NOT NULL,
    deadline timestamp with time zone NOT NULL,
    asset_type_id integer NOT NULL,
    bucket smallint NOT NULL,
    status text DEFAULT 'open'::text NOT NULL,
    lot_ids uuid[] NOT NULL,
    lot_amounts bigint[] NOT NULL,
    lot_held_at timestamp with time zone[] NOT NULL,
    CONSTRAINT ck_holds_amount_positive CHECK ((amount > 0)),
    CONSTRAINT ck_holds_bucket_of_owner CHECK (((owner_id >= 1024) AND (bucket = (owner_id % (1024)::bigint)))),
    CONSTRAINT ck_holds_captured_floor CHECK ((captured >= 0)),
    CONSTRAINT ck_holds_closed_reserves_nothing CHECK (((status = 'open'::text) OR (cardinality(lot_ids) = 0))),
    CONSTRAINT ck_holds_lots_paired CHECK (((cardinality(lot_ids) = cardinality(lot_amounts)) AND (cardinality(lot_ids) = cardinality(lot_held_at)))),
    CONSTRAINT ck_holds_status_known CHECK ((status = ANY (ARRAY['open'::text, 'captured'::text, 'released'::text, 'expired'::text])))
)
WITH (fillfactor='70');

CREATE UNLOGGED TABLE public.key_buckets (
    tokens double precision NOT NULL,
    filled_at timestamp with time zone NOT NULL,
    key_id integer NOT NULL,
    granted integer NOT NULL,
    CONSTRAINT ck_key_buckets_not_negative CHECK (((tokens >= (0)::double precision) AND (granted >= 0)))
)
WITH (fillfactor='50');

CREATE TABLE public.ledger_entries (
    owner_id bigint NOT NULL,
    seq bigint NOT NULL,
    account_id bigint NOT NULL,
    amount bigint NOT NULL,
    balance_after bigint,
    asset_type_id integer NOT NULL,
    bucket smallint NOT NULL,
    line smallint NOT NULL,
    lot_id uuid,
    CONSTRAINT ck_ledger_entries_amount_not_zero CHECK ((amount <> 0)),
    CONSTRAINT ck_ledger_entries_balance_floor CHECK ((balance_after >= 0)),
    CONSTRAINT ck_ledger_entries_bucket_of_owner CHECK (((owner_id >= 1024) AND (bucket = (owner_id % (1024)::bigint)))),
    CONSTRAINT ck_ledger_entries_line_floor CHECK ((line > 0)),
    CONSTRAINT ck_ledger_entries_own_has_balance CHECK (((account_id = owner_id) = (balance_after IS NOT NULL))),
    CONSTRAINT ck_ledger_entries_own_has_lot CHECK (((account_id = owner_id) = (lot_id IS NOT NULL))),
    CONSTRAINT ck_ledger_entries_own_or_system CHECK (((account_id = owner_id) OR ((account_id >= 1) AND (account_id <= 999))))
);

CREATE TABLE public.lots (
    id uuid NOT NULL,
    owner_id bigint NOT NULL,
    seq bigint NOT NULL,
    expires_at timestamp with time zone,
    granted bigint NOT NULL,
    remaining bigint NOT NULL,
    held bigint DEFAULT 0 NOT NULL,
    debt bigint DEFAULT 0 NOT NULL,
    asset_type_id integer NOT NULL,
    bucket smallint NOT NULL,
    priority smallint NOT NULL,
    open boolean NOT NULL,
    kind text NOT NULL,
    expired bigint DEFAULT 0 NOT NULL,
    reversed boolean DEFAULT false NOT NULL,
    CONSTRAINT ck_lots_bucket_of_owner CHECK (((owner_id >= 1024) AND (bucket = (owner_id % (1024)::bigint)))),
    CONSTRAINT ck_lots_debt_after_reversal CHECK ((reversed OR (debt = 0))),
    CONSTRAINT ck_lots_expired_within_gone CHECK (((expired >= 0) AND (expired <= (granted - remaining)))),
    CONSTRAINT ck_lots_gone_or_held_covers_debt CHECK (((debt >= 0) AND (debt <= ((granted - remaining) + held)))),
    CONSTRAINT ck_lots_held_within_remaining CHECK (((held >= 0) AND (held <= remaining))),
    CONSTRAINT ck_lots_kind_known CHECK ((kind = ANY (ARRAY['paid'::text, 'promo'::text]))),
    CONSTRAINT ck_lots_open_while_remaining CHECK ((open = (remaining > 0))),
    CONSTRAINT ck_lots_priority_range CHECK (((priority >= 0) AND (priority <= 100))),
    CONSTRAINT ck_lots_remaining_within_granted CHECK (((remaining >= 0) AND (remaining <= granted)))
)
WITH (fillfactor='70');

CREATE TABLE public.transaction_notes (
    owner_id bigint NOT NULL,
    seq bigint NOT NULL,
    bucket smallint NOT NULL,
    digest bytea NOT NULL,
    salt bytea,
    reference text,
    metadata text,
    operator text,
    reason text,
    CONSTRAINT ck_transaction_notes_bucket_of_owner CHECK (((owner_id >= 1024) AND (bucket = (owner_id % (1024)::bigint)))),
    CONSTRAINT ck_transaction_notes_digest_length CHECK ((octet_length(digest) = 32)),
    CONSTRAINT ck_transaction_notes_erased_whole CHECK (((salt IS NOT NULL) OR (num_nonnulls(reference, metadata, operator, reason) = 0)))
);

CREATE TABLE public.transactions (
    id uuid NOT NULL,
    owner_id bigint NOT NULL,
    seq bigint NOT NULL,
    amount bigint,
    created_at timestamp with time zone NOT NULL,
    effective_at timestamp with time zone NOT NULL,
    feed_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    asset_type_id integer,
    bucket smallint NOT NULL,
    refund_no integer,
    type text NOT NULL,
    outcome text NOT NULL,
    actor text NOT NULL,
    hash bytea NOT NULL,
    parent_id uuid,
    group_id uuid,
    parent_amount bigint,
    refunded_after bigint,
    idempotency_key text,
    fingerprint bytea,
    terms text,
    facts text,
    CONSTRAINT ck_transactions_bucket_of_owner CHECK (((owner_id >= 1024) AND (bucket = (owner_id % (1024)::bigint)))),
    CONSTRAINT ck_transactions_effective_first CHECK ((effective_at <= created_at)),
    CONSTRAINT ck_transactions_fingerprint_length CHECK ((octet_length(fingerprint) = 32)),
    CONSTRAINT ck_transactions_hash_length CHECK ((octet_length(hash) = 32)),
    CONSTRAINT ck_transactions_key_with_fingerprint CHECK (((idempotency_key IS NULL) = (fingerprint IS NULL))),
    CONSTRAINT ck_transactions_outcome_known CHECK ((outcome = ANY (ARRAY['posted'::text, 'refused'::text]))),
    CONSTRAINT ck_transactions_refund_ceiling CHECK ((refunded_after <= parent_amount)),
    CONSTRAINT ck_transactions_refund_whole CHECK (((num_nulls(refund_no, parent_amount, refunded_after) = ANY (ARRAY[0, 3])) AND ((refund_no IS NULL) OR (parent_id IS NOT NULL)))),
    CONSTRAINT ck_transactions_refund_with_number CHECK ((((type = 'refund'::text) AND (outcome = 'posted'::text)) = (refund_no IS NOT NULL))),
    CONSTRAINT ck_transactions_refused_says_why CHECK (((outcome = 'posted'::text) OR (facts IS NOT NULL))),
    CONSTRAINT ck_transactions_seq_floor CHECK ((seq > 0)),
    CONSTRAINT ck_transactions_type_known CHECK ((type = ANY (ARRAY['top_up'::text, 'bonus'::text, 'spend'::text, 'hold'::text, 'capture'::text, 'release'::text, 'refund'::text, 'reversal'::text, 'expiry'::text, 'adjustment'::text, 'extend'::text, 'group'::text, 'account_change'::text])))
);

CREATE TABLE public.wallets (
    owner_id bigint NOT NULL,
    posted bigint DEFAULT 0 NOT NULL,
    held bigint DEFAULT 0 NOT NULL,
    next_due_at timestamp with time zone,
    day_spent bigint DEFAULT 0 NOT NULL,
    day_credited bigint DEFAULT 0 NOT NULL,
    day date,
    asset_type_id integer NOT NULL,
    bucket smallint NOT NULL,
    CONSTRAINT ck_wallets_bucket_of_owner CHECK (((owner_id >= 1024) AND (bucket = (owner_id % (1024)::bigint)))),
    CONSTRAINT ck_wallets_day_floor CHECK (((day_spent >= 0) AND (day_credited >= 0))),
    CONSTRAINT ck_wallets_held_within_posted CHECK (((held >= 0) AND (held <= posted))),
    CONSTRAINT ck_wallets_posted_floor CHECK ((posted >= 0))
)
WITH (fillfactor='70');

ALTER TABLE ONLY public.accounts
    ADD CONSTRAINT pk_accounts PRIMARY KEY (id, bucket);

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT pk_api_keys PRIMARY KEY (id);

ALTER TABLE ONLY public.asset_types
    ADD CONSTRAINT pk_asset_types PRIMARY KEY (id);

ALTER TABLE ONLY public.holds
    ADD CONSTRAINT pk_holds PRIMARY KEY (id, bucket);

ALTER TABLE ONLY public.key_buckets
    ADD CONSTRAINT pk_key_buckets PRIMARY KEY (key_id);

ALTER TABLE ONLY public.ledger_entries
    ADD CONSTRAINT pk_ledger_entries PRIMARY KEY (owner_id, asset_type_id, seq, line, bucket);

ALTER TABLE ONLY public.lots
    ADD CONSTRAINT pk_lots PRIMARY KEY (id, bucket);

ALTER TABLE ONLY public.transaction_notes
    ADD CONSTRAINT pk_transaction_notes PRIMARY KEY (owner_id, seq, bucket);

ALTER TABLE ONLY public.transactions
    ADD CONSTRAINT pk_transactions PRIMARY KEY (id, bucket);

ALTER TABLE ONLY public.wallets
    ADD CONSTRAINT pk_wallets PRIMARY KEY (owner_id, asset_type_id, bucket);

ALTER TABLE ONLY public.accounts
    ADD CONSTRAINT uq_accounts_external_user_id UNIQUE (external_user_id, bucket);

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT uq_api_keys_digest UNIQUE (digest);

ALTER TABLE ONLY public.asset_types
    ADD CONSTRAINT uq_asset_types_code UNIQUE (code);

ALTER TABLE ONLY public.transactions
    ADD CONSTRAINT uq_transactions_seq UNIQUE (owner_id, seq, bucket);

CREATE INDEX ix_accounts_name ON public.accounts USING btree (external_user_id COLLATE "C") WHERE (external_user_id IS NOT NULL);

CREATE INDEX ix_holds_deadline ON public.holds USING btree (deadline) WHERE (status = 'open'::text);

CREATE INDEX ix_holds_open ON public.holds USING btree (owner_id, asset_type_id, deadline) WHERE (status = 'open'::text);

CREATE INDEX ix_holds_owner ON public.holds USING btree (owner_id, seq);

CREATE INDEX ix_lots_burn ON public.lots USING btree (owner_id, asset_type_id, priority, expires_at, kind DESC, seq, id) WHERE open;

CREATE INDEX ix_lots_due ON public.lots USING btree (owner_id, asset_type_id, expires_at) WHERE (open AND (expires_at IS NOT NULL));

CREATE INDEX ix_lots_expiry ON public.lots USING btree (expires_at) WHERE (open AND (expires_at IS NOT NULL));

CREATE INDEX ix_transaction_notes_reference ON public.transaction_notes USING btree (reference, owner_id, seq) WHERE (reference IS NOT NULL);

CREATE UNIQUE INDEX uq_transactions_idempotency_key ON public.transactions USING btree (owner_id, idempotency_key, bucket) WHERE (idempotency_key IS NOT NULL);

CREATE UNIQUE INDEX uq_transactions_refund_no ON public.transactions USING btree (owner_id, parent_id, refund_no, bucket) WHERE (refund_no IS NOT NULL);

CREATE TRIGGER accounts_keep_their_names BEFORE UPDATE OF external_user_id ON public.accounts FOR EACH ROW WHEN (((new.external_user_id IS DISTINCT FROM old.external_user_id) AND (new.external_user_id IS DISTINCT FROM ('erased/'::text || old.id)))) EXECUTE FUNCTION public.refuse_renaming();

CREATE TRIGGER api_keys_immutable BEFORE UPDATE ON public.api_keys FOR EACH ROW WHEN ((((((((((((old.id IS DISTINCT FROM new.id) OR (old.requests_per_second IS DISTINCT FROM new.requests_per_second)) OR (old.burst IS DISTINCT FROM new.burst)) OR (old.created_at IS DISTINCT FROM new.created_at)) OR (old.expires_at IS DISTINCT FROM new.expires_at)) OR (old.digest IS DISTINCT FROM new.digest)) OR (old.name IS DISTINCT FROM new.name)) OR (old.ending IS DISTINCT FROM new.ending)) OR (old.scopes IS DISTINCT FROM new.scopes)) OR (old.created_by IS DISTINCT FROM new.created_by)) OR ((old.revoked_at IS NOT NULL) AND ((old.revoked_at IS DISTINCT FROM new.revoked_at) OR (old.revoked_by IS DISTINCT FROM new.revoked_by))))) EXECUTE FUNCTION public.refuse_key_change();

CREATE TRIGGER api_keys_stay BEFORE DELETE OR TRUNCATE ON public.api_keys FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_key_change();

CREATE TRIGGER asset_types_immutable BEFORE UPDATE ON public.asset_types FOR EACH ROW WHEN ((((old.id IS DISTINCT FROM new.id) OR (old.code IS DISTINCT FROM new.code)) OR (old.scale IS DISTINCT FROM new.scale))) EXECUTE FUNCTION public.refuse_asset_type_change();

CREATE TRIGGER asset_types_stay BEFORE DELETE OR TRUNCATE ON public.asset_types FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER ledger_entries_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.ledger_entries FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER ledger_entries_sum_to_zero AFTER INSERT ON public.ledger_entries REFERENCING NEW TABLE AS new_entries FOR EACH STATEMENT EXECUTE FUNCTION public.check_entries();

CREATE TRIGGER transactions_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.transactions FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

ALTER TABLE ONLY public.wallets
    ADD CONSTRAINT fk_wallets_asset_type FOREIGN KEY (asset_type_id) REFERENCES public.asset_types(id);
