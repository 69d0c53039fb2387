"""In what words a token's scope for the account is offered: it opens more of the account."""

from typing import ClassVar

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("accounts", "0017_tokens_with_a_second_factor")]

    operations: ClassVar = [
        migrations.AlterField(
            model_name="apitoken",
            name="scopes",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(
                    choices=[
                        ("cases:read", "Read cases, photos and answers"),
                        (
                            "cases:write",
                            "Send and withdraw cases, send photos, write about them",
                        ),
                        ("reviews:write", "Read cases as a doctor, sign and amend"),
                        ("account:read", "Read the account and its messages"),
                        (
                            "account:write",
                            "Change phone numbers, reminders, what was agreed to, and whom one"
                            " looks after",
                        ),
                        ("account:export", "Download everything"),
                        ("fhir:read", "Read cases as FHIR"),
                    ],
                    max_length=20,
                ),
                default=list,
                size=None,
            ),
        ),
    ]
