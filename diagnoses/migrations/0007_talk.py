"""Talk on a case: remarks, how far they were read, and photos sent again.

What was said is written once. A retake answers a request of its own case, and a photo belongs to
a retake of its own case: foreign keys over two columns, as in migration 0004.
"""

import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.functions.text
import django.db.models.lookups
import uuid
from django.conf import settings
from django.db import migrations, models

from accounts.append_only import refuse_changes


def foreign_key(table: str, name: str, columns: str, target: str) -> migrations.RunSQL:
    """A foreign key over a row's id and its case, which Django's models cannot say."""
    return migrations.RunSQL(
        sql=f"ALTER TABLE {table} ADD CONSTRAINT {name}"
        f" FOREIGN KEY ({columns}) REFERENCES {target} (id, case_id)",
        reverse_sql=f"ALTER TABLE {table} DROP CONSTRAINT {name}",
    )


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0003_stopped_phone'),
        ('diagnoses', '0006_draft'),
        ("notifications", "0002_number_code"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ReadMark',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.CreateModel(
            name='Remark',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('message', 'Message'), ('retake_request', 'Asks for a new photo')], default='message', max_length=20)),
                ('text', models.TextField(blank=True, max_length=2000)),
                ('reasons', models.JSONField(default=list)),
                ('key', models.UUIDField(default=uuid.uuid4, editable=False)),
                ('told', models.BooleanField(default=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
            ],
            options={
                'ordering': ['pk'],
            },
        ),
        migrations.CreateModel(
            name='Retake',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.UUIDField(default=uuid.uuid4, editable=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
            ],
            options={
                'ordering': ['pk'],
            },
        ),
        migrations.AddField(
            model_name='case',
            name='question_since',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddIndex(
            model_name='case',
            index=models.Index(condition=models.Q(('question_since__isnull', False)), fields=['clinic', 'question_since'], name='case_with_question'),
        ),
        migrations.AddField(
            model_name='readmark',
            name='case',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='read_marks', to='diagnoses.case'),
        ),
        migrations.AddField(
            model_name='readmark',
            name='person',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='remark',
            name='author',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='remark',
            name='case',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='remarks', to='diagnoses.case'),
        ),
        migrations.AddField(
            model_name='readmark',
            name='upto',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='diagnoses.remark'),
        ),
        migrations.AddField(
            model_name='retake',
            name='case',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='retakes', to='diagnoses.case'),
        ),
        migrations.AddField(
            model_name='retake',
            name='request',
            field=models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='retake', to='diagnoses.remark'),
        ),
        migrations.AddField(
            model_name='photo',
            name='retake',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='photos', to='diagnoses.retake'),
        ),
        migrations.AddConstraint(
            model_name='remark',
            constraint=models.UniqueConstraint(fields=('case', 'author', 'key'), name='remark_once_per_form'),
        ),
        migrations.AddConstraint(
            model_name='remark',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('text', ''), _negated=True), ('kind', 'retake_request'), _connector='OR'), name='remark_says_something'),
        ),
        migrations.AddConstraint(
            model_name='remark',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThanOrEqual(django.db.models.functions.text.Length('text'), 2000), name='remark_is_short'),
        ),
        migrations.AddConstraint(
            model_name='remark',
            constraint=models.UniqueConstraint(fields=('id', 'case'), name='remark_of_its_case'),
        ),
        migrations.AddConstraint(
            model_name='readmark',
            constraint=models.UniqueConstraint(fields=('case', 'person'), name='read_mark_once_per_person'),
        ),
        migrations.AddConstraint(
            model_name='retake',
            constraint=models.UniqueConstraint(fields=('case', 'key'), name='retake_once_per_form'),
        ),
        migrations.AddConstraint(
            model_name='retake',
            constraint=models.UniqueConstraint(fields=('id', 'case'), name='retake_of_its_case'),
        ),
        foreign_key(
            "diagnoses_readmark", "read_mark_of_its_case", "upto_id, case_id", "diagnoses_remark"
        ),
        foreign_key(
            "diagnoses_retake", "retake_of_its_request", "request_id, case_id", "diagnoses_remark"
        ),
        foreign_key(
            "diagnoses_photo", "photo_of_its_retake", "retake_id, case_id", "diagnoses_retake"
        ),
        refuse_changes("diagnoses_remark"),
        refuse_changes("diagnoses_retake"),
    ]
