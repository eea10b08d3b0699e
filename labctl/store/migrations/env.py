"""Run migrations on the connection handed in, inside its transaction."""

from alembic import context

from labctl.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=False)
context.run_migrations()
