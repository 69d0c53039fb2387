"""Where in a photo the computer looked, and signed cases by what they look like to it.

Needs pgvector 0.8 or later in the database; says so where it is not there.
"""

import django.db.models.deletion
import numpy as np
from django.contrib.postgres.indexes import OpClass
from django.core.management import CommandError
from django.db import ProgrammingError, migrations, models, transaction
from django.db.models.functions import Cast
from pgvector import HalfVector
from pgvector.django import HalfVectorField, HnswIndex, VectorExtension

INSTALL = "docs/operations.md says how to install it."
NEEDED = (0, 8)


class NeedsVector(VectorExtension):
    """``CREATE EXTENSION vector``, or a sentence instead of what PostgreSQL says."""

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        with schema_editor.connection.cursor() as cursor:
            cursor.execute("SELECT default_version FROM pg_available_extensions WHERE name = 'vector'")
            found = cursor.fetchone()
            cursor.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
            installed = cursor.fetchone()
        if not (found or installed):
            raise CommandError(f"This PostgreSQL has no pgvector, which Lentigo needs. {INSTALL}")
        version = (installed or found)[0]
        if tuple(int(part) for part in version.split(".")[:2]) < NEEDED:
            raise CommandError(f"pgvector is {version} here; Lentigo needs 0.8 or later. {INSTALL}")
        try:
            with transaction.atomic(schema_editor.connection.alias):
                super().database_forwards(app_label, schema_editor, from_state, to_state)
        except ProgrammingError as refused:
            raise CommandError(
                f"The database's user may not add pgvector ({str(refused).strip()}). Have an "
                "administrator of the database run CREATE EXTENSION vector; in it, then migrate again."
            ) from refused

    def database_backwards(self, app_label, schema_editor, from_state, to_state):
        """Left where it is: it may have been there before."""


def fill(apps, schema_editor):
    """Signed cases that the computer has a view of, as the workflow keeps them from now on."""
    prediction = apps.get_model("diagnoses", "Prediction").objects.using(schema_editor.connection.alias)
    views = (
        prediction.filter(case__status__in=["final", "amended"], scoring__purpose="live")
        .order_by("case", "-pk")
        .distinct("case")
        .values_list("pk", "case", "case__clinic", "model_version__weights_hash", "embedding", "modality")
    )
    precedent = apps.get_model("diagnoses", "Precedent")
    rows = []
    for pk, case, clinic, network, stored, modality in views.iterator(chunk_size=500):
        embedding = np.frombuffer(bytes(stored), "<f4")
        length = float(np.linalg.norm(embedding))
        if modality in ("not_skin", "no_lesion") or not 0 < length < np.inf or len(embedding) > 3500:
            continue
        rows.append(
            precedent(
                case_id=case,
                clinic_id=clinic,
                prediction_id=pk,
                network=network,
                size=len(embedding),
                embedding=HalfVector(embedding / length),
            )
        )
        if len(rows) == 500:
            precedent.objects.bulk_create(rows)
            rows = []
    precedent.objects.bulk_create(rows)
    # The foreign keys are looked at now: no index can be made of a table with some still to check.
    schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")


class Migration(migrations.Migration):
    dependencies = [("accounts", "0008_reminders"), ("diagnoses", "0010_claims")]
    operations = [
        NeedsVector(),
        migrations.AddField("prediction", "heat", models.BinaryField(null=True)),
        migrations.CreateModel(
            name="Precedent",
            fields=[
                (
                    "case",
                    models.OneToOneField(
                        editable=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="precedent",
                        serialize=False,
                        to="diagnoses.case",
                    ),
                ),
                (
                    "clinic",
                    models.ForeignKey(
                        db_index=False,
                        editable=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.clinic",
                    ),
                ),
                (
                    "prediction",
                    models.ForeignKey(
                        db_index=False,
                        editable=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="diagnoses.prediction",
                    ),
                ),
                ("network", models.CharField(editable=False, max_length=64)),
                ("size", models.PositiveSmallIntegerField(editable=False)),
                ("embedding", HalfVectorField(editable=False)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["clinic", "network"], name="precedent_of_clinic"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("size__gte", 1), ("size__lte", 3500)),
                        name="precedent_size_fits_a_page",
                    ),
                ],
            },
        ),
        # Searched five times as fast without the index: a vector stays beside the row it is of.
        migrations.RunSQL(
            "ALTER TABLE diagnoses_precedent ALTER COLUMN embedding SET STORAGE PLAIN",
            migrations.RunSQL.noop,
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.AddIndex(
            "precedent",
            HnswIndex(
                OpClass(
                    Cast(models.F("embedding"), HalfVectorField(dimensions=1280)),
                    name="halfvec_cosine_ops",
                ),
                condition=models.Q(("size", 1280)),
                name="precedent_alike",
            ),
        ),
    ]
