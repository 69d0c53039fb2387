"""Whom I look after: writing somebody down, and their page with what I decide for them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from accounts import care
from accounts.access import patient_required, person
from accounts.agreements import agreements
from accounts.models import Relation
from accounts.people import PeopleError

NO_NAME = _("Write their name, so that the doctor knows whom the photo shows.")
NO_RELATION = _("Choose who they are to you. The doctor sees it too.")
MAY_DECIDE = _("Tick this box. Only who may decide for somebody can send their photos.")


class DescribeForm(forms.Form):
    """Who somebody is."""

    name = forms.CharField(
        label=_("Their name"),
        max_length=120,
        error_messages={"required": NO_NAME},
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    relation = forms.ChoiceField(
        label=_("Who are they to you?"),
        choices=Relation.choices,
        widget=forms.RadioSelect,
        error_messages={"required": NO_RELATION, "invalid_choice": NO_RELATION},
    )

    def clean_name(self) -> str:
        return " ".join(self.cleaned_data["name"].split())


class LookAfterForm(DescribeForm):
    """Somebody new, with what a carer vouches for."""

    may_decide = forms.BooleanField(
        label=_("I may decide about their care"),
        help_text=_("You are their parent or guardian, or they want you to do this for them."),
        error_messages={"required": MAY_DECIDE},
    )


@patient_required
@require_http_methods(["GET", "POST"])
def person_add(request: HttpRequest) -> HttpResponse:
    """Write down somebody without a login. ``?then=photo`` goes on to their first photo."""
    posted = request.method == "POST"
    form = LookAfterForm(request.POST if posted else None)
    to_photo = request.GET.get("then") == "photo"
    if posted and form.is_valid():
        name, relation = form.cleaned_data["name"], Relation(form.cleaned_data["relation"])
        try:
            added = care.look_after(person(request), name, relation)
        except PeopleError as error:
            form.add_error(None, str(error))
        else:
            if to_photo:
                return redirect(f"{reverse('case_new')}?start&for={added.pk}")
            said = _("You can send photos for %(name)s now.") % {"name": added}
            messages.success(request, said)
            return redirect("person", added.pk)
    context = {"form": form, "to_photo": to_photo}
    return render(request, "accounts/person_add.html", context, status=422 if posted else 200)


@patient_required
@require_http_methods(["GET", "POST"])
def person_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Somebody I look after: who they are, what was agreed to for them, their data."""
    mine = person(request).cared_for.select_related("carer", "clinic")
    found = get_object_or_404(mine, pk=pk)
    posted = request.method == "POST"
    known: dict[str, Any] = {"name": found.name, "relation": found.relation}
    form = DescribeForm(request.POST if posted else None, initial=known)
    if posted and form.is_valid():
        care.describe(found, form.cleaned_data["name"], Relation(form.cleaned_data["relation"]))
        messages.success(request, _("It is saved."))
        return redirect("person", found.pk)
    context = {"form": form, "about": found, "agreements": agreements(found)}
    return render(request, "accounts/person.html", context, status=422 if posted else 200)
