"""Tokens of doctors and admins from before a second factor was asked for end: they get new ones."""

from django.db import migrations


def end_tokens(apps, schema_editor):
    apps.get_model("knox", "AuthToken").objects.exclude(user__role="patient").delete()


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0013_audit_chain"),
        ("knox", "0009_extend_authtoken_field"),
    ]

    operations = [migrations.RunPython(end_tokens, migrations.RunPython.noop)]
