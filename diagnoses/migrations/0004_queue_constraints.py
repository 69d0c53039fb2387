"""What the code promised of the queue and of predictions, the database now holds it to.

Nothing that was written breaks them: no line of the code ever wrote such a row.
"""

from django.db import migrations, models


def foreign_key(table: str, name: str, columns: str, target: str, key: str) -> migrations.RunSQL:
    """A foreign key over several columns, which Django's models cannot say."""
    return migrations.RunSQL(
        sql=f"ALTER TABLE {table} ADD CONSTRAINT {name}"
        f" FOREIGN KEY ({columns}) REFERENCES {target} ({key})",
        reverse_sql=f"ALTER TABLE {table} DROP CONSTRAINT {name}",
    )


class Migration(migrations.Migration):
    dependencies = [("diagnoses", "0003_no_lesion"), ("mlservice", "0001_initial")]
    operations = [
        migrations.AddConstraint(
            model_name="scoring",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("settled_at", None),
                    models.Q(("holder", None), ("lease_until", None), ("token", None)),
                    _connector="OR",
                ),
                name="scoring_settled_holds_nothing",
            ),
        ),
        migrations.AddConstraint(
            model_name="scoring",
            constraint=models.CheckConstraint(
                condition=models.Q(("token", None), ("attempts__gte", 1), _connector="OR"),
                name="scoring_leased_was_tried",
            ),
        ),
        migrations.AddConstraint(
            model_name="scoring",
            constraint=models.CheckConstraint(
                condition=models.Q(("holder", None), ("token__isnull", False), _connector="OR"),
                name="scoring_holder_has_a_lease",
            ),
        ),
        migrations.AddConstraint(
            model_name="scoring",
            constraint=models.UniqueConstraint(
                fields=("case",),
                condition=models.Q(("purpose", "live"), ("settled_at", None)),
                name="scoring_one_live_waiting",
            ),
        ),
        migrations.AddConstraint(
            model_name="scoring",
            constraint=models.UniqueConstraint(
                fields=("id", "case", "model_version"), name="scoring_whole"
            ),
        ),
        migrations.AddConstraint(
            model_name="photo",
            constraint=models.UniqueConstraint(fields=("id", "case"), name="photo_of_its_case"),
        ),
        foreign_key(
            "diagnoses_prediction",
            "prediction_of_its_scoring",
            "scoring_id, case_id, model_version_id",
            "diagnoses_scoring",
            "id, case_id, model_version_id",
        ),
        foreign_key(
            "diagnoses_prediction",
            "prediction_of_its_photo",
            "photo_id, case_id",
            "diagnoses_photo",
            "id, case_id",
        ),
    ]
