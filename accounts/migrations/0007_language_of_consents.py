from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0006_language'),
    ]

    operations = [
        # Until now the words were there in English only.
        migrations.AddField(
            model_name='consent',
            name='language',
            field=models.CharField(default='en-gb', max_length=10),
        ),
    ]
