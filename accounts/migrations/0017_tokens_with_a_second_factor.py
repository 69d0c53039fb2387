"""Tokens of doctors and admins from before a second factor was asked for end: they get new ones."""

from django.db import migrations


def end_tokens(apps, schema_editor):
    apps.get_model("accounts", "ApiToken").objects.exclude(user__role="patient").delete()


class Migration(migrations.Migration):
    dependencies = [("accounts", "0016_api_tokens")]

    operations = [migrations.RunPython(end_tokens, migrations.RunPython.noop)]
