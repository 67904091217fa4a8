"""${message}"""

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Additive first, one statement a call. lock_timeout is 2 s: a migration waits for nobody for long.
    ${upgrades if upgrades else "pass"}
