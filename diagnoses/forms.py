"""What a patient fills in. Every clinical word is the pack's; unanswered is always allowed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any
from uuid import UUID

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts import people, phone
from accounts.models import Consent, User
from accounts.wording import ASKED_ON_SENDING, WORDING
from diagnoses.drafts import MAIN, Slot, clean_photo
from diagnoses.models import Case
from diagnoses.models.case import Side
from diagnoses.questions import QuestionsForm
from diagnoses.states import NewPhoto, Submission
from mlservice.packs import Pack, Spot, area_at, read_spot

NO_SITE = _("Choose where the mark is.")
NO_CARE = _("Tick this box. No doctor may look at your photo without it.")
DOCTOR_TWICE = _(
    "You chose a doctor from the list and named another one. Choose “Any doctor” in the list, or "
    "empty these two fields."
)
NOT_THIS_DOCTOR = _("This doctor cannot be asked any more. Choose another one, or “Any doctor”.")
NAME_THE_DOCTOR = _("Write the doctor's name too, so that we know whom to invite.")
NUMBER_OF_THE_DOCTOR = _("Write the doctor's mobile number too, so that we can invite them.")
WHERE_TO_WRITE = _("Write your mobile number here, so that we know where to send messages.")
JUDGE_THE_PHOTO = _("Take this photo again, or tick the box to send it as it is.")


class PhotoInput(forms.FileInput):
    """On a phone it offers the camera and the gallery, iPhones' HEIC pictures included."""

    def __init__(self) -> None:
        super().__init__(attrs={"accept": "image/*,.heic,.heif"})


