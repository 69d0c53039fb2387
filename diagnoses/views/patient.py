"""The patient's pages about a case that was sent: the list, the wait, the answer."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.cache import get_conditional_response
from django.utils.crypto import salted_hmac
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts import audit, phone
from accounts.access import patient_required, person
from accounts.models import User
from diagnoses import figures, gathered, hearing, presenting, talking, telling, workflow
from diagnoses.gathered import PHOTOS
from diagnoses.lesions import with_status
from diagnoses.models import Case
from diagnoses.questions import TellForm
from diagnoses.views import shares, whose
from notifications import verification

PAGE = 20
# All that a case's page shows but the computer's view.
PARTS = (
    *(PHOTOS, gathered.EVENTS, gathered.REVIEWS),
    *(gathered.REMARKS, gathered.RETAKES, gathered.READ_MARKS, gathered.SHARES),
)


@patient_required
@require_safe
def case_list(request: HttpRequest) -> HttpResponse:
    """Own cases, newest first. A page starts behind a case, so a new one shifts nothing."""
    user = person(request)
    cases = with_status(Case.objects.visible_to(user)).order_by("-submitted_at", "-pk")
    if mark := request.GET.get("before"):
        cases = cases.filter(_older_than(user, mark))
    found = list(cases[: PAGE + 1])
    rows = [(case, case.place, telling.status_of(case)) for case in found[:PAGE]]
    context = {
        "rows": rows,
        "before": found[PAGE - 1].pk if len(found) > PAGE else None,
        "first_page": not mark,
    }
    return render(request, "cases/list.html", context)


@patient_required
@require_safe
def case(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The case's page; with ``?fragment=1`` only the part that changes while it waits."""
    user = person(request)
    fragment = "fragment" in request.GET
    cases = with_status(Case.objects.visible_to(user))
    found = gathered.one_or_404(cases.select_related("invitation__accepted_by"), pk, *PARTS)
    patient = found.patient
    # From the same statement as what is shown, or from one before it: a page that is newer than
    # its version is loaded once more, one that is older would stay wrong.
    version, done = _version(found)
    talk = talking.talk(found, patient)
    talking.mark_read(found, patient, talk)
    context = {"version": version, "done": done, "talk": talk, **_page(found)}
    if context["review"] is not None:
        workflow.open_answer(context["review"], user)
    if not fragment:
        audit.record("case.viewed", actor=user, about=f"case:{found.pk}")
        context |= _number_to_confirm(user, found)
    return render(request, "cases/_live.html" if fragment else "cases/case.html", context)


@patient_required
@require_safe
def case_state(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Whether the page is still true, in one statement. ``done``: nothing more is expected.

    With ``Prefer: wait=5`` the answer comes when the computer has looked.
    """
    cases = with_status(Case.objects.visible_to(person(request)))
    found = get_object_or_404(cases, pk=pk)
    if hearing.waited(found, request.headers):
        found = get_object_or_404(cases, pk=pk)
    version, done = _version(found)
    response = JsonResponse({"version": version, "done": done})
    response["ETag"] = f'"{version}"'
    response["Cache-Control"] = "private, no-cache"
    unchanged = get_conditional_response(request, etag=response["ETag"], response=response)
    return unchanged or response


@patient_required
@require_http_methods(["GET", "POST"])
def case_tell(request: HttpRequest, pk: UUID) -> HttpResponse:
    """ "Tell us now": it has grown, it bleeds. Only ever makes the case more urgent."""
    found = whose.case_of(request, pk)
    if not found.is_open:
        return redirect(reverse("case_new") + f"?about={found.pk}")
    posted = request.method == "POST"
    form = TellForm(request.POST if posted else None, pack=found.pack)
    if posted and form.is_valid():
        try:
            workflow.raise_urgency(found, found.patient, form.cleaned_data["what"], form.answers())
        except workflow.WorkflowError as error:
            messages.warning(request, error.sentence)
        else:
            messages.success(request, _("Thank you. Your doctors can see this now."))
        return redirect("case", pk=found.pk)
    context = {"case": found, "form": form}
    return render(request, "cases/tell.html", context, status=422 if posted else 200)


@patient_required
@require_http_methods(["GET", "POST"])
def case_withdraw(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Take the question back, after being asked once more."""
    found = whose.case_of(request, pk)
    if request.method == "POST":
        try:
            workflow.withdraw(found, found.patient)
        except workflow.WorkflowError as error:
            messages.warning(request, error.sentence)
        else:
            messages.success(request, _("You have withdrawn this case. No doctor will answer it."))
        return redirect("case", pk=found.pk)
    return render(request, "cases/withdraw.html", {"case": found})


def _version(case: Case) -> tuple[str, bool]:
    """A word that changes with whatever the page shows, and whether more is to come.

    Keyed, because the tier is in it, and a clinic may hold that back.
    """
    seen: Any = case  # annotated by with_status
    parts = f"{case.pk} {case.status} {case.tier} {seen.last_event} {seen.answer}"
    parts += f" {seen.read_by_doctors}"
    answered = case.is_signed and seen.answer is not None and case.question_since is None
    done = case.status == Case.Status.CANCELLED or answered
    return salted_hmac("diagnoses.case_state", parts).hexdigest()[:20], done


def _older_than(user: User, mark: str) -> Q:
    """Whatever stands behind that case in the list; nothing at all if it is not one's own."""
    try:
        last = Case.objects.visible_to(user).filter(pk=UUID(mark)).first()
    except ValueError:
        last = None
    if last is None:
        return Q(pk__in=[])
    return Q(submitted_at__lt=last.submitted_at) | Q(submitted_at=last.submitted_at, pk__lt=last.pk)


def _number_to_confirm(user: User, case: Case) -> dict[str, str]:
    """A number of theirs that is not known to be theirs yet: asked about under the case."""
    number = verification.waiting(user)
    if number is None:
        return {}
    here = urlencode({"next": reverse("case", args=[case.pk])})
    confirm = f"{reverse('number_confirm', args=[number.pk])}?{here}"
    return {"unconfirmed": phone.spoken(number.e164), "confirm": confirm}


def _page(case: Case) -> dict[str, Any]:
    review, prediction = presenting.answer_for_patient(case), case.prediction
    withdrawn = case.status == Case.Status.CANCELLED
    shown = prediction if telling.may_be_shown(case, review) else None
    # While a signature can be undone the page does not tell that there is one.
    looks_open = case.is_open or (case.is_signed and review is None)
    return {
        "case": case,
        "site": case.place,
        "figure": figures.of_case(case),
        "card": None if withdrawn else presenting.card_of(case, prediction, review),
        "steps": [] if withdrawn else presenting.steps(case),
        "review": review,
        "looks_open": looks_open,
        "shares": shares.of_case(case, waits=looks_open),
        "plan": telling.plan_of(review) if review else "",
        "about_answer": presenting.about_answer(case, review) if review else None,
        "photos": [(photo, case.pack.photo_kind(photo.kind)) for photo in PHOTOS.of(case)],
        "answers": telling.answers_of(case),
        "history": telling.history(case, review),
        "machine": presenting.view_card(case, shown) if shown and review else None,
        "receipt": telling.receipt_of(shown) if shown else [],
    }
