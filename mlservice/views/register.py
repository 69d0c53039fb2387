"""A new bundle: as a file, or as a folder that lies on this server."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import admin_required, person
from mlservice import checks, deciding, registry, reports, uploads
from mlservice.engine import BundleError
from mlservice.models import BundleCheck, ModelVersion
from mlservice.views.doors import decider_required

UNPROCESSABLE: Final = 422
MEGABYTES: Final = uploads.MOST_PACKED >> 20


class BundleForm(forms.Form):
    """One of the two, a file or a folder."""

    file = forms.FileField(
        label=gettext_lazy("A file"),
        required=False,
        widget=forms.FileInput(attrs={"accept": ".zip,application/zip"}),
    )
    folder = forms.ChoiceField(label=gettext_lazy("Or a folder on this server"), required=False)

    def __init__(self, *args: Any, too_large: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.too_large = too_large
        self.known = {registry.folder_name(folder): folder for folder in uploads.folders()}
        there = set(ModelVersion.objects.values_list("folder", flat=True))
        new = [(name, Path(name).name) for name in self.known if name not in there]
        self.fields["folder"] = forms.ChoiceField(
            label=self.fields["folder"].label,
            required=False,
            choices=[("", _("none")), *new],
            help_text=_("What is registered already is not in the list."),
        )
        self.fields["file"].help_text = _(
            "A .zip of the bundle’s folder, at most %(megabytes)s MB."
        ) % {"megabytes": MEGABYTES}

    def clean_file(self) -> Any:
        if self.too_large:
            raise ValidationError(
                _("The file is larger than %(megabytes)s MB.") % {"megabytes": MEGABYTES}
            )
        return self.cleaned_data["file"]

    def clean(self) -> dict[str, Any]:
        found = self.cleaned_data
        if not self.errors and bool(found.get("file")) == bool(found.get("folder")):
            raise ValidationError(_("Choose a file, or a folder on this server: one of the two."))
        return found


@csrf_exempt  # checked in _register, when the size of what comes is bounded
@require_http_methods(["GET", "HEAD", "POST"])
@decider_required
def model_register(request: HttpRequest) -> HttpResponseBase:
    """Take a bundle in; it scores nothing until it is put into service."""
    upload = uploads.BoundedUpload(request)
    request.upload_handlers = [upload]
    return _register(request, upload)


@csrf_protect
def _register(request: HttpRequest, upload: uploads.BoundedUpload) -> HttpResponse:
    data, files = (request.POST, request.FILES) if request.method == "POST" else (None, None)
    form = BundleForm(data, files, too_large=upload.too_large)
    if data is None or not form.is_valid():
        status = 200 if data is None else UNPROCESSABLE
        return render(request, "models/register.html", {"form": form}, status=status)
    try:
        found = _begin(request, form)
    except BundleError as error:
        field = "file" if form.cleaned_data["file"] else "folder"
        form.add_error(field, str(error))
        return render(request, "models/register.html", {"form": form}, status=UNPROCESSABLE)
    if isinstance(found, ModelVersion):
        messages.info(request, _("%(version)s is registered already.") % {"version": found})
        return redirect("model_version", pk=found.pk)
    return redirect("model_check", pk=found.pk)


def _begin(request: HttpRequest, form: BundleForm) -> BundleCheck | ModelVersion:
    by, file = person(request), form.cleaned_data["file"]
    if file:
        return checks.begin(uploads.unpack(file), by, uploaded=True)
    return checks.begin(form.known[form.cleaned_data["folder"]], by, uploaded=False)


@require_safe
@admin_required
def model_check(request: HttpRequest, pk: int) -> HttpResponse:
    """How far a bundle has come on its way into the registry."""
    rows = BundleCheck.objects.select_related("version", "asked_by")
    check = get_object_or_404(rows, pk=pk)
    context = {
        "check": check,
        "waits": check.state == BundleCheck.State.WAITING,
        "workers": reports.workers(),
        "decides": deciding.may_decide(person(request)),
    }
    return render(request, "models/check.html", context)
