"""The workers, and how long each thing may take."""

from __future__ import annotations

from datetime import timedelta

from portal import schedule
from portal.settings.data import DATA_DIR
from portal.settings.environment import env

REDIS_URL = env.str("REDIS_URL", default="redis://localhost:6379/0")
CELERY_BROKER_URL = REDIS_URL
CELERY_RESULT_BACKEND = None  # the row is the truth
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "io"
CELERY_TASK_ROUTES = {"diagnoses.score_due": {"queue": "inference"}}
CELERY_TASK_SERIALIZER = "json"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A wake-up that cannot leave within a second is dropped; the sweep finds the row.
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 1, "socket_timeout": 5}
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "beat-schedule")
CELERY_BEAT_SCHEDULE = schedule.EVERY
# cpu: LiteRT. gpu: TensorFlow, which the machine must have.
MODEL_DEVICE = env.str("MODEL_DEVICE", default="cpu")
# How long a claimed batch may take before another worker may have it, and how often it is tried.
SCORING_LEASE = timedelta(seconds=env.int("SCORING_LEASE_SECONDS", default=20))
SCORING_ATTEMPTS = 3
# Of a web process's threads, as many may be kept waiting for the computer (diagnoses/hearing.py).
REQUESTS_THAT_WAIT = env.int("WEB_THREADS", default=8) // 2
# A worker that stands still this long ends itself: its rows come back, and it starts anew.
SCORING_HANG = timedelta(seconds=env.int("SCORING_HANG_SECONDS", default=20))
# Where a test or a benchmark wants a process to die; see diagnoses/failpoints.py.
FAILPOINT = env.str("FAILPOINT", default="")
UNDO_SIGNATURE = timedelta(seconds=10)
# The disease area new cases are asked in; the ones there are, are the folders of mlservice/packs.
PACK = env.str("PACK", default="skin")
PACKS = env.list("PACKS", default=[PACK])  # whose shipped model is activated: docs/packs.md
# Whether patients are reminded of anything; each can stop it for themselves.
REMINDERS = env.bool("REMINDERS", default=True)
