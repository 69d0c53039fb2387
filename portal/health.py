"""Two questions a machine asks: is the process alive, and can it do its work."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from mlservice import registry, reports

_BROKER_SECONDS = 0.5


@require_safe
@never_cache
def live(_request: HttpRequest) -> JsonResponse:
    """The process answers. Asks nobody else, so that a slow database restarts no web server."""
    return JsonResponse({"status": "alive"})


@require_safe
@never_cache
def ready(_request: HttpRequest) -> JsonResponse:
    """200 when a case could be taken, 503 with the reasons otherwise. No personal data.

    A dead broker is told, and is no reason: cases are rows, and the workers look for themselves.
    Nor is it one that no inference worker is there: cases are taken, and go to the doctors
    unscored when they have waited too long. Nor that an admin has paused the computer.
    """
    reasons = _database_reasons()
    body: dict[str, Any] = {
        "status": "not ready" if reasons else "ready",
        "reasons": reasons,
        "broker": "answers" if _broker_answers() else "does not answer",
        "inference_workers": _workers(),
    }
    if not reasons and (paused := registry.paused_packs()):
        body["paused"] = sorted(paused)
    if reasons:
        response = JsonResponse(body, status=HTTPStatus.SERVICE_UNAVAILABLE)
        response["Retry-After"] = "5"
        return response
    return JsonResponse(body)


def _database_reasons() -> list[str]:
    try:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return ["migrations are waiting to be applied"]
        return [reason for name in registry.offered() if (reason := _not_scored(name))]
    except DatabaseError:
        return ["the database does not answer"]


def _not_scored(pack: str) -> str:
    """Why new cases of a disease area would not be scored; "" where they would."""
    which = "" if pack == settings.PACK else f" of {pack}"
    version = registry.active(pack)
    if version is None:
        return f"no model version{which} is active"
    if not registry.is_there(version):
        return f"the active model version{which}'s files are not those that were registered"
    if refusal := reports.refusal(version):
        return f"the inference workers refuse the active model version{which}: {refusal}"
    return ""


def _workers() -> int | None:
    """How many were heard of lately; ``None`` while the database does not answer."""
    try:
        return reports.workers()
    except DatabaseError:
        return None


def _broker_answers() -> bool:
    import redis  # slow to import, and no page needs it

    try:
        with redis.Redis.from_url(
            settings.REDIS_URL,
            socket_connect_timeout=_BROKER_SECONDS,
            socket_timeout=_BROKER_SECONDS,
        ) as client:
            return bool(client.ping())
    except (redis.RedisError, OSError):
        return False
