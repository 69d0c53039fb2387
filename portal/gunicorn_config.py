"""How gunicorn serves, in the demo and in production: ``-c python:portal.gunicorn_config``.

``WEB_BIND``, ``WEB_WORKERS`` and ``WEB_THREADS`` choose; the defaults suit a small clinic.
"""

from __future__ import annotations

import os
from pathlib import Path

bind = os.environ.get("WEB_BIND", "0.0.0.0:8000")
workers = int(os.environ.get("WEB_WORKERS", "2"))
threads = int(os.environ.get("WEB_THREADS", "8"))
worker_class = "gthread"
# Loaded once and shared: a second worker costs neither seconds nor the same memory again.
# Nothing connects to a database or a broker while loading.
preload_app = True
# A photo over a slow phone connection takes its time; a stopped worker finishes its requests.
timeout = 60
graceful_timeout = 10
# The heartbeat file must not wait for a busy disk.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - memory
# portal.access writes a line a request, by its route: addresses hold the tokens of links. A reverse
# proxy that logs must leave them out.
accesslog = None
errorlog = "-"
control_socket_disable = True


def post_worker_init(_worker: object) -> None:
    """A process of its own opens the photos that come in: the first one need not wait for it."""
    from diagnoses.opening import children

    children.warm_up()
