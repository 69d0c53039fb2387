import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.manager
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('diagnoses', '0021_sealed'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='photo',
            options={'base_manager_name': 'everything', 'ordering': ['created_at', 'pk']},
        ),
        migrations.AlterModelManagers(
            name='photo',
            managers=[
                ('objects', django.db.models.manager.Manager()),
                ('everything', django.db.models.manager.Manager()),
            ],
        ),
        migrations.AddField(
            model_name='photo',
            name='purged_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.CreateModel(
            name='Hold',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('placed_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('case', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='hold', to='diagnoses.case')),
            ],
            options={
                'ordering': ['placed_at'],
            },
        ),
    ]
