"""A referral letter on paper: what a doctor wrote, and what whoever sees the patient next needs."""

from __future__ import annotations

from django.utils.translation import get_language, gettext

from diagnoses import presenting, telling, triage
from diagnoses.models import Case, Letter, Review
from diagnoses.report.content import MISSING, PHOTOS, Part, Report, captions_of


def letter_on_paper(letter: Letter) -> Report:
    """The letter as a report's layout prints it. Nothing of the computer's is in it: a referral is
    the doctor's, and its numbers say nothing to who does not know the model."""
    case = letter.case
    photos = tuple(case.photos.all()[:PHOTOS]) if letter.with_photos else ()
    parts = (
        Part(gettext("To: {to}").format(to=letter.addressee), lines=_paragraphs(letter.words)),
        _diagnosis(case, letter),
        Part(gettext("The photos"), pictures=True) if photos else None,
        _answers(case),
        Part(
            gettext("What this is, and what it is not"),
            tone="small",
            lines=_paragraphs(case.pack.intended_use),
        ),
    )
    return Report(
        title=gettext("Referral"),
        clinic=case.clinic.name,
        language=(get_language() or "en").split("-")[0],
        made=gettext("Letter about case {reference}, {when}").format(
            reference=case.reference, when=presenting.dated(letter.created_at)
        ),
        page=gettext("Page {page} of {pages}"),
        missing=str(MISSING),
        facts=_facts(letter),
        parts=tuple(part for part in parts if part is not None),
        photos=photos,
        captions=captions_of(case, photos),
    )


def _answers(case: Case) -> Part:
    answers = tuple(telling.answers_of(case))
    none = () if answers else (gettext("No question was answered."),)
    return Part(gettext("What the patient said"), facts=answers, lines=none)


def _facts(letter: Letter) -> tuple[tuple[str, str], ...]:
    case = letter.case
    facts = [
        (gettext("Patient"), case.patient.name),
        *([(gettext("Looked after by"), case.patient.carer.name)] if case.patient.carer else []),
        *([(gettext("Telephone"), case.contact_e164)] if case.contact_e164 else []),
        (gettext("From"), f"{letter.doctor.name}, {case.clinic.name}"),
        (gettext("Date"), presenting.dated(letter.created_at)),
        (gettext("Case"), case.reference),
        (gettext("Place on the body"), case.place),
        (gettext("Photos sent on"), presenting.dated(case.submitted_at)),
    ]
    return tuple(facts)


def _diagnosis(case: Case, letter: Letter) -> Part:
    review, pack = letter.review, case.pack
    facts = [(gettext("Plan"), str(Review.Plan(review.plan).label))]
    if points := triage.by_answers(pack, case.answers).points:
        name = pack.points.name if pack.points else ""
        facts.append((name, str(points)))
    if not review.diagnosis:
        return Part(gettext("No diagnosis named"), facts=tuple(facts))
    label = pack.label(review.diagnosis)
    codes = [(code.upper().replace("ICD10", "ICD-10"), said) for code, said in label.codes.items()]
    heading = gettext("Suspected: {diagnosis}").format(diagnosis=label.title)
    return Part(heading, facts=(*codes, *facts))


def _paragraphs(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split("\n\n") if part.strip())
