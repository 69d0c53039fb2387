"""The report of a case, read back from the PDF: the page's words, its pictures, and no more."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from PIL import Image
from pypdf import PdfReader

from accounts.models import AuditEntry, Clinic, User
from diagnoses import workflow
from diagnoses.intake import clean
from diagnoses.models import Case
from diagnoses.report import printed, report_of
from diagnoses.workflow import NewPhoto
from mlservice.packs import load_pack
from tests import cases
from tests.cast import Cast
from tests.diagnoses.pages import Response
from tests.diagnoses.test_patient_pages import no_undo, signed

__all__ = ["no_undo"]
pytestmark = pytest.mark.usefixtures("media")
HARMLESS = "probably a common harmless growth"
NOT_YET = "Not signed yet: this is not an answer"


def report(client: Client, case: Case) -> Response:
    return client.get(reverse("case_report", args=[case.pk]))


def pdf(client: Client, case: Case) -> PdfReader:
    response = report(client, case)
    assert response.status_code == 200
    return PdfReader(io.BytesIO(response.content))


def words_of(paper: PdfReader) -> str:
    return re.sub(r"\s+", " ", " ".join(page.extract_text() for page in paper.pages))


def read(client: Client, case: Case) -> str:
    return words_of(pdf(client, case))


def images_of(paper: PdfReader) -> list[Any]:
    return [image.image for page in paper.pages for image in page.images]


# --- Whose ---------------------------------------------------------------------------------------


def test_it_is_for_the_patient_and_the_doctors_of_the_clinic(cast: Cast) -> None:
    case = cases.submitted(cast.ana)
    seen = {who: report(cast.client(p), case).status_code for who, p in cast.everyone().items()}
    allowed = {"ana", "ruth", "sam"}
    assert seen == {who: 200 if who in allowed else 404 for who in cast.everyone()}
    assert report(cast.client(), case).status_code == 302
    entries = AuditEntry.objects.filter(action="case.report")
    assert {entry.actor for entry in entries} == {cast.ana, cast.ruth, cast.sam}
    assert {entry.about for entry in entries} == {f"case:{case.pk}"}


def test_no_cache_keeps_it_and_its_name_tells_nothing_of_the_patient(cast: Cast) -> None:
    case = cases.submitted(cast.ana)
    response = report(cast.client(cast.ana), case)
    assert response["Content-Type"] == "application/pdf"
    assert response["Cache-Control"] == "private, no-store"
    name = f"lentigo-{case.reference}.pdf"
    assert response["Content-Disposition"] == f'attachment; filename="{name}"'


# --- What it says --------------------------------------------------------------------------------


def test_unsigned_it_says_that_it_is_no_answer(cast: Cast) -> None:
    cases.a_model_version()
    answers = cases.ALL_ANSWERED | {"note": "Smaller in *spring*. #panic()"}
    case = cases.scored(cases.submitted(cast.ana, answers=answers))
    words = read(cast.client(cast.ana), case)
    assert NOT_YET in words
    assert words.index(NOT_YET) < words.index(HARMLESS)
    assert "This is not an all-clear" in words
    for said in ("Ana Silva", "North", case.reference, "Smaller in *spring*. #panic()"):
        assert said in words
    assert load_pack("skin").intended_use.split(".")[0] in words
    assert "Page 1 of" in words
    prediction = case.prediction
    assert prediction is not None
    assert prediction.photo.sha256 in words.replace(" ", "")


def test_signed_the_answer_comes_first(cast: Cast, no_undo: None) -> None:
    cases.a_model_version()
    case = cases.scored(cases.submitted(cast.ana))
    signed(case, cast.ruth, "It is a mole.\n\nNothing to do.")
    words = read(cast.client(cast.ana), case)
    assert NOT_YET not in words
    order = ["It is a mole.", "Nothing to do.", "Nothing more needs to be done", "Signed by"]
    order += ["Ruth Okafor", "What you sent", "What the computer said before", HARMLESS]
    places = [words.index(said) for said in order if said != "Ruth Okafor"]
    assert places == sorted(places)
    assert "Ruth Okafor" in words


def test_within_the_seconds_to_undo_nothing_is_signed_yet(cast: Cast) -> None:
    cases.a_model_version()
    case = cases.scored(cases.submitted(cast.ana))
    signed(case, cast.ruth, "Secret for ten seconds.")
    for reader in (cast.ana, cast.sam):
        words = read(cast.client(reader), case)
        assert NOT_YET in words
        assert "Secret" not in words


def test_a_clinic_that_holds_the_computer_back_holds_it_back_on_paper(
    cast: Cast, no_undo: None
) -> None:
    Clinic.objects.filter(pk=cast.north.pk).update(release_policy=Clinic.Release.AFTER_REVIEW)
    cases.a_model_version()
    case = cases.scored(cases.submitted(cast.ana))
    words = read(cast.client(cast.ana), case)
    assert "Your clinic shows results after a doctor has looked at them" in words
    assert HARMLESS not in words
    assert "SHA-256" not in words
    signed(case, cast.ruth)
    assert HARMLESS in read(cast.client(cast.ana), case)


def test_a_doctor_who_has_not_read_the_case_gets_nothing_of_the_computers(cast: Cast) -> None:
    cases.a_model_version()
    case = cases.scored(cases.submitted(cast.ana))
    words = read(cast.client(cast.ruth), case)
    assert HARMLESS not in words
    assert "SHA-256" not in words
    workflow.read_first(case, cast.ruth, diagnosis="nv", confidence="sure", plan="reassure")
    assert HARMLESS in read(cast.client(cast.ruth), case)
    assert HARMLESS not in read(cast.client(cast.sam), case)


def test_a_withdrawn_case_says_so(cast: Cast) -> None:
    case = cases.submitted(cast.ana)
    workflow.withdraw(case, cast.ana)
    assert "Withdrawn: there is no answer" in read(cast.client(cast.ana), case)


# --- The paper -----------------------------------------------------------------------------------


def test_the_photo_is_in_it_smaller_and_with_words_for_who_cannot_see_it(cast: Cast) -> None:
    large = cases.encoded(Image.effect_noise((4000, 3000), 60).convert("RGB"), "JPEG", quality=80)
    case = cases.submitted(cast.ana, photos=[NewPhoto("close_up", clean(large))])
    response = report(cast.client(cast.ana), case)
    paper = PdfReader(io.BytesIO(response.content))
    assert [max(image.size) for image in images_of(paper)] == [1280]
    assert len(response.content) < 1_500_000
    catalog: Any = paper.trailer["/Root"]
    assert catalog["/MarkInfo"]["/Marked"]
    assert catalog["/Lang"].startswith("en")
    assert "Close-up" in str(alt_texts(catalog["/StructTreeRoot"]))


def alt_texts(node: Any) -> list[str]:
    """Of every element of a PDF's structure tree."""
    found = [str(node["/Alt"])] if "/Alt" in node else []
    kids = node.get("/K", [])
    for kid in kids if isinstance(kids, list) else [kids]:
        each = kid.get_object() if hasattr(kid, "get_object") else kid
        if isinstance(each, dict) and each.get("/Type") != "/MCR":
            found += alt_texts(each)
    return found


