"""How Alembic runs our migrations: on the connection that `store.upgrade` hands over, inside its transaction."""

from alembic import context

from platemark.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite changes a table by making a new one. Triggers are lost then: a migration of such a table makes them again.
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
