"""A photo without a mark has no class either.

What was written before stays valid: the code never named a class of a photo of something else, and
now the database would refuse it.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("diagnoses", "0002_append_only")]
    operations = [
        migrations.RemoveConstraint(model_name="prediction", name="prediction_the_80_percent_rule"),
        migrations.AddConstraint(
            model_name="prediction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("confidence__lt", models.F("threshold")),
                        ("label", ""),
                        ("no_disease", True),
                    ),
                    models.Q(
                        ("confidence__gte", models.F("threshold")),
                        ("no_disease", False),
                        models.Q(
                            models.Q(("label", ""), ("modality__in", ["not_skin", "no_lesion"])),
                            models.Q(
                                models.Q(
                                    ("modality__in", ["not_skin", "no_lesion"]), _negated=True
                                ),
                                models.Q(("label", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                    ),
                    _connector="OR",
                ),
                name="prediction_the_80_percent_rule",
            ),
        ),
    ]
