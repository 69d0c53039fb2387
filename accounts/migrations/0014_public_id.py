from __future__ import annotations

import uuid
from typing import ClassVar

from django.contrib.postgres.functions import RandomUUID
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("accounts", "0013_audit_chain")]

    operations: ClassVar = [
        # PostgreSQL draws one for each row there is: the default is not a constant.
        migrations.AddField(
            model_name="user",
            name="public_id",
            field=models.UUIDField(
                db_default=RandomUUID(), default=uuid.uuid4, editable=False, unique=True
            ),
        ),
    ]
