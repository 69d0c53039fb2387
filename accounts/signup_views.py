"""The page where whoever signs up types the code of the letter they were sent."""

from __future__ import annotations

from allauth.account.utils import complete_signup
from allauth.decorators import rate_limit
from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts import signing_up
from accounts.signing_up import LETTERS, SignUp, TakenError


class SignupCodeForm(forms.Form):
    """The code of the letter."""

    code = forms.CharField(
        label=_lazy("Code"),
        max_length=20,
        error_messages={"required": _lazy("Type the code of our e-mail.")},
        widget=forms.TextInput(
            attrs={
                "autocomplete": "one-time-code",
                "autocapitalize": "characters",
                "autofocus": True,
            }
        ),
    )


@rate_limit(action="signup_code")  # type: ignore[untyped-decorator]  # allauth ships no types
@never_cache
@require_http_methods(["GET", "POST"])
def signup_code(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return redirect("home")
    waiting = signing_up.waiting_for(request)
    if waiting is None:
        if request.method == "POST":
            messages.info(request, _("That took too long. Please fill this in again."))
        return redirect("account_signup")
    if "again" in request.POST:
        return _write_again(request, waiting)
    form = SignupCodeForm(request.POST or None)
    if form.is_valid():
        if waiting.fits(form.cleaned_data["code"]):
            return _finish(request, waiting)
        waiting.tries += 1
        signing_up.keep(request, waiting)
        if waiting.is_over:
            signing_up.forget(request)
            messages.info(request, _("Those were too many wrong codes. Please begin again."))
            return redirect("account_signup")
        form.add_error("code", _("This is not the code of our last e-mail."))
    said = {"form": form, "email": waiting.email, "more": waiting.letters < LETTERS}
    return render(request, "account/signup_code.html", said)


def _write_again(request: HttpRequest, waiting: SignUp) -> HttpResponse:
    if waiting.letters >= LETTERS:
        messages.error(request, _("We have written three times. Look in the spam folder."))
    elif signing_up.write(request, waiting):
        messages.success(request, _("A new e-mail is on its way."))
    else:
        messages.error(request, signing_up.NOT_SENT)
    return redirect("account_signup_code")


def _finish(request: HttpRequest, waiting: SignUp) -> HttpResponse:
    signing_up.forget(request)
    try:
        user = signing_up.finish(waiting)
    except TakenError:
        messages.info(request, _("You have an account already. Log in."))
        return redirect("account_login")
    answer: HttpResponse = complete_signup(request, user, None, waiting.onward)
    return answer
