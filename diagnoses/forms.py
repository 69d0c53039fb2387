"""What a patient fills in. Every clinical word is the pack's; unanswered is always allowed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError

from accounts import people, phone
from accounts.models import Consent, User
from accounts.wording import ASKED_ON_SENDING, WORDING
from diagnoses.drafts import Slot, clean_photo
from diagnoses.models import Case
from diagnoses.states import NewPhoto, Submission
from diagnoses.triage import Answers
from mlservice.packs import Pack, Question

MOST_WORDS = 2000  # characters of an answer in the patient's own words
NO_PHOTO = "Add a photo of the mark. We need one to look at."
NO_SITE = "Choose where the mark is."
NO_CARE = "Tick this box. No doctor may look at your photo without it."
DOCTOR_TWICE = (
    "You chose a doctor from the list and named another one. Choose “Any doctor” in the list, or "
    "empty these two fields."
)
NOT_THIS_DOCTOR = "This doctor cannot be asked any more. Choose another one, or “Any doctor”."
NAME_THE_DOCTOR = "Write the doctor's name too, so that we know whom to invite."
NUMBER_OF_THE_DOCTOR = "Write the doctor's mobile number too, so that we can invite them."
WHERE_TO_WRITE = "Write your mobile number here, so that we know where to send messages."
JUDGE_THE_PHOTO = "Take this photo again, or tick the box to send it as it is."


class PhotoInput(forms.FileInput):
    """On a phone it offers the camera and the gallery, iPhones' HEIC pictures included."""

    def __init__(self) -> None:
        super().__init__(attrs={"accept": "image/*,.heic,.heif"})


class QuestionsForm(forms.Form):
    """Some of a pack's questions. None has to be answered."""

    def __init__(self, *args: Any, questions: tuple[Question, ...], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.questions = questions
        for question in questions:
            self.fields[_field_name(question)] = _question_field(question)

    def asked(self) -> Iterator[tuple[Question, forms.BoundField]]:
        """Each question with its field, in the pack's order."""
        for question in self.questions:
            yield question, self[_field_name(question)]

    def answers(self) -> Answers:
        """What was answered, and nothing about what was left open."""
        given = {q.name: self.cleaned_data.get(_field_name(q)) for q in self.questions}
        return {name: value for name, value in given.items() if value}


class SubmitForm(QuestionsForm):
    """The whole form of a new case. One photo and a body site suffice.

    The photos themselves are received before (:mod:`diagnoses.drafts`): ``slots`` says what is
    kept, and the form asks only what is to become of it.
    """

    main_photo = forms.FileField(
        label="Photo of the mark", required=False, allow_empty_file=True, widget=PhotoInput
    )
    second_photo = forms.FileField(
        label="Second photo", required=False, allow_empty_file=True, widget=PhotoInput
    )
    main_kind = forms.ChoiceField(required=False, widget=forms.RadioSelect)
    main_as_it_is = forms.BooleanField(required=False)
    second_as_it_is = forms.BooleanField(required=False)
    second_left_out = forms.BooleanField(required=False)
    site = forms.ChoiceField(
        label="Place on your body",
        error_messages={"required": NO_SITE, "invalid_choice": NO_SITE},
    )
    contact = forms.CharField(
        label="Your mobile number",
        help_text="So that your clinic can reach you about this case.",
        required=False,
        max_length=40,
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "tel"}),
    )
    doctor = forms.ModelChoiceField(
        label="Who should look at it?",
        queryset=User.objects.none(),
        required=False,
        empty_label="Any doctor at my clinic",
        error_messages={"invalid_choice": NOT_THIS_DOCTOR},
    )
    doctor_name = forms.CharField(label="The doctor’s name", required=False, max_length=120)
    doctor_number = forms.CharField(
        label="The doctor’s mobile number",
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
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, questions=pack.questions, **kwargs)
        self.patient, self.pack, self.slots, self.about = patient, pack, slots, about
        self._choice("site").choices = _grouped_sites(pack)
        self._choice("main_kind").choices = [(kind.name, kind.text) for kind in slots["main"].kinds]
        self.fields["main_kind"].initial = slots["main"].kinds[0].name
        clinic = patient.clinic or people.default_clinic()
        doctors = User.objects.reading_doctors().filter(clinic=clinic).order_by("name")
        self.fields["doctor"].queryset = doctors  # type: ignore[attr-defined]  # a ModelChoiceField
        self._ask_only_missing_consents()
        if about is not None:
            self.fields["site"].initial = about.site

    def _choice(self, name: str) -> forms.ChoiceField:
        field = self.fields[name]
        if not isinstance(field, forms.ChoiceField):
            raise TypeError(f"{name} is not a choice")
        return field

    def _ask_only_missing_consents(self) -> None:
        """What was agreed to before is not asked again."""
        number = people.reachable_number(self.patient)
        if number is not None:
            self.fields["contact"].initial = phone.spoken(number.e164)
        for kind in ASKED_ON_SENDING:
            given = people.has_consent(self.patient, kind)
            if given and (kind is not Consent.Kind.MESSAGES or number is not None):
                del self.fields[kind.value]
            else:
                self.fields[kind.value].label = WORDING[kind].text
                self.fields[
                    kind.value
                ].help_text = f"{WORDING[kind].meaning} {WORDING[kind].without}"

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

    def clean_doctor_number(self) -> str:
        raw = self.cleaned_data["doctor_number"]
        return phone.to_e164(raw) if raw else ""

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        self._judge_photos(data)
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

    def _judge_photos(self, data: Mapping[str, Any]) -> None:
        for name, slot in self.slots.items():
            if slot.refusal:
                self.add_error(f"{name}_photo", slot.refusal)
            elif slot.problems and not (
                data.get(f"{name}_as_it_is") or data.get(f"{name}_left_out")
            ):
                self.add_error(f"{name}_photo", JUDGE_THE_PHOTO)
        if self.slots["main"].draft is None and not self.slots["main"].refusal:
            self.add_error("main_photo", NO_PHOTO)

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


class TellForm(QuestionsForm):
    """ "Tell us now": what is new since the case was sent."""

    what = forms.CharField(
        label="What has changed, in your words?",
        required=False,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 4}),
    )

    def __init__(self, *args: Any, pack: Pack, **kwargs: Any) -> None:
        super().__init__(*args, questions=telling_questions(pack), **kwargs)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if not self.errors and not data.get("what") and not self.answers():
            raise ValidationError("Answer a question or write what has changed.")
        return data


def telling_questions(pack: Pack) -> tuple[Question, ...]:
    """Those whose answer can make a case more urgent by the checklist; else all about safety."""
    weighed = pack.points.weights if pack.points else {}
    return tuple(q for q in pack.questions if (q.name in weighed if weighed else q.safety))


def _field_name(question: Question) -> str:
    return f"q_{question.name}"


def _question_field(question: Question) -> forms.Field:
    if question.kind == "text":
        return forms.CharField(
            required=False,
            max_length=MOST_WORDS,
            label=question.text,
            widget=forms.Textarea(attrs={"rows": 4}),
        )
    choices = [(choice.value, choice.text) for choice in question.choices]
    if question.kind == "choices":
        return forms.MultipleChoiceField(
            required=False,
            choices=choices,
            label=question.text,
            widget=forms.CheckboxSelectMultiple,
        )
    return forms.ChoiceField(
        required=False, choices=choices, label=question.text, widget=forms.RadioSelect
    )


def _grouped_sites(pack: Pack) -> list[tuple[str, Any]]:
    """The pack's sites in their order, under their groups' headings."""
    choices: list[tuple[str, Any]] = [("", "Choose a place")]
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