class SubmitForm(QuestionsForm):
    """The form of a new case: all of it, or only the fields one screen asks for (``only``).

    One photo and a body site suffice. The photos themselves are received before
    (:mod:`diagnoses.drafts`): ``slots`` says what is kept, and the form asks only what is to
    become of it.
    """

    main_kind = forms.ChoiceField(required=False, widget=forms.RadioSelect)
    site = forms.ChoiceField(
        label=_("Place on your body"),
        error_messages={"required": NO_SITE, "invalid_choice": NO_SITE},
    )
    side = forms.ChoiceField(
        label=_("Which side?"),
        help_text=_("Your own left or right."),
        required=False,
        choices=[("", _("Not sure, or no side")), *Side.choices],
        widget=forms.RadioSelect,
    )
    spot = forms.CharField(required=False, max_length=80, widget=forms.HiddenInput)
    contact = forms.CharField(
        label=_("Your mobile number"),
        help_text=_("So that your clinic can reach you about this case."),
        required=False,
        max_length=40,
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "tel"}),
    )
    doctor = forms.ModelChoiceField(
        label=_("Who should look at it?"),
        queryset=User.objects.none(),
        required=False,
        empty_label=_("Any doctor at my clinic"),
        error_messages={"invalid_choice": NOT_THIS_DOCTOR},
    )
    doctor_name = forms.CharField(label=_("The doctor’s name"), required=False, max_length=120)
    doctor_number = forms.CharField(
        label=_("The doctor’s mobile number"),
        required=False,
        max_length=40,
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "off"}),
    )
    care = forms.BooleanField(error_messages={"required": NO_CARE})
    computer_check = forms.BooleanField(required=False)
    messages = forms.BooleanField(required=False)

    def __init__(
        self,
        *args: Any,
        patient: User,
        pack: Pack,
        slots: Mapping[str, Slot],
        about: Case | None = None,
        only: Collection[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, questions=pack.questions, **kwargs)
        self.patient, self.pack, self.slots, self.about = patient, pack, slots, about
        for name, slot in slots.items():
            self._place_for_a_photo(name, slot)
        if only is not None:
            for name in set(self.fields) - set(only):
                del self.fields[name]
        self._fill_in()

    def _fill_in(self) -> None:
        """What the fields that are asked for offer, and what stands in them already."""
        if "site" in self.fields:
            self._choice("site").choices = _grouped_sites(self.pack)
            self.fields["site"].required = self.pack.only_site is None
        if "main_kind" in self.fields:
            kinds = self.slots[MAIN].kinds
            self._choice("main_kind").choices = [(kind.name, kind.text) for kind in kinds]
            self.fields["main_kind"].initial = kinds[0].name
        if "doctor" in self.fields:
            clinic = self.patient.clinic or people.default_clinic()
            doctors = User.objects.reading_doctors().filter(clinic=clinic).order_by("name")
            self.fields["doctor"].queryset = doctors  # type: ignore[attr-defined]  # a ModelChoiceField
        self._ask_only_missing_consents()
        for name in ("site", "side"):
            if self.about is not None and name in self.fields:
                self.fields[name].initial = getattr(self.about, name)

    def _place_for_a_photo(self, name: str, slot: Slot) -> None:
        self.fields[f"{name}_photo"] = forms.FileField(
            label=self.pack.asking.slot if name == MAIN else slot.kinds[0].text,
            required=False,
            allow_empty_file=True,
            widget=PhotoInput,
        )
        self.fields[f"{name}_as_it_is"] = forms.BooleanField(required=False)
        if name != MAIN:
            self.fields[f"{name}_left_out"] = forms.BooleanField(required=False)

    def _choice(self, name: str) -> forms.ChoiceField:
        field = self.fields[name]
        if not isinstance(field, forms.ChoiceField):
            raise TypeError(f"{name} is not a choice")
        return field

    def _ask_only_missing_consents(self) -> None:
        """What was agreed to before is not asked again."""
        asked = [kind for kind in Consent.Kind if kind.value in self.fields]
        if not asked and "contact" not in self.fields:
            return
        number = people.reachable_number(self.patient.reader)
        if number is not None and "contact" in self.fields:
            self.fields["contact"].initial = phone.spoken(number.e164)
        for kind in asked:
            given = people.has_consent(self.who_agrees(kind), kind)
            if given and (kind is not Consent.Kind.MESSAGES or number is not None):
                del self.fields[kind.value]
                continue
            words = WORDING[kind]
            self.fields[kind.value].label = words.text
            self.fields[kind.value].help_text = f"{words.meaning} {words.without}"

    def who_agrees(self, kind: Consent.Kind) -> User:
        """Whose consent it is: to messages their reader's, to all else the patient's."""
        return self.patient.reader if kind is Consent.Kind.MESSAGES else self.patient

    def consents(self) -> list[Consent.Kind]:
        """What the patient agrees to with this form."""
        return [kind for kind in ASKED_ON_SENDING if self.cleaned_data.get(kind.value)]

    @property
    def wants_messages(self) -> bool:
        """Messages go to the number in the form: agreed to now, or before."""
        return "messages" not in self.fields or bool(self.cleaned_data.get("messages"))

    def clean_contact(self) -> str:
        raw = self.cleaned_data["contact"]
        return phone.to_e164(raw) if raw else ""

    def clean_spot(self) -> Spot | None:
        """The point tapped on a figure; what cannot be one is as good as none."""
        return read_spot(self.cleaned_data["spot"], self.pack.body)

    def clean_doctor_number(self) -> str:
        raw = self.cleaned_data["doctor_number"]
        return phone.to_e164(raw) if raw else ""

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if "site" in self.fields and (only := self.pack.only_site):
            data["site"] = only.name
        self._judge_photos(data)
        if data.get("spot") and not self._still_there(data["spot"], data):
            data["spot"] = None
        name, number = data.get("doctor_name"), data.get("doctor_number")
        if name and not number and "doctor_number" not in self.errors:
            self.add_error("doctor_number", NUMBER_OF_THE_DOCTOR)
        if number and not name:
            self.add_error("doctor_name", NAME_THE_DOCTOR)
        if name and number and data.get("doctor"):
            self.add_error("doctor_name", DOCTOR_TWICE)
        if data.get("messages") and not data.get("contact") and "contact" not in self.errors:
            self.add_error("contact", WHERE_TO_WRITE)
        return data

    def _still_there(self, spot: Spot, data: Mapping[str, Any]) -> bool:
        """The point lies where the list says: who chose again from the list means the list."""
        view = self.pack.body_view(spot.view)
        area = area_at(view, spot.x * view.width, spot.y * view.height)
        return area is not None and area.site == data.get("site")

    def _judge_photos(self, data: Mapping[str, Any]) -> None:
        for name, slot in self.slots.items():
            if f"{name}_photo" not in self.fields:
                continue
            if slot.refusal:
                self.add_error(f"{name}_photo", slot.refusal)
            elif slot.problems and not (
                data.get(f"{name}_as_it_is") or data.get(f"{name}_left_out")
            ):
                self.add_error(f"{name}_photo", JUDGE_THE_PHOTO)
        main = self.slots.get(MAIN)
        if f"{MAIN}_photo" in self.fields and main and main.draft is None and not main.refusal:
            self.add_error(f"{MAIN}_photo", self.pack.asking.none)

    def submission(self, submit_key: UUID) -> Submission:
        """The form as the workflow takes it. Raises ``FileNotFoundError`` for a discarded photo."""
        data = self.cleaned_data
        named = (data["doctor_name"], data["doctor_number"]) if data["doctor_name"] else None
        return Submission(
            pack_name=self.pack.name,
            site=data["site"],
            photos=list(self._photos()),
            answers=self.answers(),
            submit_key=submit_key,
            contact_e164=data["contact"],
            doctor=data["doctor"],
            named_doctor=named,
            lesion=self._lesion_in_question(),
            computer_check=people.has_consent(self.patient, Consent.Kind.COMPUTER_CHECK),
            side=data["side"],
            spot=data["spot"],
        )

    def _photos(self) -> Iterator[NewPhoto]:
        for name, slot in self.slots.items():
            if slot.draft is not None and not self.cleaned_data.get(f"{name}_left_out"):
                kind = self.cleaned_data.get(f"{name}_kind") or slot.kinds[0].name
                yield NewPhoto(kind, clean_photo(slot.draft), sent_anyway=bool(slot.problems))

    def _lesion_in_question(self) -> Any:
        """The same mark as before, unless the patient now says that it is somewhere else."""
        same = self.about is not None and self.about.site == self.cleaned_data["site"]
        return self.about.lesion if same and self.about else None


def _grouped_sites(pack: Pack) -> list[tuple[str, Any]]:
    """The pack's sites in their order, under their groups' headings."""
    choices: list[tuple[str, Any]] = [("", _("Choose a place"))]
    groups: dict[str, list[tuple[str, str]]] = {}
    for site in pack.sites:
        if not site.group:
            choices.append((site.name, site.text))
        elif site.group in groups:
            groups[site.group].append((site.name, site.text))
        else:
            groups[site.group] = [(site.name, site.text)]
            choices.append((site.group, groups[site.group]))
    return choices
