"""Where rows, files and limits are kept."""

from __future__ import annotations

from pathlib import Path

from portal.settings.environment import BASE_DIR, DEBUG, env
from portal.settings.rest import PICTURES

_DATABASE = env.db_url("DATABASE_URL", default="postgresql://localhost/lentigo")
DATABASES = {
    "default": {
        **_DATABASE,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            # A process stopped in the middle of a transaction would keep its row locks for ever,
            # and whoever skips locked rows would never see them again.
            # And an index of what is near looks on until it has found enough that may be shown.
            "options": "-c idle_in_transaction_session_timeout="
            f"{env.int('DATABASE_IDLE_SECONDS', default=10)}s -c hnsw.iterative_scan=strict_order",
            **_DATABASE.get("OPTIONS", {}),  # what follows the "?" in the address
            "pool": {
                "min_size": 1,
                "max_size": env.int("DATABASE_POOL", default=10),
                # Who waits longer is told to come again, and every one who waits has the pool try
                # anew: left to itself it would wait ever longer before it asks a database that is
                # back by now.
                "timeout": 5,
                "reconnect_timeout": 2,
            },
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# The cache holds rate limits. It lives in Postgres, so that a dead Redis costs nothing but latency.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "portal_cache",
        # With Django’s 300, as many made-up addresses would push the limits on tries out.
        "OPTIONS": {"MAX_ENTRIES": 200_000},
    }
}
DATA_DIR = Path(env.str("DATA_DIR", default=str(BASE_DIR / ".lentigo")))
MEDIA_ROOT = Path(env.str("MEDIA_ROOT", default=str(DATA_DIR / "media")))
STORAGES = {
    "default": {"BACKEND": "diagnoses.storage.PrivateStorage"},  # seals what the next one keeps
    "pictures": PICTURES,
    "staticfiles": {"BACKEND": "portal.statics.PublishedFiles"},
}
STATIC_URL = "/static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(DATA_DIR / "static")))
STATICFILES_DIRS = [BASE_DIR / "portal" / "static"]
WHITENOISE_USE_FINDERS = DEBUG
FILE_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
# What one person may send in on one day, by the clinic's clock; 0 sets no limit.
UPLOADS_PER_DAY = env.int("UPLOADS_PER_DAY", default=200)
UPLOAD_MB_PER_DAY = env.int("UPLOAD_MB_PER_DAY", default=1000)
