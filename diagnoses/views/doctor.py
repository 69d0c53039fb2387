"""One case under a doctor's eyes: read, look at the computer's view, sign, undo, amend, talk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import get_language, get_language_info
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import audit
from accounts.access import person, reading_doctor_required
from accounts.languages import language_of
from diagnoses import claims, gathered, presenting, talking, workflow
from diagnoses.archive import came
from diagnoses.doctor_forms import (
    AmendForm,
    AnswerForm,
    FirstReadingForm,
    from_first_reading,
    from_review,
    starting_from,
)
from diagnoses.models import Case, Review
from diagnoses.talk_forms import RetakeRequestForm, TalkForm
from diagnoses.views.again import beside
from diagnoses.views.desk import desk, with_overlay
from diagnoses.views.evidence import evidence
from diagnoses.worklist import Filters
from mlservice.packs import AnswerTemplate, load_pack

READ_BEFORE = _("Your own reading of this case was recorded before, and stays as it was.")
CASE_WITH_ALL = ("patient__carer", "doctor", "lesion", "signed_by", "clinic", "came__by")
# All that stands on the page, but for what the computer said: that is asked once it may be seen.
PARTS = (
    *(gathered.PHOTOS, gathered.EVENTS, gathered.CLAIMS),
    *(gathered.REMARKS, gathered.RETAKES, gathered.READ_MARKS),
    *(gathered.FIRST_READINGS, gathered.REVIEWS, gathered.SECOND_READINGS),
    *(gathered.OUTCOMES, gathered.LETTERS, gathered.SHARES),
)


@require_safe
@reading_doctor_required
def reading(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The workbench: next cases, pictures, decision."""
    case = _case(request, pk)
    with audit.together():
        audit.record("case.viewed", actor=person(request), about=f"case:{case.pk}", where="page")
        return _page(request, case)


