from __future__ import annotations

import accounts.fields
from django.conf import settings
from django.db import migrations, models

from accounts.resealing import open_column, seal_column


def sealed(model: str, name: str) -> migrations.RunPython:
    return migrations.RunPython(
        seal_column('notifications', model, name), open_column('notifications', model, name)
    )


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0015_sealed'),
        ('notifications', '0009_open_and_failed'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name='inbound',
            name='e164',
            field=accounts.fields.SealedField(findable=True, verbose_name='phone number'),
        ),
        migrations.AlterField(
            model_name='invitation',
            name='e164',
            field=accounts.fields.SealedField(blank=True, findable=True, pattern='\\+[1-9][0-9]{6,14}', verbose_name='phone number'),
        ),
        migrations.AlterField(
            model_name='message',
            name='address',
            field=accounts.fields.SealedField(blank=True, findable=True),
        ),
        migrations.AlterField(
            model_name='message',
            name='words',
            field=accounts.fields.SealedField(blank=True, default=''),
        ),
        migrations.AlterField(
            model_name='numbercode',
            name='e164',
            field=accounts.fields.SealedField(findable=True, pattern='\\+[1-9][0-9]{6,14}', verbose_name='phone number'),
        ),
        sealed('inbound', 'e164'),
        sealed('invitation', 'e164'),
        sealed('message', 'address'),
        sealed('message', 'words'),
        sealed('numbercode', 'e164'),
        migrations.AddConstraint(
            model_name='inbound',
            constraint=models.CheckConstraint(condition=models.Q(('e164', ''), ('e164__is_sealed', True), _connector='OR'), name='inbound_is_sealed'),
        ),
        migrations.AddConstraint(
            model_name='invitation',
            constraint=models.CheckConstraint(condition=models.Q(('e164', ''), ('e164__is_sealed', True), _connector='OR'), name='invitation_is_sealed'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('address', ''), ('address__is_sealed', True), _connector='OR'), models.Q(('words', ''), ('words__is_sealed', True), _connector='OR')), name='message_is_sealed'),
        ),
        migrations.AddConstraint(
            model_name='numbercode',
            constraint=models.CheckConstraint(condition=models.Q(('e164__is_sealed', True)), name='number_code_is_sealed'),
        ),
    ]
