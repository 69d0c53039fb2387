"""A message may tell that somebody has written on a case, or asks for a new photo."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('notifications', '0001_initial'),
    ]

    operations = [
        migrations.AlterField(
            model_name='message',
            name='event',
            field=models.CharField(choices=[('case_checked', "The computer's check is done"), ('case_to_read', 'A case waits for the doctor'), ('case_signed', 'The doctor has answered'), ('case_amended', 'The doctor has amended the answer'), ('doctor_wrote', 'A doctor has written'), ('patient_wrote', 'A patient has a question'), ('retake_asked', 'A doctor asks for a new photo'), ('invitation', 'A doctor is invited')], max_length=30),
        ),
    ]