@require_http_methods(["GET", "POST"])
@reading_doctor_required
def reading_first(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The doctor commits their own reading; only then the computer's view opens."""
    case = _case(request, pk)
    if request.method == "GET":  # reached after a login in between
        return _back(request, case)
    form = FirstReadingForm(request.POST, pack=case.pack)
    if not form.is_valid():
        return _page(request, case, first_form=form, status=422)
    try:
        kept = workflow.read_first(case, person(request), **form.cleaned_data)
    except workflow.WorkflowError as refusal:
        return _refused(request, case, refusal)
    if any(getattr(kept, name) != chosen for name, chosen in form.cleaned_data.items()):
        messages.warning(request, READ_BEFORE)
    return _back(request, case, "computer")


@require_http_methods(["GET", "POST"])
@reading_doctor_required
def reading_sign(request: HttpRequest, pk: UUID) -> HttpResponse:
    case = _case(request, pk)
    if request.method == "GET":
        return _back(request, case)
    form = AnswerForm(request.POST, **_form_of(case, _view_is_open(request, case)))
    if not form.is_valid():
        return _page(request, case, answer_form=form, status=422)
    try:
        workflow.sign(case, person(request), form.answer(), saw=_newest_seen(request))
    except workflow.WorkflowError as refusal:
        if presenting.signed_already(case, person(request), form.answer()) is None:
            return _refused(request, case, refusal, form)
    return _back(request, case, "answer")


@require_POST
@reading_doctor_required
def reading_undo(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Within ten seconds the answer has not left; afterwards it can only be amended."""
    case = _case(request, pk)
    try:
        workflow.undo_signature(case, person(request))
    except workflow.WorkflowError as refusal:
        messages.warning(request, refusal.sentence)
    else:
        messages.success(
            request, _("Your signature is taken back. Nothing was sent, and your text is kept.")
        )
    return _back(request, case, "decision")


@require_http_methods(["GET", "POST"])
@reading_doctor_required
def reading_amend(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A new answer beside the old one, which stays as it was signed."""
    case = _case(request, pk)
    standing = case.reviews.standing().last()
    if standing is None:
        return _back(request, case)
    view_open = _view_is_open(request, case)
    if request.method == "GET":
        initial = from_review(standing) | {"after": standing.pk} | _template(request, case)
        form = AmendForm(initial=initial, **_form_of(case, view_open))
        return _page(request, case, amend_form=form)
    form = AmendForm(request.POST, **_form_of(case, view_open))
    if not form.is_valid():
        return _page(request, case, amend_form=form, status=422)
    after = get_object_or_404(Review, pk=form.cleaned_data["after"], case=case)
    try:
        workflow.amend(case, person(request), form.answer(), after=after)
    except workflow.WorkflowError as refusal:
        if presenting.signed_already(case, person(request), form.answer()) is None:
            return _refused(request, case, refusal, form)
    return _back(request, case, "answer")


@require_http_methods(["GET", "POST"])
@reading_doctor_required
def reading_talk(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A word to the patient, before the answer or after it."""
    case = _case(request, pk)
    if request.method == "GET":  # reached after a login in between
        return _back(request, case, "talk")
    form = TalkForm(request.POST)
    if not form.is_valid():
        return _page(request, case, talk_form=form, status=422)
    text = form.cleaned_data["text"]
    try:
        workflow.ask(case, person(request), text, form.key_for(text))
    except workflow.WorkflowError as refusal:
        return _refused(request, case, refusal, typed=[(str(_("Your message")), text)])
    return _back(request, case, "talk")


@require_http_methods(["GET", "POST"])
@reading_doctor_required
def reading_retake(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Ask the patient for a new photo; the case stays on the list meanwhile."""
    case = _case(request, pk)
    if request.method == "GET":
        return _back(request, case, "ask")
    form = RetakeRequestForm(request.POST, pack=case.pack)
    if not form.is_valid():
        return _page(request, case, retake_form=form, status=422)
    reasons, words = form.cleaned_data["reasons"], form.cleaned_data["words"]
    try:
        workflow.request_retake(
            case, person(request), reasons, words, form.key_for(*reasons, words)
        )
    except workflow.WorkflowError as refusal:
        typed = [(str(form.fields["words"].label), words)] if words else []
        return _refused(request, case, refusal, typed=typed)
    messages.success(request, _("The patient is asked for a new photo."))
    return _back(request, case, "talk")


@require_POST
@reading_doctor_required
def reading_no_answer(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The last word of the patient needs no answer: it leaves the list of questions."""
    case = _case(request, pk)
    workflow.no_answer_needed(case, person(request))
    return _back(request, case, "talk")


@require_http_methods(["GET", "POST"])
@reading_doctor_required
def reading_told(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The doctor has told the patient what the answer says: nobody asks after it any more."""
    case = _case(request, pk)
    if request.method == "POST":
        try:
            workflow.told_by_doctor(case, person(request))
        except workflow.WorkflowError as refusal:
            messages.warning(request, refusal.sentence)
        else:
            messages.success(request, _("Thank you. Nobody is asked to call them any more."))
    return _back(request, case, "answer")


def _newest_seen(request: HttpRequest) -> int:
    """The newest retake on the page that was signed; 0 for none."""
    raw = request.POST.get("saw", "")
    return int(raw) if raw.isdecimal() and len(raw) < 19 else 0


def _view_is_open(request: HttpRequest, case: Case) -> bool:
    """Whether the answer is asked to agree or differ."""
    return presenting.computer_view(case, person(request)) is not None


def _case(request: HttpRequest, pk: UUID) -> Case:
    """Whatever a doctor does with a case shows the others that they have it open."""
    cases = Case.objects.readable_by_doctor(person(request))
    found = gathered.one_or_404(cases.select_related(*CASE_WITH_ALL), pk, *PARTS)
    claims.keep(found, person(request))
    return found


def _page(request: HttpRequest, case: Case, status: int = 200, **forms: Any) -> HttpResponse:
    filters = Filters.read(request.GET)
    content = desk(case, person(request), filters) | forms
    content |= beside(case, person(request), own_is_in=content["own_is_in"])
    content["came"] = came.shown(case, own_is_in=content["own_is_in"])
    content |= evidence(case, person(request), content["view"], request.GET, filters.query())
    content["photos"] = with_overlay(content["photos"], content.get("heatmap"))
    content["chosen_template"] = request.GET.get("template", "")
    content["template_values"] = {
        template.name: starting_from(template) for template in _templates(case)
    }
    content["alive_at"], content["open_with"] = claims.of_case(case, person(request))
    content.setdefault("talk_form", TalkForm())
    content.setdefault("retake_form", _fresh_request(case, content))
    talking.mark_read(case, person(request), content["talk"])
    if not content["own_is_in"]:
        content.setdefault("first_form", FirstReadingForm(pack=case.pack))
    elif case.is_open:
        content.setdefault("answer_form", _fresh_answer(request, case, content))
    return render(request, "worklist/reading.html", content, status=status)


def _fresh_request(case: Case, content: dict[str, Any]) -> RetakeRequestForm:
    """With what the upload's own check found wrong ticked: then one press asks."""
    found = [code for shown in content["photos"] for code in shown.photo.quality.get("reasons", [])]
    return RetakeRequestForm(pack=case.pack, initial={"reasons": list(dict.fromkeys(found))})


def _fresh_answer(request: HttpRequest, case: Case, content: dict[str, Any]) -> AnswerForm:
    """As it was before an undo, else from the first reading; a chosen template goes on top."""
    own = person(request).pk
    undone = [signed.review for signed in content["history"] if signed.review.doctor_id == own]
    initial: dict[str, Any] = {}
    if undone:
        initial = from_review(undone[-1])
    elif content["own_reading"]:
        initial = from_first_reading(content["own_reading"])
    initial |= _template(request, case)
    return AnswerForm(initial=initial, **_form_of(case, content["view"] is not None))


def _template(request: HttpRequest, case: Case) -> dict[str, Any]:
    """The pack's answer template asked for in the address, as initial values."""
    chosen = request.GET.get("template")
    for template in _templates(case):
        if template.name == chosen:
            return starting_from(template)
    return {}


def _templates(case: Case) -> tuple[AnswerTemplate, ...]:
    """In the language of the patient, who is going to read them."""
    return load_pack(case.pack_name, language_of(case.patient)).templates


def _form_of(case: Case, view_open: bool) -> dict[str, Any]:
    """What an answer's form has to know of the case; the patient's language, if it is another."""
    theirs = language_of(case.patient)
    other = "" if theirs == get_language() else get_language_info(theirs)["name_translated"]
    return {"pack": case.pack, "view_open": view_open, "patient_reads": other}


def _refused(
    request: HttpRequest,
    case: Case,
    refusal: workflow.WorkflowError,
    form: AnswerForm | None = None,
    *,
    typed: Sequence[tuple[str, str]] = (),
) -> HttpResponse:
    """Somebody was first, or it is too early: say who and when, and keep what was typed."""
    case.refresh_from_db()
    content = {"case": case, "refusal": refusal, "form": form, "typed": [*typed, *_typed(form)]}
    return render(request, "worklist/refused.html", content, status=409)


def _typed(form: AnswerForm | None) -> list[tuple[str, str]]:
    if form is None:
        return []
    names = [name for name in ("advice", "note", "differs_because") if name in form.fields]
    return [
        (str(form.fields[name].label), text)
        for name in names
        if (text := str(form.data.get(name, "")).strip())
    ]


def _back(request: HttpRequest, case: Case, part: str = "") -> HttpResponseRedirect:
    query = Filters.read(request.GET).query()
    address = reverse("reading", args=[case.pk]) + (f"?{query}" if query else "")
    return redirect(f"{address}#{part}" if part else address)
