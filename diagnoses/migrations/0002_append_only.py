"""What the computer and the doctors said is written once."""

from django.db import migrations

from accounts.append_only import refuse_changes


class Migration(migrations.Migration):
    dependencies = [("diagnoses", "0001_initial"), ("accounts", "0002_append_only")]
    operations = [
        refuse_changes("diagnoses_prediction"),
        refuse_changes("diagnoses_firstreading"),
        refuse_changes("diagnoses_review"),
        refuse_changes("diagnoses_reviewundo"),
        refuse_changes("diagnoses_caseevent"),
    ]
