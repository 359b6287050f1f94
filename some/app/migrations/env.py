"""What Alembic runs; the connection, with its transaction, comes from `run`."""

from __future__ import annotations

from alembic import context

from some.app.migrations.tables import all_tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=all_tables(),
    compare_type=True,
    render_as_batch=True,
    transactional_ddl=True,
    transaction_per_migration=False,
)
context.run_migrations()
