"""The Celery app: it carries wake-up calls and runs the work. What must be done is in Postgres."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

app = Celery("lentigo")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
