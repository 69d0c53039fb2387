from __future__ import annotations

import accounts.fields
import django.db.models.functions.datetime
import uuid
from django.conf import settings
from django.db import migrations, models

from accounts.resealing import open_column, seal_column


def sealed(model: str, name: str) -> migrations.RunPython:
    return migrations.RunPython(
        seal_column('diagnoses', model, name), open_column('diagnoses', model, name)
    )


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0015_sealed'),
        ('diagnoses', '0020_upload_tally'),
        ('notifications', '0010_sealed'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='FileKey',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=200)),
                ('data_key', models.CharField(max_length=8)),
                ('wrapped', models.BinaryField()),
                ('size', models.PositiveBigIntegerField(default=0)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('refused_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.AlterField(
            model_name='case',
            name='contact_e164',
            field=accounts.fields.SealedField(blank=True, pattern='\\+[1-9][0-9]{6,14}'),
        ),
        migrations.AlterField(
            model_name='draft',
            name='data',
            field=accounts.fields.SealedJSONField(default=dict),
        ),
        # Photos half on their way: whoever sends one begins it again.
        migrations.RunSQL('DELETE FROM diagnoses_uploadpiece', migrations.RunSQL.noop),
        migrations.AlterField(
            model_name='uploadpiece',
            name='content',
            field=accounts.fields.SealedBinaryField(),
        ),
        sealed('case', 'contact_e164'),
        sealed('draft', 'data'),
        migrations.AddConstraint(
            model_name='case',
            constraint=models.CheckConstraint(condition=models.Q(('contact_e164', ''), ('contact_e164__is_sealed', True), _connector='OR'), name='case_contact_is_sealed'),
        ),
        migrations.AddIndex(
            model_name='filekey',
            index=models.Index(fields=['name'], name='file_key_of_file'),
        ),
        migrations.AddIndex(
            model_name='filekey',
            index=models.Index(fields=['data_key'], name='file_key_wrapped_by'),
        ),
        migrations.AddIndex(
            model_name='filekey',
            index=models.Index(condition=models.Q(('refused_at__isnull', False)), fields=['refused_at'], name='file_key_refused'),
        ),
    ]
