"""Sending a new case: one question after another, each answer kept when it is given."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts import care, people
from accounts.access import patient_required, person
from accounts.models import User
from diagnoses import conversation, drafts, figures, intake, summing_up, workflow
from diagnoses.conversation import CHECK, Step
from diagnoses.forms import SubmitForm
from diagnoses.intake import MAX_BYTES
from diagnoses.models import Case, Draft
from diagnoses.sealing import LOST
from diagnoses.views import whose
from diagnoses.views.uploads import about_of, received_with, refused_as
from mlservice import registry
from mlservice.packs import Pack
from mlservice.readers import pack_for_reader

ALREADY_SENT = _(
    "You had already sent this form, so nothing was sent twice: this is its case. To ask about "
    "another mark, start a new one."
)
GONE = _("We no longer have this photo. Please add it again.")
MOST_SHOWN = 20


@patient_required
@require_safe
def case_new(request: HttpRequest) -> HttpResponse:
    """The way in: a new form, or first the question whether to go on with one begun before, whom it
    is about, and what the picture shows where more than one kind is taken.

    ``?about=`` asks again about the mark of an earlier case; ``?start=`` wants a new form;
    ``?for=`` says whom it is about, and ``?who=`` wants to be asked that; ``?pack=`` what it shows.
    """
    user, about, patient = person(request), about_of(request), whose.named(request)
    begun = conversation.begun_by(user)[:MOST_SHOWN]
    if begun and "start" not in request.GET and patient is None:
        lines = [summing_up.line_of(draft) for draft in begun]
        return render(request, "cases/new/begun.html", {"lines": lines, "about": about})
    if about is None and patient is None:
        looked_after = care.people_of(user)
        if looked_after or "who" in request.GET:
            return render(request, "cases/new/who.html", {"people": looked_after})
    if about is None and "pack" not in request.GET and len(offered := registry.offered()) > 1:
        packs = [pack_for_reader(name) for name in offered]
        return render(request, "cases/new/what.html", {"packs": packs, "patient": patient})
    named = whose.pack_of(request, about).name
    address = reverse("case_step", args=[uuid4(), "photo"])
    return redirect(address + whose.query(patient or user, user, about, named))


@patient_required
@require_http_methods(["GET", "POST"])
def case_step(request: HttpRequest, key: UUID, name: str) -> HttpResponse:
    """One screen of the form under ``key``. The last one sends it."""
    if case := _sent_with(person(request), key):
        return _already_sent(request, case)
    about = about_of(request)
    draft = whose.draft(request, key, about)
    step = next((each for each in conversation.steps(_pack(draft)) if each.name == name), None)
    if step is None:
        raise Http404
    if draft.about is None and about and about.patient_id == draft.patient_id:
        draft.about = about
    if request.method == "POST":
        return _answered(request, draft, step)
    return _screen(request, draft, step, _form(draft, step))


@patient_required
@require_http_methods(["GET", "POST"])
def case_drop(request: HttpRequest, key: UUID) -> HttpResponse:
    """Throw away a form that was begun, after being asked once more."""
    draft = get_object_or_404(conversation.begun_by(person(request)), submit_key=key)
    if request.method == "POST":
        conversation.forget(draft)
        messages.success(request, _("It is deleted. Nothing was sent."))
        return redirect("lesion_list")
    return render(request, "cases/new/drop.html", {"line": summing_up.line_of(draft)})


def _answered(request: HttpRequest, draft: Draft, step: Step) -> HttpResponse:
    """Keep what was answered and go on; or say what stands against it, with all of it kept."""
    slots = _slots(draft, step)
    if received_with(request, draft, {name: slots[name] for name in step.slots}):
        conversation.begin(draft.patient, draft.submit_key, _pack(draft), draft.about)
    posted = figures.tapped(request.POST, _pack(draft))
    if posted is None:
        messages.warning(request, figures.BESIDE)
        return redirect(request.get_full_path() + "#figures")
    data = conversation.typed(draft, posted, step.fields)
    if step.name == CHECK:
        return _sent(request, draft, step, data, slots)
    form = _form(draft, step, data, slots)
    if not form.is_valid():
        return _screen(request, draft, step, form, status=422)
    if posted is not request.POST:  # a tap: it is shown on the figure, to be seen before going on
        conversation.keep(draft, step, data, step)
        return redirect(request.get_full_path() + "#chosen")
    after = _after(request, draft, step)
    conversation.keep(draft, step, data, after)
    return redirect("case_step", draft.submit_key, after.name)


def _sent(
    request: HttpRequest, draft: Draft, step: Step, data: QueryDict, slots: dict[str, drafts.Slot]
) -> HttpResponse:
    """Everything as one form, sent."""
    form = SubmitForm(
        data,
        patient=draft.patient,
        pack=_pack(draft),
        slots=slots,
        about=draft.about,
    )
    if form.is_valid() and (case := _send(draft, form)):
        return redirect("case", pk=case.pk)
    # The other click of a double click may have sent it, and taken the photos with it.
    if case := _sent_with(draft.patient, draft.submit_key):
        return _already_sent(request, case)
    return _screen(request, draft, step, form, status=422)


def _send(draft: Draft, form: SubmitForm) -> Case | None:
    """The case; or ``None``, with what stands against it in the form's errors."""
    _keep_what_was_agreed(draft.patient, form)
    try:
        case = workflow.submit(draft.patient, form.submission(draft.submit_key))
    except LOST:
        drafts.discard(form.slots)
        form.add_error("main_photo", str(GONE))
        return None
    except intake.Refusal as refusal:  # not now; everything stays as it is
        form.slots[drafts.MAIN].refused = refusal
        form.add_error(None, refusal.sentence)
        return None
    except workflow.WorkflowError as error:
        form.add_error(None, error.sentence)
        return None
    conversation.forget(draft)
    return case


