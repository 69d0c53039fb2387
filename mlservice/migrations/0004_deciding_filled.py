import hashlib
import json
from pathlib import Path

from django.db import migrations

from mlservice.engine.gate import frozen_set

BUNDLES = Path(__file__).resolve().parents[1] / "bundles"


def fill(apps, schema_editor):
    """What the rows from before do not say: which pictures were measured, what took whose place."""
    version_of, before = apps.get_model("mlservice", "ModelVersion"), {}
    activation = apps.get_model("mlservice", "Activation")
    for version in version_of.objects.order_by("activated_at", "pk"):
        version_of.objects.filter(pk=version.pk).update(frozen_set=_frozen_set(version))
        if version.activated_at is not None:
            activation.objects.create(
                version=version,
                replaced=before.get(version.pack),
                how="command",
                at=version.activated_at,
            )
            before[version.pack] = version


def _frozen_set(version):
    try:
        raw = (BUNDLES / version.folder / "manifest.json").read_bytes()
        if hashlib.sha256(raw).hexdigest() == version.manifest_hash:
            return frozen_set(json.loads(raw)["training"], version.metrics)
    except (OSError, ValueError, KeyError):
        pass
    return ""


class Migration(migrations.Migration):

    dependencies = [
        ('mlservice', '0003_deciding'),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
