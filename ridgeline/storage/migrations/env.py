"""Run by Alembic: runs the migrations on the connection from Database.migrate()."""

from alembic import context

from ridgeline.storage.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
