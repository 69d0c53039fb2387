"""Tokens have scopes. Those there are keep the rights they had: all of them.

knox's own table stays behind, unread: its own migrations go on changing it, and no web process that
still runs the version before must miss it. It points to nobody any more, so that people can be deleted.
"""

from __future__ import annotations

import uuid
from typing import ClassVar

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

_COPY = """
INSERT INTO accounts_apitoken
    (digest, token_key, user_id, created, expiry, public_id, name, scopes, used)
SELECT digest, token_key, user_id, created, expiry, gen_random_uuid(), '', %s, 0
FROM knox_authtoken WHERE expiry > now()
"""
# As they are called when this is written: what is added later, no old token asked for.
ALL = [
    *("cases:read", "cases:write", "reviews:write"),
    *("account:read", "account:write", "account:export", "fhir:read"),
]


_POINTS_TO_NOBODY = """
DO $$ DECLARE one name; BEGIN
    FOR one IN SELECT conname FROM pg_constraint
               WHERE conrelid = 'knox_authtoken'::regclass AND contype = 'f'
    LOOP EXECUTE format('ALTER TABLE knox_authtoken DROP CONSTRAINT %I', one); END LOOP;
END $$
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("accounts", "0015_sealed"),
        ("knox", "0009_extend_authtoken_field"),
    ]

    operations: ClassVar = [
        migrations.CreateModel(
            name="ApiToken",
            fields=[
                (
                    "digest",
                    models.CharField(max_length=128, primary_key=True, serialize=False),
                ),
                ("token_key", models.CharField(db_index=True, max_length=25)),
                ("created", models.DateTimeField(auto_now_add=True)),
                ("expiry", models.DateTimeField(blank=True, null=True)),
                (
                    "public_id",
                    models.UUIDField(default=uuid.uuid4, editable=False, unique=True),
                ),
                ("name", models.CharField(blank=True, max_length=60)),
                (
                    "scopes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(
                            choices=[
                                ("cases:read", "Read cases, photos and answers"),
                                (
                                    "cases:write",
                                    "Send and withdraw cases, send photos, write about them",
                                ),
                                ("reviews:write", "Read cases as a doctor, sign and amend"),
                                ("account:read", "Read the account and its messages"),
                                ("account:write", "Change what was agreed to"),
                                ("account:export", "Download everything"),
                                ("fhir:read", "Read cases as FHIR"),
                            ],
                            max_length=20,
                        ),
                        default=list,
                        size=None,
                    ),
                ),
                ("last_used_at", models.DateTimeField(editable=False, null=True)),
                ("minute", models.DateTimeField(editable=False, null=True)),
                ("used", models.PositiveIntegerField(default=0, editable=False)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="auth_token_set",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={"ordering": ["-created"]},
        ),
        migrations.RunSQL([(_COPY, [ALL]), _POINTS_TO_NOBODY], migrations.RunSQL.noop),
    ]
