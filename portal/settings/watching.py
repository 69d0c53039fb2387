"""What is said to who operates it."""

from __future__ import annotations

from portal import discretion
from portal.settings.environment import DEBUG, env

# Who knows it may read /metrics; empty, nobody may.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
# Which revision this is, where there is no repository to ask: the images are built with it.
COMMIT = env.str("COMMIT", default="")
# json for machines, an object each; text for people. Either names nobody.
LOG_FORMAT = env.str("LOG_FORMAT", default="text" if DEBUG else "json")
LOGGING = discretion.logging_as(LOG_FORMAT, env.str("LOG_LEVEL", default="INFO"))
