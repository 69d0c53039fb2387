"""The admins' first page: what needs somebody, of whichever room, and the way to all the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.db.models import Model, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from accounts import directory
from accounts.access import admin_required, person
from accounts.models import User
from diagnoses.models import Alarm, Case, TrainingExport
from diagnoses.states import Status
from diagnoses.workflow.late import ADMINS_LIST
from mlservice.deciding import may_decide
from notifications import invited, staff

Words = str | Promise
# So many are named; the others are on their list.
NAMED = 5


@dataclass(frozen=True, slots=True)
class Need:
    """Something that waits for a person: how often, and where it is done."""

    title: Words
    words: Words
    url: str
    icon: str
    tone: str
    count: str


@dataclass(frozen=True, slots=True)
class Area:
    """A part of the admins' pages."""

    title: Words
    words: Words
    url: str


def late(user: User) -> QuerySet[Case]:
    """Open cases of an admin's clinic past their time."""
    waiting = (Status.REGISTERED, Status.PARTIAL)
    return Case.objects.visible_to(user).filter(status__in=waiting, answer_due_at__lt=Now())


def alarming(user: User) -> QuerySet[Alarm]:
    """What is wrong with the versions, for admins of no clinic: they decide about them."""
    return Alarm.objects.open() if may_decide(user) else Alarm.objects.none()


# What is asked for each: the rows, the words, where to go.
NEEDS: tuple[tuple[Callable[[User], QuerySet[Model]], Words, Words, str, str, str], ...] = (
    (
        late,
        _("Cases past their time"),
        _("Doctors were told. Ask one of them to answer, or find out what holds them up."),
        "late",
        "clock",
        "bad",
    ),
    (
        lambda user: staff.needing_someone(staff.visible_to(user)),
        _("Messages that need someone"),
        _("Nobody could be told by machine: call them, or send it another way."),
        "messages",
        "phone",
        "task",
    ),
    (
        alarming,
        _("Alarms about the computer"),
        _("Something has changed with the version that scores photos, or it has missed a case."),
        "alarms",
        "alert",
        "bad",
    ),
    (
        lambda user: TrainingExport.objects.visible_to(user).to_clean(),
        _("Exports with withdrawn pictures"),
        _("Somebody has a copy, and a consent was taken back since: tell them what to delete."),
        "learning",
        "layers",
        "bad",
    ),
    (
        directory.waiting,
        _("Doctors to be verified"),
        _("They see no case until somebody has checked who they are."),
        "verify",
        "person",
        "task",
    ),
    (
        invited.ends_soon,
        _("Invitations about to end"),
        _("Nobody has answered. Send them again, or ask whether they arrived."),
        "invitations",
        "send",
        "wait",
    ),
)


@require_safe
@admin_required
def overview(request: HttpRequest) -> HttpResponse:
    """What needs somebody now. The number of statements does not grow with what there is."""
    user = person(request)
    context = {
        "needs": _needs(user),
        "doctors": list(directory.waiting(user).select_related("clinic")[:NAMED]),
        "areas": [*_areas(), _operations(user)],
    }
    return render(request, "manage/home.html", context)


def _needs(user: User) -> list[Need]:
    addresses = {
        "late": ADMINS_LIST,
        "messages": reverse("staff_messages"),
        "learning": reverse("learning"),
        "verify": f"{reverse('manage_people')}?state=waiting",
        "invitations": reverse("manage_invitations"),
        "alarms": reverse("models"),
    }
    found = []
    for rows, title, words, where, icon, tone in NEEDS:
        if count := directory.counted(rows(user)):
            found.append(Need(title, words, addresses[where], icon, tone, count))
    return found


def _operations(user: User) -> Area:
    """Machines serve every clinic; an admin of one asks about that clinic's cases."""
    if user.clinic_id is not None:
        words = _("What happened to a case or a message, step by step, by its id.")
        return Area(_("The story of a job"), words, reverse("operation_job"))
    words = _("Queues, workers, what failed, and how much room is left.")
    return Area(_("Operations"), words, reverse("operations"))


def _areas() -> list[Area]:
    return [
        Area(
            _("People"),
            _("Find somebody, see what they can see, verify, suspend."),
            reverse("manage_people"),
        ),
        Area(
            _("Invitations"),
            _("Invite a doctor or an admin; send again, take back."),
            reverse("manage_invitations"),
        ),
        Area(
            _("Clinics"),
            _("How each works: what patients see when, how doctors read, how soon."),
            reverse("manage_clinics"),
        ),
        Area(
            _("Messages"),
            _("What was said to whom, and whether it arrived."),
            reverse("staff_messages"),
        ),
        Area(
            _("Setting up messages"),
            _("Whether WhatsApp, text messages and e-mail work here."),
            reverse("message_setup"),
        ),
        Area(
            _("Models"),
            _("Which version looks at the photos, how good it is, what may take its place."),
            reverse("models"),
        ),
        Area(
            _("Learning from the clinic"),
            _("Pictures of people who agreed, as a folder to train the next model on."),
            reverse("learning"),
        ),
        Area(
            _("What it learned from"),
            _("The pictures behind the model in numbers, and your own cases beside them."),
            reverse("model_data"),
        ),
        Area(
            _("Audit trail"),
            _("Who changed and who looked at what, and that nobody rewrote it."),
            reverse("manage_trail"),
        ),
        Area(
            _("Raw tables"),
            _("Cases, model versions and all the rest, row by row. In English."),
            reverse("admin:index"),
        ),
    ]
