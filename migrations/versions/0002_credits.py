"""Credits with a life: what expiry, holds, refunds, reversals and erasing need beside the first tables.

Rows that are there stay true: what has expired of a lot, and what a wallet counts for its last day, follows from what
was booked; no lot was reversed, and no hold exists.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATEMENTS = (
    # -- lots: what has expired and what was claimed back can't be told from what was spent otherwise ---------------
    "ALTER TABLE lots ADD COLUMN expired bigint NOT NULL DEFAULT 0",
    "ALTER TABLE lots ADD COLUMN reversed boolean NOT NULL DEFAULT false",
    "ALTER TABLE lots DROP CONSTRAINT ck_lots_spent_covers_debt",
    """
    ALTER TABLE lots ADD CONSTRAINT ck_lots_gone_or_held_covers_debt
        CHECK (debt >= 0 AND debt <= granted - remaining + held)
    """,
    "ALTER TABLE lots ADD CONSTRAINT ck_lots_debt_after_reversal CHECK (reversed OR debt = 0)",
    """
    ALTER TABLE lots ADD CONSTRAINT ck_lots_expired_within_gone
        CHECK (expired >= 0 AND expired <= granted - remaining)
    """,
    "CREATE INDEX ix_lots_expiry ON lots (expires_at) WHERE open AND expires_at IS NOT NULL",
    """
    UPDATE lots AS l
       SET expired = e.expired
      FROM (
          SELECT n.lot_id, -sum(n.amount) AS expired
            FROM transactions AS t
            JOIN ledger_entries AS n ON n.owner_id = t.owner_id AND n.seq = t.seq AND n.bucket = t.bucket
           WHERE t.type = 'expiry' AND n.lot_id IS NOT NULL
           GROUP BY n.lot_id
      ) AS e
     WHERE l.id = e.lot_id
    """,
    # -- wallets: what counts towards the limits of a day, which nobody counted before -------------------------------
    """
    UPDATE wallets AS w
       SET day = d.day, day_spent = d.spent, day_credited = d.credited
      FROM (
          SELECT DISTINCT ON (t.owner_id, t.asset_type_id)
                 t.owner_id, t.bucket, t.asset_type_id, (t.created_at AT TIME ZONE 'UTC')::date AS day,
                 least(coalesce(sum(t.amount) FILTER (WHERE t.type = 'spend'), 0), 9223372036854775807) AS spent,
                 least(coalesce(sum(t.amount) FILTER (WHERE t.type <> 'spend'), 0), 9223372036854775807) AS credited
            FROM transactions AS t
           WHERE t.outcome = 'posted' AND t.type IN ('top_up', 'bonus', 'spend')
           GROUP BY t.owner_id, t.bucket, t.asset_type_id, (t.created_at AT TIME ZONE 'UTC')::date
           ORDER BY t.owner_id, t.asset_type_id, (t.created_at AT TIME ZONE 'UTC')::date DESC
      ) AS d
     WHERE w.owner_id = d.owner_id AND w.bucket = d.bucket AND w.asset_type_id = d.asset_type_id
    """,
    # -- holds: since when each part is reserved, because a refund gives back the life that was left then ------------
    "ALTER TABLE holds ADD COLUMN lot_held_at timestamptz[] NOT NULL",
    "ALTER TABLE holds DROP CONSTRAINT ck_holds_lots_paired",
    """
    ALTER TABLE holds ADD CONSTRAINT ck_holds_lots_paired CHECK (
        cardinality(lot_ids) = cardinality(lot_amounts) AND cardinality(lot_ids) = cardinality(lot_held_at)
    )
    """,
    """
    ALTER TABLE holds ADD CONSTRAINT ck_holds_closed_reserves_nothing
        CHECK (status = 'open' OR cardinality(lot_ids) = 0)
    """,
    "CREATE INDEX ix_holds_owner ON holds (owner_id, seq)",
    "CREATE INDEX ix_holds_deadline ON holds (deadline) WHERE status = 'open'",
    # -- refunds: any number of parts --------------------------------------------------------------------------------
    "ALTER TABLE transactions ALTER COLUMN refund_no TYPE integer",
    # -- notes: why, beside who; and finding them --------------------------------------------------------------------
    "ALTER TABLE transaction_notes ADD COLUMN reason text",
    "ALTER TABLE transaction_notes DROP CONSTRAINT ck_transaction_notes_erased_whole",
    """
    ALTER TABLE transaction_notes ADD CONSTRAINT ck_transaction_notes_erased_whole CHECK (
        salt IS NOT NULL OR num_nonnulls(reference, metadata, operator, reason) = 0
    )
    """,
    """
    CREATE INDEX ix_transaction_notes_reference
        ON transaction_notes (reference, owner_id, seq) WHERE reference IS NOT NULL
    """,
    # -- accounts: listing them by name ------------------------------------------------------------------------------
    """
    CREATE INDEX ix_accounts_name
        ON accounts (external_user_id COLLATE "C") WHERE external_user_id IS NOT NULL
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