def _keep_what_was_agreed(patient: User, form: SubmitForm) -> None:
    """Consents and the number, before anything they are needed for begins."""
    for kind in form.consents():
        people.give_consent(form.who_agrees(kind), kind)
    if number := form.cleaned_data["contact"]:
        people.add_number(patient.reader, number, opt_in=form.wants_messages)


def _form(
    draft: Draft,
    step: Step,
    data: QueryDict | None = None,
    slots: dict[str, drafts.Slot] | None = None,
) -> SubmitForm:
    """The form as far as this screen asks for it: answered with ``data``, or showing what is
    kept."""
    pack = _pack(draft)
    return SubmitForm(
        data,
        initial=summing_up.initial(draft),
        patient=draft.patient,
        pack=pack,
        slots=_slots(draft, step) if slots is None else slots,
        about=draft.about,
        only=step.fields,
    )


def _slots(draft: Draft, step: Step) -> dict[str, drafts.Slot]:
    """The places for photos, where this screen has to do with them."""
    if not step.slots and step.name != CHECK:
        return {}
    return drafts.slots(draft.patient, draft.submit_key, _pack(draft))


def _screen(
    request: HttpRequest, draft: Draft, step: Step, form: SubmitForm, status: int = 200
) -> HttpResponse:
    every = conversation.steps(form.pack)
    before, after = conversation.neighbours(step, every)
    context: dict[str, Any] = {
        "draft": draft,
        "step": step,
        "form": form,
        "pack": form.pack,
        "submit_key": draft.submit_key,
        "max_mb": MAX_BYTES >> 20,
        "before": before,
        "after": after,
        "number": every.index(step) + 1,
        "of": len(every),
        "then_check": "then" in request.GET,
        "whose": "" if draft.pk else _address_says(request, draft),
        "other_pack": "" if draft.pack_name == settings.PACK else f"&pack={draft.pack_name}",
    }
    if draft.about is not None and step.slots:
        scored = [kind.name for kind in form.pack.photo_kinds if kind.scored]
        last = draft.about.photos.filter(kind__in=scored).last()
        context["ghost"] = last.pk if last else None
    if "site" in step.fields:
        context["figures"] = figures.shown(form)
    if step.slots:
        context["places"] = [_place_for_a_photo(form, name) for name in step.slots]
    if step.name == CHECK:
        context |= summing_up.summary(draft, form)
    answer = render(request, step.template, context, status=status)
    return refused_as(answer, form.slots.values())


def _address_says(request: HttpRequest, draft: Draft) -> str:
    return whose.query(draft.patient, person(request), draft.about, draft.pack_name)


def _place_for_a_photo(form: SubmitForm, name: str) -> dict[str, Any]:
    left_out = f"{name}_left_out"
    return {
        "slot": form.slots[name],
        "photo": form[f"{name}_photo"],
        "as_it_is": form[f"{name}_as_it_is"].value(),
        "left_out": form[left_out].value() if left_out in form.fields else False,
    }


def _after(request: HttpRequest, draft: Draft, step: Step) -> Step:
    every = conversation.steps(_pack(draft))
    _before, after = conversation.neighbours(step, every)
    return every[-1] if after is None or "then" in request.GET else after


def _pack(draft: Draft) -> Pack:
    return pack_for_reader(draft.pack_name)


def _sent_with(patient: User, key: UUID) -> Case | None:
    return Case.objects.visible_to(patient).filter(submit_key=key).first()


def _already_sent(request: HttpRequest, case: Case) -> HttpResponse:
    messages.info(request, ALREADY_SENT)
    return redirect("case", pk=case.pk)
