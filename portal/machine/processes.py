"""The portal's processes, as the demo and the tests start them. Production has the same ones.

``tests/portal/test_production_shape.py`` holds docker-compose.yml to these commands.
"""

from __future__ import annotations

import sys

_CELERY = ("celery", "-A", "portal")
# Workers find their work in Postgres, so they need not know of each other.
_ALONE = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=INFO")

WEB = ("gunicorn", "-c", "python:portal.gunicorn_config", "portal.wsgi")
INFERENCE = (*_CELERY, "worker", "-Q", "inference", "--pool=solo", *_ALONE)
IO = (*_CELERY, "worker", "-Q", "io", "--pool=threads", "--concurrency=4", *_ALONE)
BEAT = (*_CELERY, "beat", "--pidfile=", "--loglevel=WARNING")
STAND_IN = ("portal.standin",)


def command(parts: tuple[str, ...], *more: str) -> list[str]:
    """Run a module of this very Python, whatever is on the PATH."""
    return [sys.executable, "-m", *parts, *more]
