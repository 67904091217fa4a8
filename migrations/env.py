"""Runs the migrations on the connection that `app.migration` hands over, in its transaction."""

from alembic import context

from app.models import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
