from __future__ import annotations

import accounts.fields
from django.db import migrations, models

from accounts.resealing import open_column, seal_column


def sealed(model: str, name: str) -> migrations.RunPython:
    return migrations.RunPython(
        seal_column('accounts', model, name), open_column('accounts', model, name)
    )


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0014_public_id'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='contactnumber',
            name='number_is_e164',
        ),
        migrations.AlterField(
            model_name='contactnumber',
            name='e164',
            field=accounts.fields.SealedField(findable=True, pattern='\\+[1-9][0-9]{6,14}', verbose_name='phone number'),
        ),
        migrations.AlterField(
            model_name='stoppedphone',
            name='e164',
            field=accounts.fields.SealedField(findable=True, unique=True, verbose_name='phone number'),
        ),
        sealed('contactnumber', 'e164'),
        sealed('stoppedphone', 'e164'),
        migrations.AddConstraint(
            model_name='contactnumber',
            constraint=models.CheckConstraint(condition=models.Q(('e164__is_sealed', True)), name='number_is_sealed'),
        ),
        migrations.AddConstraint(
            model_name='stoppedphone',
            constraint=models.CheckConstraint(condition=models.Q(('e164__is_sealed', True)), name='stopped_is_sealed'),
        ),
    ]
