"""Which pictures an export is to hold."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from accounts import clinics
from accounts.models import Clinic, User
from diagnoses.learning.which import Wanted, modalities
from mlservice.packs import available_packs
from mlservice.readers import pack_for_reader


class WantedForm(forms.Form):
    """A disease area and how its pictures were taken; of which clinic, where one may choose."""

    what = forms.ChoiceField(label=_("Pictures"))
    clinic = forms.ModelChoiceField(
        label=_("Clinic"),
        queryset=Clinic.objects.none(),
        required=False,
        empty_label=_("All clinics"),
    )

    def __init__(self, *args: Any, admin: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.admin = admin
        self.fields["what"] = forms.ChoiceField(label=self.fields["what"].label, choices=_choices())
        if admin.clinic_id is None:
            choice = self.fields["clinic"]
            assert isinstance(choice, forms.ModelChoiceField)  # noqa: S101 - declared above
            choice.queryset = clinics.managed_by(admin)
        else:
            del self.fields["clinic"]

    @property
    def wanted(self) -> Wanted:
        """Of a form that is valid."""
        pack, modality = self.cleaned_data["what"].split(":")
        clinic = self.admin.clinic or self.cleaned_data.get("clinic")
        return Wanted(pack_for_reader(pack), modality, clinic)


def _choices() -> list[tuple[str, str]]:
    """ "…:…" -> "…: …", the disease area new cases are asked in first."""
    names = sorted(available_packs(), key=lambda name: name != settings.PACK)
    return [
        (f"{name}:{modality}", f"{pack.title}: {pack.modalities.get(modality, modality)}")
        for name in names
        for pack in [pack_for_reader(name)]
        for modality in modalities(pack)
    ]
