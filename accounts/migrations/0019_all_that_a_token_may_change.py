"""In what words a token's scopes are offered: all that they let a program change."""

from typing import ClassVar

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("accounts", "0018_what_a_token_may_change")]

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
                            "Send and withdraw cases, send photos, write about them, name marks,"
                            " answer reminders, let a doctor of another clinic look; doctors bring"
                            " cases from elsewhere",
                        ),
                        (
                            "reviews:write",
                            "Read cases as a doctor, sign and amend, ask colleagues, record what a"
                            " case turned out to be, write letters",
                        ),
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
