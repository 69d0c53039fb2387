"""Tables the database itself refuses to change: what was written stays as it was written."""

from __future__ import annotations

from django.db.migrations import RunSQL


def refuse_changes(table: str) -> RunSQL:
    """A migration step after which PostgreSQL raises on any UPDATE or DELETE of ``table``."""
    return RunSQL(
        sql=f"""
        CREATE OR REPLACE FUNCTION lentigo_refuse_change() RETURNS trigger AS $$
        BEGIN
            RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
        END $$ LANGUAGE plpgsql;
        CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}
        FOR EACH ROW EXECUTE FUNCTION lentigo_refuse_change();
        """,
        reverse_sql=f"DROP TRIGGER {table}_append_only ON {table};",
    )
