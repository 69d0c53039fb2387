"""The Celery app: it carries wake-up calls and runs the work. What must be done is in Postgres."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

app = Celery("lentigo")
app.config_from_object("django.conf:settings", namespace="CELERY")
# Celery keeps its current app per thread; in every other thread (a threaded web server's, the
# waker's) `current_app` would be a nameless app that speaks to a local AMQP broker.
app.set_default()
app.autodiscover_tasks()
app.autodiscover_tasks(["portal"], related_name="clock")  # in workers only
