"""The page on which people give programs a token of theirs, and take it back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from allauth.account.decorators import reauthentication_required
from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts import tokens
from accounts.access import login_required, person
from accounts.models import Scope, User

LASTS = [
    (7, _lazy("A week")),
    (30, _lazy("A month")),
    (90, _lazy("Three months")),
    (365, _lazy("A year")),
]


class TokenForm(forms.Form):
    """What a new token is called, may do, and until when."""

    name = forms.CharField(
        label=_lazy("What is it for?"),
        help_text=_lazy("A name by which you know it again: the app’s, or the program’s."),
        max_length=60,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={"required": _lazy("Give it a name, so that you know it again.")},
    )
    scopes = forms.MultipleChoiceField(
        label=_lazy("What may it do?"),
        help_text=_lazy("As little as it needs. It never may do more than you."),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _lazy("Tick at least one thing that it may do.")},
    )
    days = forms.TypedChoiceField(
        label=_lazy("How long?"), choices=LASTS, coerce=int, initial=30, widget=forms.RadioSelect
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = [(scope.value, scope.label) for scope in tokens.offered_to(user)]
        self.fields["scopes"].choices = offered  # type: ignore[attr-defined]  # declared above

    def make(self, user: User) -> str:
        """The secret of the new token; nobody can be told it again."""
        data = self.cleaned_data
        scopes = [Scope(name) for name in data["scopes"]]
        return tokens.make(user, scopes, name=data["name"], lasts=timedelta(days=data["days"]))[1]


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def token_list(request: HttpRequest) -> HttpResponseBase:
    """The password first: whoever finds a browser open takes no token along."""
    answer: HttpResponseBase = _list(request)
    return answer


@reauthentication_required  # type: ignore[untyped-decorator]  # allauth ships no types
def _list(request: HttpRequest) -> HttpResponse:
    user, posted = person(request), request.method == "POST"
    form = TokenForm(request.POST if posted else None, user=user)
    secret = ""
    if posted and form.is_valid():
        secret = form.make(user)
        form = TokenForm(user=user)
    rows = [
        (row, [str(Scope(name).label) for name in row.scopes if name in Scope.values])
        for row in tokens.of(user)
    ]
    context = {"form": form, "secret": secret, "rows": rows}
    status = 422 if form.is_bound else 200
    return render(request, "accounts/tokens.html", context, status=status)


@login_required
@require_POST
def token_end(request: HttpRequest, token: UUID) -> HttpResponse:
    if not tokens.end_one_of(person(request), token):
        raise Http404
    messages.success(request, _("The token is ended. Whatever used it is out."))
    return redirect("account_tokens")
