"""Runs the migrations on the connection that `app.migration` hands over, in its transaction."""

import sys

from alembic import context

from app.models import metadata

if "connection" not in context.config.attributes:
    sys.exit("the service brings its tables up to date by itself; by hand: make migrate, or wallet migrate")

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
