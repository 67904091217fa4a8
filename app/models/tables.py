"""The tables as SQLAlchemy sees them, for composable reads.

The migrations make the tables, with all their constraints and indexes (docs/schema.sql shows the result); a test
keeps the columns and keys here equal to what the migrations make.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import UserDefinedType


class XID8(UserDefinedType[int]):
    """A 64-bit transaction id of PostgreSQL."""

    cache_ok = True

    def get_col_spec(self, **_options: object) -> str:
        """Return the name of the type in SQL."""
        return "xid8"


metadata = MetaData()

asset_types = Table(
    "asset_types",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("code", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("scale", SmallInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("default_expiry_days", Integer),
    Column("hold_seconds", Integer, nullable=False),
    Column("amount_min", BigInteger),
    Column("amount_max", BigInteger),
    Column("balance_max", BigInteger),
    Column("daily_spend_max", BigInteger),
    Column("daily_credit_max", BigInteger),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

accounts = Table(
    "accounts",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("last_at", DateTime(timezone=True), nullable=False),
    Column("last_effective_at", DateTime(timezone=True), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("bucket", SmallInteger, primary_key=True, autoincrement=False),
    Column("status", Text, nullable=False),
    Column("external_user_id", Text),
    Column("system_name", Text),
    Column("metadata", Text),
    Column("limits", Text),
    Column("last_hash", LargeBinary, nullable=False),
)

transactions = Table(
    "transactions",
    metadata,
    Column("id", Uuid, primary_key=True, autoincrement=False),
    Column("owner_id", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("amount", BigInteger),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("effective_at", DateTime(timezone=True), nullable=False),
    Column("feed_xid", XID8, nullable=False),
    Column("asset_type_id", Integer),
    Column("bucket", SmallInteger, primary_key=True, autoincrement=False),
    Column("refund_no", Integer),
    Column("type", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("parent_id", Uuid),
    Column("group_id", Uuid),
    Column("parent_amount", BigInteger),
    Column("refunded_after", BigInteger),
    Column("idempotency_key", Text),
    Column("fingerprint", LargeBinary),
    Column("terms", Text),
    Column("facts", Text),
)

ledger_entries = Table(
    "ledger_entries",
    metadata,
    Column("owner_id", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("account_id", BigInteger, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("balance_after", BigInteger),
    Column("asset_type_id", Integer, primary_key=True, autoincrement=False),
    Column("bucket", SmallInteger, primary_key=True, autoincrement=False),
    Column("line", SmallInteger, primary_key=True, autoincrement=False),
    Column("lot_id", Uuid),
)

wallets = Table(
    "wallets",
    metadata,
    Column("owner_id", BigInteger, primary_key=True, autoincrement=False),
    Column("posted", BigInteger, nullable=False),
    Column("held", BigInteger, nullable=False),
    Column("next_due_at", DateTime(timezone=True)),
    Column("day_spent", BigInteger, nullable=False),
    Column("day_credited", BigInteger, nullable=False),
    Column("day", Date),
    Column("asset_type_id", Integer, primary_key=True, autoincrement=False),
    Column("bucket", SmallInteger, primary_key=True, autoincrement=False),
)

lots = Table(
    "lots",
    metadata,
    Column("id", Uuid, primary_key=True, autoincrement=False),
    Column("owner_id", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("expires_at", DateTime(timezone=True)),
    Column("granted", BigInteger, nullable=False),
    Column("remaining", BigInteger, nullable=False),
    Column("held", BigInteger, nullable=False),
    Column("debt", BigInteger, nullable=False),
    Column("asset_type_id", Integer, nullable=False),
    Column("bucket", SmallInteger, primary_key=True, autoincrement=False),
    Column("priority", SmallInteger, nullable=False),
    Column("open", Boolean, nullable=False),
    Column("kind", Text, nullable=False),
    Column("expired", BigInteger, nullable=False),
    Column("reversed", Boolean, nullable=False),
)

holds = Table(
    "holds",
    metadata,
    Column("id", Uuid, primary_key=True, autoincrement=False),
    Column("owner_id", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("captured", BigInteger, nullable=False),
    Column("deadline", DateTime(timezone=True), nullable=False),
    Column("asset_type_id", Integer, nullable=False),
    Column("bucket", SmallInteger, primary_key=True, autoincrement=False),
    Column("status", Text, nullable=False),
    Column("lot_ids", ARRAY(Uuid), nullable=False),
    Column("lot_amounts", ARRAY(BigInteger), nullable=False),
    Column("lot_held_at", ARRAY(DateTime(timezone=True)), nullable=False),
)

transaction_notes = Table(
    "transaction_notes",
    metadata,
    Column("owner_id", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("bucket", SmallInteger, primary_key=True, autoincrement=False),
    Column("digest", LargeBinary, nullable=False),
    Column("salt", LargeBinary),
    Column("reference", Text),
    Column("metadata", Text),
    Column("operator", Text),
    Column("reason", Text),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("requests_per_second", Integer),
    Column("burst", Integer),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True)),
    Column("revoked_at", DateTime(timezone=True)),
    Column("last_used_at", DateTime(timezone=True)),
    Column("digest", LargeBinary, nullable=False),
    Column("name", Text, nullable=False),
    Column("ending", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("created_by", Text, nullable=False),
    Column("revoked_by", Text),
)

key_buckets = Table(
    "key_buckets",
    metadata,
    Column("tokens", Double, nullable=False),
    Column("filled_at", DateTime(timezone=True), nullable=False),
    Column("key_id", Integer, primary_key=True, autoincrement=False),
    Column("granted", Integer, nullable=False),
)
