"""The tables. No methods, no ORM instances: rows travel as frozen records."""

from app.models.tables import metadata

__all__ = ["metadata"]
