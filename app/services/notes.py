"""The erasable texts of a transaction, salted, so that the digest in the chain tells nothing once they are gone."""

import secrets

from app.domain.chain import note_digest
from app.domain.records import Note

SALT_BYTES = 16


def new_note(
    *, reference: str | None = None, metadata: str | None = None, operator: str | None = None, reason: str | None = None
) -> Note | None:
    """Return the note of a transaction, None when there is no text."""
    if reference is None and metadata is None and operator is None and reason is None:
        return None
    salt = secrets.token_bytes(SALT_BYTES)
    return Note(
        reference=reference,
        metadata=metadata,
        operator=operator,
        reason=reason,
        salt=salt,
        digest=note_digest(salt=salt, reference=reference, metadata=metadata, operator=operator, reason=reason),
    )
