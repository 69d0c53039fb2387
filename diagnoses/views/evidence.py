"""What the computer can show for its view, on the desk of a doctor who may see it.

Everything here hangs on a :class:`presenting.ComputerView`, and there is none before the doctor's
own reading: its numbers in words, where it looked, the signed cases that look alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.formats import date_format, number_format
from django.utils.timezone import localtime
from django.utils.translation import gettext, ngettext, pgettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from accounts.access import person, reading_doctor_required
from accounts.models import User
from diagnoses import heat, presenting, similar, telling
from diagnoses.models import Case, CaseEvent, Photo, Prediction
from diagnoses.views.photos import private
from mlservice.engine.heatmap import SHOWN_COLOURS
from mlservice.packs import Label, Pack

NO_VIEW = {
    "no_consent": _("The patient did not want a computer to look."),
    "photo_quality": _("The photo cannot be judged; the patient sent it as it is."),
    "no_close_view": _("The patient sent only photos from further away; the computer reads none."),
    "no_model": _("No model was in service when the case came in."),
    "paused": _("The computer was paused."),
    "late": _("It had not come when the case was signed."),
    "not_judged": _("The computer found nothing in the photo that it could judge."),
    "failed": _("It could not read this case."),
}
CHOSEN = "heat"  # in the page's address: the label whose heatmap is shown


@dataclass(frozen=True, slots=True)
class Shown:
    """One label whose heatmap can be asked for, and the page's address with it."""

    label: Label
    url: str
    current: bool


@dataclass(frozen=True, slots=True)
class Heatmap:
    """Where the computer looked. ``url`` is a picture with the frame of ``photo``."""

    photo: Photo
    label: Label
    url: str
    speaks: bool  # whether anything in it is strong enough to be seen
    chosen: bool  # by the reader, and not by the view
    choices: tuple[Shown, ...]
    colours: tuple[str, ...] = tuple(f"#{colour}" for colour in SHOWN_COLOURS)  # weak to strong


def evidence(
    case: Case,
    doctor: User,
    view: presenting.ComputerView | None,
    query: Mapping[str, str],
    kept: str = "",
    page: str = "",
) -> dict[str, Any]:
    """What the page shows of the computer beyond ``view``. ``kept`` stays in its addresses.

    ``page`` is where it stands, if that is not the case's own page.
    """
    if view is None:
        return {}
    whole = view.prediction
    page = page or reverse("reading", args=[case.pk])
    return {
        "view_facts": view_facts(whole, case.pack),
        "read_with": read_with(whole, case.pack) if whole.names_a_class else None,
        "cuts": cuts_of(whole),
        "read_apart": "risk_temperature" in whole.receipt,
        "receipt": receipt_of(whole),
        "heatmap": heatmap_of(case, view, whole, query.get(CHOSEN, ""), kept, page),
        "similar": similar.shown_to(case, whole, doctor, where="page"),
    }


def heatmap_of(
    case: Case, view: presenting.ComputerView, whole: Prediction, asked: str, kept: str, page: str
) -> Heatmap | None:
    """``None`` where the view came without one. A label nobody knows is as good as none."""
    name = heat.label_shown(whole, asked) or heat.label_shown(whole)
    if heat.heat_for(whole, name) is None:
        return None
    choices = tuple(
        Shown(
            share.label,
            f"{page}?{kept}{'&' if kept else ''}{urlencode({CHOSEN: share.label.name})}#heatmap",
            share.label.name == name,
        )
        for share in view.shares
    )
    picture = reverse("reading_heatmap", args=[case.pk, whole.photo_id])
    return Heatmap(
        photo=whole.photo,
        label=case.pack.label(name),
        url=f"{picture}?{urlencode({'label': name})}",
        speaks=heat.speaks_for(whole, name),
        chosen=bool(asked),
        choices=choices,
    )


@require_safe
@reading_doctor_required
def heatmap(request: HttpRequest, pk: UUID, photo: UUID) -> HttpResponseBase:
    """The picture to lay over a photo; there is none before the doctor's own reading."""
    doctor = person(request)
    cases = Case.objects.to_look_at(doctor).select_related("clinic")
    case = get_object_or_404(cases, pk=pk)
    found = get_object_or_404(Photo, case=case, pk=photo)
    picture = heat.shown_to(case, found, doctor, request.GET.get("label", ""), where="page")
    if picture is None:
        raise Http404
    return private(picture, "image/png")


def no_view_because(case: Case, events: Sequence[CaseEvent]) -> str:
    """Why a doctor who may see the computer's view finds none."""
    if case.status == Case.Status.REGISTERED:
        return gettext("It is still at work, or late. You need not wait for it.")
    told = [event for event in events if event.kind in {"unscored", "checked", "retaken"}]
    retaken = bool(told) and told[-1].kind == "retaken" and told[-1].detail.get("computer")
    if retaken and case.scorings.live().waiting().exists():
        return gettext("It is looking at the new photo. You need not wait for it.")
    reasons = [str(event.detail.get("reason")) for event in events if event.kind == "unscored"]
    return str(NO_VIEW.get(reasons[-1] if reasons else "", NO_VIEW["failed"]))


@dataclass(frozen=True, slots=True)
class ReadWith:
    """What the patient said that the names were read with, and the top class without it."""

    told: str
    top: Label
    confidence: float


def read_with(prediction: Prediction, pack: Pack) -> ReadWith | None:
    """``None`` where the picture alone was asked."""
    told = telling.read_with(prediction, pack)
    alone = telling.by_picture(prediction)
    if not told or not alone:
        return None
    top = max(alone, key=alone.__getitem__)
    return ReadWith(told, pack.label(top), alone[top])


def view_facts(prediction: Prediction, pack: Pack) -> list[tuple[str, str]]:
    """What bears on trusting the numbers, in words."""
    return [
        (gettext("Kind of picture"), pack.modalities[prediction.modality]),
        (
            gettext("Turned four ways"),
            gettext("same answer") if prediction.stable else gettext("the answer changes"),
        ),
        (
            gettext("Like its training pictures"),
            gettext("no, its scores may mean little")
            if prediction.out_of_distribution
            else gettext("yes"),
        ),
        (gettext("Its percentages are off"), _calibration(prediction.model_version.metrics)),
    ]


def _calibration(metrics: Mapping[str, Any]) -> str:
    """How far the shares of this version are from what came true, where that was measured."""
    error, pictures = metrics.get("ece"), metrics.get("n")
    if not isinstance(error, float) or not isinstance(pictures, int):
        return ""
    return ngettext(
        "by %(points)s points on average, on %(number)s test picture",
        "by %(points)s points on average, on %(number)s test pictures",
        pictures,
    ) % {
        "points": number_format(round(100 * error, 1)),
        "number": number_format(pictures, force_grouping=True),
    }


def cuts_of(prediction: Prediction) -> dict[str, float]:
    """From which risk on this version calls a picture RED, and AMBER; empty where not kept."""
    cuts = {name: prediction.receipt.get(name) for name in ("r95", "r99")}
    return {name: cut for name, cut in cuts.items() if isinstance(cut, float)}


def receipt_of(prediction: Prediction) -> list[tuple[str, str]]:
    """Which program said it, to the hash, and how it got there."""
    receipt = prediction.receipt
    to_the_second = pgettext("a date, as Django writes it", "j F Y, H:i:s")
    more = [
        (gettext("Temperature"), str(receipt.get("temperature", ""))),
        (gettext("Threshold"), str(prediction.threshold)),
        (gettext("Time"), date_format(localtime(prediction.created_at), to_the_second)),
    ]
    return telling.receipt_of(prediction) + more
