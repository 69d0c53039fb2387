"""A candidate looks at live cases in the shadow of the active version: begun, ended, under way.

Nobody who reads a case or asked about one sees what it says. Who may begin and end it, and under
which lock, is as with every decision about versions: see :mod:`mlservice.deciding`.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import User
from mlservice import registry
from mlservice.deciding import Refusal, must_decide, tidy
from mlservice.engine import BundleError
from mlservice.models import ModelVersion, Pause, Shadow

SHARES = range(1, 101)  # percent


def start(version: ModelVersion, by: User, share: int, reason: str = "") -> Shadow:
    """From now on ``version`` looks at ``share`` percent of the live cases, unseen.

    A second click finds what the first began. Raises :class:`Refusal`.
    """
    must_decide(by)
    if share not in SHARES:
        raise Refusal(_("The share is a whole number from 1 to 100."))
    try:
        registry.verified(version)  # before the lock, because it takes a moment
    except BundleError as error:
        raise Refusal(
            _("The files of %(version)s are not whole: %(why)s")
            % {"version": version, "why": error}
        ) from error
    with transaction.atomic():
        serving = registry.lock(version.pack)
        if serving is None:
            raise Refusal(_("No version is in service, so there is none to be compared with."))
        if serving == version:
            raise Refusal(_("%(version)s is in service already.") % {"version": version})
        runs = Shadow.objects.filter(pack=version.pack, ended_at=None)
        if (run := runs.select_related("version").first()) is not None:
            if run.version_id == version.pk:
                return run
            raise Refusal(
                _("%(version)s runs in the shadow already. Stop it first.")
                % {"version": run.version}
            )
        run = Shadow.objects.create(
            version=version,
            pack=version.pack,
            share=share,
            reason=tidy(reason),
            started_by=by,
        )
        audit.record(
            "model.shadow_started",
            actor=by,
            about=registry.about(version),
            share=share,
            reason=run.reason,
        )
    return run


def stop(version: ModelVersion, by: User) -> None:
    """``version`` looks at no further case; what was compared stays. A second click ends nothing.

    Rows that wait are closed by the workers, see ``diagnoses.workflow.close_the_shadows``.
    """
    must_decide(by)
    with transaction.atomic():
        registry.lock(version.pack)
        runs = Shadow.objects.filter(version=version, ended_at=None)
        if runs.update(ended_at=Now(), ended_by=by, ended=Shadow.Ended.STOPPED):
            audit.record(
                "model.shadow_ended", actor=by, about=registry.about(version), how="stopped"
            )


def running() -> dict[str, Shadow]:
    """By pack, what looks at cases at this moment; in one statement. None where it is paused."""
    paused = Pause.objects.filter(pack=OuterRef("pack"), ended_at=None)
    return {run.pack: run for run in Shadow.objects.filter(~Exists(paused), ended_at=None)}


def latest(version: ModelVersion) -> Shadow | None:
    """The run that is under way, or the last that was."""
    return version.shadows.select_related("started_by", "ended_by").first()