def test_a_name_is_printed_whatever_letters_it_has(cast: Cast) -> None:
    case = cases.submitted(cast.ana)
    User.objects.filter(pk=cast.ana.pk).update(name="Łukasz Đặng Ελένη Жанна")
    words = read(cast.client(cast.ana), case)
    assert "Łukasz Đặng Ελένη Жанна" in words
    assert "could not be printed" not in words
    assert case.lesion is not None
    workflow.name_mark(case.lesion, cast.ana, "左肩")  # no letters of the font's
    assert "Some letters could not be printed here" in read(cast.client(cast.ana), case)


def test_a_photo_that_is_gone_leaves_the_rest_of_the_report(cast: Cast) -> None:
    case = cases.submitted(cast.ana)
    case.photos.get().file.delete(save=False)
    paper = pdf(cast.client(cast.ana), case)
    assert images_of(paper) == []
    assert NOT_YET in words_of(paper)


def test_the_layout_speaks_no_language_of_its_own(cast: Cast) -> None:
    """Every word on the paper comes from the content, so that it can be translated."""
    case = cases.submitted(cast.ana)
    content = report_of(case, cast.ana)
    known = json.dumps(content.as_dict(), ensure_ascii=False) + " ".join(content.captions)
    known = re.sub(r"\s+", " ", known)
    words = words_of(PdfReader(io.BytesIO(printed(content))))
    strange = {word for word in re.findall(r"[A-Za-z]{4,}", words) if word not in known}
    assert strange <= {"Lentigo"}
