"""PostgreSQL itself says that a case has moved, to whoever listens (diagnoses/hearing.py)."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("diagnoses", "0004_queue_constraints")]
    operations = [
        migrations.RunSQL(
            sql="""
            CREATE FUNCTION lentigo_say_case_moved() RETURNS trigger AS $$
            BEGIN
                PERFORM pg_notify('case_moved', NEW.id::text);
                RETURN NULL;
            END $$ LANGUAGE plpgsql;
            CREATE TRIGGER diagnoses_case_moved AFTER UPDATE OF status ON diagnoses_case
            FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
            EXECUTE FUNCTION lentigo_say_case_moved();
            """,
            reverse_sql="""
            DROP TRIGGER diagnoses_case_moved ON diagnoses_case;
            DROP FUNCTION lentigo_say_case_moved();
            """,
        )
    ]
