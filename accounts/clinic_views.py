"""The admins' pages of clinics: which there are, their rules, a new one."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib import messages
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts import clinics
from accounts.access import admin_required, person
from accounts.clinic_forms import ClinicForm
from accounts.directory import WAITING
from accounts.models import Clinic, Role

CONFLICT = 409


@require_safe
@admin_required
def clinic_list(request: HttpRequest) -> HttpResponse:
    """Every clinic one looks after, with how many work and are looked after there."""
    user = person(request)
    here = Q(people__is_active=True)
    rows = clinics.managed_by(user).annotate(
        doctors=Count("people", here & Q(people__verified_at__isnull=False)),
        waiting=Count("people", _of_people(WAITING)),
        admins=Count("people", here & Q(people__role=Role.ADMIN)),
        patients=Count("people", here & Q(people__role=Role.PATIENT)),
    )
    context = {"clinics": rows.order_by("name"), "may_add": user.clinic_id is None}
    return render(request, "manage/clinics.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@admin_required
def clinic_page(request: HttpRequest, pk: int) -> HttpResponse:
    """One clinic's rules, each explained."""
    user = person(request)
    clinic = get_object_or_404(clinics.managed_by(user), pk=pk)
    posted = request.method == "POST"
    form = ClinicForm(request.POST if posted else None, instance=clinic)
    if not posted or not form.is_valid():
        return _page(request, form, clinic.pk, 422 if posted else 200)
    try:
        new = clinics.change(clinic, user, form.rules(), as_seen=form.cleaned_data["seen"])
    except clinics.NameTakenError as taken:
        form.add_error("name", str(taken))
        return _page(request, form, clinic.pk, 422)
    except clinics.ChangedMeanwhileError:
        return _changed_meanwhile(request, clinic.pk)
    messages.success(request, _("It is saved.") if new else _("Nothing was to be changed."))
    return redirect("manage_clinic", pk=clinic.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@admin_required
def clinic_new(request: HttpRequest) -> HttpResponse:
    """A new clinic; for admins of all."""
    user = person(request)
    if user.clinic_id is not None:
        raise Http404
    posted = request.method == "POST"
    form = ClinicForm(request.POST if posted else None)
    if posted and form.is_valid():
        try:
            clinic = clinics.add(user, form.rules())
        except clinics.NameTakenError as taken:
            form.add_error("name", str(taken))
        else:
            words = {"clinic": clinic}
            messages.success(request, _("%(clinic)s is there. Now invite its doctors.") % words)
            return redirect("manage_clinic", pk=clinic.pk)
    return _page(request, form, None, 422 if posted else 200)


def _changed_meanwhile(request: HttpRequest, pk: int) -> HttpResponse:
    """What they typed stays in the form, with what stands there now; sent again it is theirs."""
    now = Clinic.objects.get(pk=pk)
    sent = request.POST.copy()
    sent["seen"] = clinics.seen(now)
    typed = ClinicForm(sent, instance=Clinic.objects.get(pk=pk))
    shown = ClinicForm(instance=now)
    typed.is_valid()
    others = [
        (field.label, _in_words(now, field.name))
        for field in shown
        if field.name in typed.changed_data and field.name != "seen"
    ]
    return _page(request, typed, pk, CONFLICT, others=others)


def _in_words(clinic: Clinic, name: str) -> str:
    value = getattr(clinic, name)
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    said = getattr(clinic, f"get_{name}_display", lambda: value)()
    return str(said) if said not in (None, "") else _("Empty")


def _page(
    request: HttpRequest,
    form: ClinicForm,
    pk: int | None,
    status: int,
    others: Sequence[tuple[object, str]] | None = None,
) -> HttpResponse:
    name = Clinic.objects.filter(pk=pk).values_list("name", flat=True).first() if pk else None
    context = {"form": form, "name": name, "pk": pk, "others": others}
    return render(request, "manage/clinic.html", context, status=status)


def _of_people(condition: Q) -> Q:
    return Q(*[(f"people__{key}", value) for key, value in condition.children])  # type: ignore[misc]  # its children are pairs
