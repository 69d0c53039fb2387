from __future__ import annotations

from typing import ClassVar

import django.db.models.deletion
from django.db import migrations, models

from accounts.append_only import refuse_changes


class Migration(migrations.Migration):
    dependencies: ClassVar = [("accounts", "0012_people_by_name")]

    operations: ClassVar = [
        migrations.CreateModel(
            name="AuditLink",
            fields=[
                (
                    "position",
                    models.PositiveBigIntegerField(primary_key=True, serialize=False),
                ),
                ("sealed_at", models.DateTimeField(editable=False)),
                ("digest", models.CharField(max_length=64)),
                (
                    "entry",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="link",
                        to="accounts.auditentry",
                    ),
                ),
            ],
            options={"ordering": ["position"]},
        ),
        refuse_changes("accounts_auditlink"),
    ]
