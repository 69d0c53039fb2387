"""A case as FHIR, from its sending to its answer: what each resource says, and when."""

from __future__ import annotations

import json
import re
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from accounts import care, people
from accounts.models import Clinic, Consent, Relation
from diagnoses import erasure, workflow
from diagnoses.models import Case
from diagnoses.workflow import Answer, NewPhoto
from mlservice.models import ModelVersion
from mlservice.packs import load_pack
from tests.cases import AMBER, NOT_SURE, RED, a_model_version, photo, scored, submitted
from tests.cast import ANAS_NUMBER, Cast
from tests.diagnoses import fhir

pytestmark = pytest.mark.usefixtures("media")

SNOMED = "http://snomed.info/sct"
READING = {"diagnosis": "nv", "confidence": "sure", "plan": "reassure"}
HARMLESS = Answer("nv", "reassure", "A harmless mole.", note="Between us.", agrees=True)
OVERRULED = Answer(
    "mel", "refer_urgent", "Please see a specialist.", agrees=False, differs_because="Blue veil."
)
VIEW: dict[str, Any] = {
    "probabilities": {
        "mel": 0.6137, "nv": 0.2119, "bkl": 0.0873, "bcc": 0.0419,
        "akiec": 0.0231, "df": 0.0163, "vasc": 0.0058,
    },
    "top_label": "mel",
    "confidence": 0.6137,
    "no_disease": True,
    "label": "",
    "conformal_set": ["mel", "nv"],
    **RED,
    "risk": 0.6787,
}  # fmt: skip


@pytest.fixture(autouse=True)
def version(db: None) -> ModelVersion:
    return a_model_version()


def later(monkeypatch: pytest.MonkeyPatch, seconds: int = 11) -> None:
    """The seconds to undo a signature are over."""
    moment = timezone.now() + timedelta(seconds=seconds)
    monkeypatch.setattr(timezone, "now", lambda: moment)


def read_and_signed(case: Case, cast: Cast, answer: Answer = HARMLESS) -> Case:
    workflow.read_first(case, cast.ruth, **READING)
    workflow.sign(case, cast.ruth, answer)
    case.refresh_from_db()
    return case


def status_of(cast: Cast, case: Case) -> dict[str, str]:
    """The status of the report as each reads it, and they are the same."""
    seen = [fhir.bundle(cast.api(who), case) for who in (cast.ana, cast.ruth)]
    found = [
        {kind: fhir.the(each, kind)["status"] for kind in ("ServiceRequest", "DiagnosticReport")}
        for each in seen
    ]
    assert found[0] == found[1]
    return found[0]


def component(resource: fhir.Resource, words: str) -> Any:
    [found] = [
        next(value for name, value in part.items() if name.startswith("value"))
        for part in resource["component"]
        if part["code"]["text"] == words
    ]
    return found


# --- All of it -----------------------------------------------------------------------------------


def test_a_case_is_told_whole_and_every_reference_is_in_it(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = scored(submitted(cast.ana), **AMBER)
    workflow.ask(case, cast.ana, "Is it bad?", uuid.uuid4())
    workflow.request_retake(case, cast.ruth, ["blurred"], "Closer, please.", uuid.uuid4())
    workflow.retake(case, cast.ana, [NewPhoto("dermoscopic", photo(2))], uuid.uuid4())
    scored(case)
    read_and_signed(case, cast)
    later(monkeypatch)
    for who in (cast.ana, cast.ruth):
        api = cast.api(who)
        whole = fhir.read(api, f"Bundle/{case.pk}")
        assert (whole["type"], whole["id"]) == ("collection", str(case.pk))
        resources = [entry["resource"] for entry in whole["entry"]]
        there = {f"{one['resourceType']}/{one['id']}" for one in resources}
        assert {one["resourceType"] for one in resources} == set(fhir.KINDS)
        assert set(fhir.references(whole)) <= there
        assert len(there) == len(resources), "each stands in it once"
        for entry in whole["entry"]:
            assert fhir.read(api, entry["fullUrl"]) == entry["resource"], "and at its own address"


def test_what_the_standard_asks_holds_in_every_state(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``fhir.read`` holds each to it; a status in this order."""
    case = submitted(cast.ana)
    assert status_of(cast, case) == {"ServiceRequest": "active", "DiagnosticReport": "registered"}
    scored(case, **AMBER)
    open_ = {"ServiceRequest": "active", "DiagnosticReport": "partial"}
    assert status_of(cast, case) == open_
    read_and_signed(case, cast)
    assert status_of(cast, case) == open_, "it can still be taken back"
    later(monkeypatch)
    done = {"ServiceRequest": "completed", "DiagnosticReport": "final"}
    assert status_of(cast, case) == done
    workflow.amend(case, cast.ruth, OVERRULED, after=case.reviews.get())
    assert status_of(cast, case) == done | {"DiagnosticReport": "amended"}


def test_a_withdrawn_case_is_revoked_and_tells_the_patient_no_view(cast: Cast) -> None:
    case = scored(submitted(cast.ana))
    workflow.withdraw(case, cast.ana)
    case.refresh_from_db()
    assert status_of(cast, case) == {
        "ServiceRequest": "revoked",
        "DiagnosticReport": "cancelled",
    }
    assert not fhir.of_kind(fhir.bundle(cast.api(cast.ana), case), "Observation")


def test_a_signature_that_was_taken_back_never_was(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = read_and_signed(scored(submitted(cast.ana)), cast)
    workflow.undo_signature(case, cast.ruth)
    later(monkeypatch)
    told = fhir.bundle(cast.api(cast.ruth), case)
    report = fhir.the(told, "DiagnosticReport")
    assert report["status"] == "partial"
    assert not {"conclusion", "conclusionCode", "issued"} & report.keys()
    assert "A harmless mole" not in json.dumps(told)


# --- The computer's view -------------------------------------------------------------------------


def test_the_flag_is_told_with_its_threshold_and_names_no_disease(
    cast: Cast, version: ModelVersion
) -> None:
    case = scored(submitted(cast.ana), **VIEW)
    workflow.read_first(case, cast.ruth, **READING)
    told = fhir.bundle(cast.api(cast.ruth), case)
    view = fhir.the(told, "Observation", "-check")
    assert view["status"] == "preliminary"
    assert view["valueCodeableConcept"] == {
        "text": "No disease named (under 80 % sure). This is not an all-clear."
    }
    assert component(view, "No disease named, by the rule of the threshold") is True
    assert component(view, "Confidence in the likeliest class")["value"] == 0.6137
    assert component(view, "Threshold of the rule")["value"] == 0.8
    assert component(view, "Risk: all harmful classes together")["value"] == 0.6787
    assert component(view, "Urgency by this view") == {"text": "red"}
    likeliest = component(view, "Likeliest class")
    assert likeliest == {"text": "Melanoma", "coding": [{"system": SNOMED, "code": "93655004"}]}
    assert component(view, "Basal cell carcinoma")["value"] == 0.0419
    pack = load_pack("skin")
    assert [one["text"] for one in view["interpretation"]] == [pack.reasons["risk_r95"]]
    assert "performer" not in view, "no person said it"
    network = fhir.the(told, "Device")
    assert view["device"] == {"reference": f"Device/{network['id']}"}
    assert network["id"] == version.manifest_hash
    assert [one["value"] for one in network["version"]][1] == version.weights_hash
    assert network["note"][0]["text"] == pack.intended_use.strip()
    assert fhir.the(told, "ServiceRequest")["priority"] == "urgent"


def test_just_under_the_threshold_is_under_it(cast: Cast) -> None:
    case = scored(submitted(cast.ana), **NOT_SURE)
    workflow.read_first(case, cast.ruth, **READING)
    view = fhir.the(fhir.bundle(cast.api(cast.ruth), case), "Observation", "-check")
    assert component(view, "Confidence in the likeliest class")["value"] == 0.7999
    assert component(view, "No disease named, by the rule of the threshold") is True


@pytest.mark.parametrize(
    ("label", "code"),
    [("mel", "93655004"), ("nv", "400010006"), ("bcc", "254701007")]
    + [(name, None) for name in ("akiec", "bkl", "df", "vasc")],
)
def test_only_what_was_verified_has_a_code(cast: Cast, label: str, code: str | None) -> None:
    case = scored(submitted(cast.ana), top_label=label, label=label, conformal_set=[label])
    workflow.read_first(case, cast.ruth, **READING)
    view = fhir.the(fhir.bundle(cast.api(cast.ruth), case), "Observation", "-check")
    value = view["valueCodeableConcept"]
    assert value["text"] == load_pack("skin").label(label).title
    assert value.get("coding") == ([{"system": SNOMED, "code": code}] if code else None)
    codes = {code for system, code in fhir.codings(view) if system == SNOMED}
    assert codes - {"93655004", "400010006", "254701007"} == (
        {"201101007"} if label == "akiec" else set()
    ), "of a class that pools diagnoses, one of them"


def test_a_photo_with_nothing_to_judge_has_no_numbers(cast: Cast) -> None:
    case = scored(
        submitted(cast.ana), modality="no_lesion", label="", picture_tier="amber", reasons=[]
    )
    workflow.read_first(case, cast.ruth, **READING)
    view = fhir.the(fhir.bundle(cast.api(cast.ruth), case), "Observation", "-check")
    assert "valueCodeableConcept" not in view
    absent = view["dataAbsentReason"]["text"]
    assert absent == "Nothing named, because it finds no mark in this photo"
    assert "valueQuantity" not in json.dumps(view)


def test_an_unscored_case_has_no_view_and_no_urgency(cast: Cast) -> None:
    case = submitted(cast.ana, computer_check=False)
    told = fhir.bundle(cast.api(cast.ruth), case)
    assert not fhir.of_kind(told, "Observation")
    assert not fhir.of_kind(told, "Device")
    assert "priority" not in fhir.the(told, "ServiceRequest")
    assert fhir.the(told, "DiagnosticReport")["status"] == "partial"


# --- The doctor's answer -------------------------------------------------------------------------


def test_the_doctor_who_agrees_makes_the_view_final(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = read_and_signed(scored(submitted(cast.ana)), cast)
    later(monkeypatch)
    told = fhir.bundle(cast.api(cast.sam), case)
    report = fhir.the(told, "DiagnosticReport")
    naevus = {
        "text": "Melanocytic naevus",
        "coding": [{"system": SNOMED, "code": "400010006"}],
    }
    assert report["conclusionCode"] == [naevus]
    assert "A harmless mole." in report["conclusion"]
    assert report["resultsInterpreter"] == [{"type": "Practitioner", "display": "Ruth Okafor"}]
    assert fhir.the(told, "Observation", "-check")["status"] == "final"
    finding = fhir.the(told, "Observation", "-finding")
    assert (finding["status"], finding["valueCodeableConcept"]) == ("final", naevus)
    assert "Between us." in json.dumps(finding["note"])
    results = {one["reference"].rpartition("-")[2] for one in report["result"]}
    assert results == {"urgency", "check", "finding"}


def test_the_doctor_who_differs_leaves_it_preliminary_and_says_why(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = read_and_signed(scored(submitted(cast.ana)), cast, OVERRULED)
    later(monkeypatch)
    told = fhir.bundle(cast.api(cast.ruth), case)
    view = fhir.the(told, "Observation", "-check")
    assert view["status"] == "preliminary"
    assert view["valueCodeableConcept"]["text"] == "Melanocytic naevus", "what it said, it said"
    notes = json.dumps(view["note"], ensure_ascii=False)
    assert "The doctor’s answer counts." in notes
    assert "Blue veil." in notes
    finding = fhir.the(told, "Observation", "-finding")
    assert finding["valueCodeableConcept"]["coding"][0]["code"] == "93655004"
    assert finding["performer"] == [{"type": "Practitioner", "display": "Ruth Okafor"}]
    assert "device" not in finding


def test_an_answer_that_was_amended_counts_alone(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = read_and_signed(scored(submitted(cast.ana)), cast)
    later(monkeypatch)
    workflow.amend(case, cast.sam, OVERRULED, after=case.reviews.get())
    told = fhir.bundle(cast.api(cast.ruth), case)
    finding = fhir.the(told, "Observation", "-finding")
    assert finding["status"] == fhir.the(told, "DiagnosticReport")["status"] == "amended"
    assert finding["performer"][0]["display"] == "Sam Patel"
    assert "A harmless mole." not in json.dumps(told)


# --- What the patient reads ----------------------------------------------------------------------


def test_the_patient_reads_words_and_no_numbers(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = scored(submitted(cast.ana), **NOT_SURE)
    told = fhir.bundle(cast.api(cast.ana), case)
    [view] = fhir.of_kind(told, "Observation")
    assert view["valueCodeableConcept"] == {
        "text": "No disease found by the automatic check. This is not an all-clear."
    }
    assert view["status"] == "preliminary"
    assert not {"component", "interpretation"} & view.keys()
    assert NOT_SURE["confidence"] not in fhir.numbers(told)
    assert "priority" not in fhir.the(told, "ServiceRequest")
    read_and_signed(case, cast)
    assert NOT_SURE["confidence"] in fhir.numbers(fhir.bundle(cast.api(cast.ruth), case))
    later(monkeypatch)
    told = fhir.bundle(cast.api(cast.ana), case)
    report = fhir.the(told, "DiagnosticReport")
    assert report["conclusion"].splitlines() == [
        "A harmless mole.",
        "Nothing more needs to be done now.",
    ]
    assert "conclusionCode" not in report, "the doctor chose how to say it"
    whole = json.dumps(told, ensure_ascii=False)
    assert "Between us." not in whole
    [view] = fhir.of_kind(told, "Observation")
    assert view["status"] == "preliminary"
    assert "The doctor’s answer counts." in whole


def test_what_the_clinic_holds_back_is_not_there_before_the_answer(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    Clinic.objects.filter(pk=cast.north.pk).update(release_policy=Clinic.Release.AFTER_REVIEW)
    case = scored(submitted(cast.ana), **VIEW)
    api = cast.api(cast.ana)
    assert not fhir.of_kind(fhir.bundle(api, case), "Observation")
    assert fhir.search(api, "Observation") == []
    assert api.get(f"{fhir.BASE}/Observation/{case.pk}-check").status_code == 404
    read_and_signed(case, cast)
    assert fhir.search(api, "Observation") == [], "nor while the signature can be undone"
    later(monkeypatch)
    [view] = fhir.of_kind(fhir.bundle(api, case), "Observation")
    assert view["id"] == f"{case.pk}-check"


def test_the_view_is_closed_to_a_doctor_who_has_not_read(cast: Cast) -> None:
    case = scored(submitted(cast.ana), **VIEW)
    workflow.read_first(case, cast.ruth, **READING)
    api = cast.api(cast.sam)
    told = fhir.bundle(api, case)
    [urgency] = fhir.of_kind(told, "Observation")
    assert urgency["id"] == f"{case.pk}-urgency"
    assert urgency["valueCodeableConcept"] == {"text": "red"}
    assert not {*VIEW["probabilities"].values(), VIEW["risk"]} & fhir.numbers(told)
    assert not fhir.of_kind(told, "Device")
    assert api.get(f"{fhir.BASE}/Observation/{case.pk}-check").status_code == 404
    seen = fhir.search(cast.api(cast.ruth), "Observation")
    assert len(seen) == 2
    assert {*VIEW["probabilities"].values(), VIEW["risk"]} <= fhir.numbers(seen)
    assert fhir.search(api, "Observation") == [urgency]


# --- Who, where, which photos, what was said -----------------------------------------------------


def test_photos_are_named_and_not_carried(cast: Cast) -> None:
    case = submitted(cast.ana)
    [picture] = case.photos.all()
    api = cast.api(cast.ruth)
    media = fhir.the(fhir.bundle(api, case), "Media")
    assert "data" not in media["content"]
    assert media["content"]["url"].startswith("http://testserver/api/v1/")
    assert media["identifier"][0]["value"] == picture.sha256
    assert (media["width"], media["height"]) == (picture.width, picture.height)
    shown = api.get(media["content"]["url"])
    assert shown["Content-Type"] == media["content"]["contentType"]


def test_where_it_is_is_told_in_words(cast: Cast) -> None:
    case = submitted(cast.ana, site="hand", side="left")
    told = fhir.bundle(cast.api(cast.ruth), case)
    assert fhir.the(told, "ServiceRequest")["bodySite"] == [{"text": "Hand, left"}]
    assert fhir.the(told, "BodyStructure")["location"] == {"text": "Hand"}
    assert fhir.the(told, "Media")["bodySite"] == {"text": "Hand, left"}


def test_a_wish_for_a_new_photo_is_told_until_it_comes(cast: Cast) -> None:
    case = scored(submitted(cast.ana))
    workflow.request_retake(case, cast.ruth, ["blurred"], "Closer, please.", uuid.uuid4())
    told = fhir.bundle(cast.api(cast.ana), case)
    wish = fhir.the(told, "Communication")
    assert wish["category"] == [{"text": "Request for a new photo"}]
    assert wish["reasonCode"] == [{"text": "it is blurred"}]
    assert wish["payload"][-1] == {"contentString": "Closer, please."}
    assert wish["sender"] == {"type": "Practitioner", "display": "Ruth Okafor"}
    assert "It has not come yet." in json.dumps(fhir.the(told, "ServiceRequest")["note"])
    workflow.retake(case, cast.ana, [NewPhoto("dermoscopic", photo(2))], uuid.uuid4())
    told = fhir.bundle(cast.api(cast.ana), case)
    assert "It has not come yet." not in json.dumps(fhir.the(told, "ServiceRequest")["note"])
    assert len(fhir.of_kind(told, "Media")) == 2


def test_a_program_that_reads_does_not_read_for_anybody(cast: Cast) -> None:
    case = scored(submitted(cast.ana))
    workflow.ask(case, cast.ana, "Is it bad?", uuid.uuid4())
    fhir.bundle(cast.api(cast.ruth), case)
    fhir.search(cast.api(cast.ruth), "Communication")
    unread = cast.api(cast.ruth).get(f"/api/v1/cases/{case.pk}/messages/").json()["unread"]
    assert unread == 1


def test_a_person_has_a_name_and_neither_number_nor_address(cast: Cast) -> None:
    case = submitted(cast.ana, contact_e164=ANAS_NUMBER)
    for who in (cast.ana, cast.ruth):
        told = fhir.bundle(cast.api(who), case)
        person = fhir.the(told, "Patient")
        assert person["name"] == [{"use": "usual", "text": "Ana Silva"}]
        assert person["id"] == str(cast.ana.public_id)
        whole = json.dumps(told)
        assert ANAS_NUMBER not in whole
        assert "@example.org" not in whole


def test_who_acts_for_somebody_is_named(cast: Cast) -> None:
    child = care.look_after(cast.ana, "Dee Fry", Relation.CHILD)
    people.give_consent(child, Consent.Kind.CARE)
    case = submitted(child, computer_check=False)
    told = fhir.bundle(cast.api(cast.ana), case)
    assert fhir.the(told, "Patient")["contact"][0]["name"] == {"text": "Ana Silva"}
    requester = fhir.the(told, "ServiceRequest")["requester"]
    assert requester == {"type": "RelatedPerson", "display": "Ana Silva"}


def test_of_who_was_erased_a_tombstone_is_left(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    case = read_and_signed(scored(submitted(cast.ana)), cast)
    later(monkeypatch)
    erasure.ask(cast.ana, after_answers=False)
    later(monkeypatch, 8 * 24 * 3600)
    cast.ana.refresh_from_db()
    type(cast.ana).objects.filter(pk=cast.ana.pk).update(
        erase_asked_at=timezone.now() - timedelta(days=400)
    )
    assert erasure.erase(cast.ana)
    told = fhir.bundle(cast.api(cast.ruth), case)
    person = fhir.the(told, "Patient")
    assert person["active"] is False
    assert person["name"][0]["use"] == "anonymous"
    assert "Silva" not in json.dumps(told)
    assert fhir.the(told, "DiagnosticReport")["status"] == "final"


# --- Another disease area ------------------------------------------------------------------------


def test_a_second_disease_area_is_told_in_its_own_words(cast: Cast) -> None:
    a_model_version(pack="chest")
    case = submitted(
        cast.ana,
        pack_name="chest",
        site=load_pack("chest").sites[0].name,
        photos=[NewPhoto(load_pack("chest").photo_kinds[0].name, photo(3))],
        answers={},
    )
    scored(
        case,
        probabilities={"pneumonia": 0.9, "normal": 0.1},
        top_label="pneumonia",
        label="pneumonia",
        confidence=0.9,
        risk=0.9,
        modality="radiograph",
        conformal_set=["pneumonia"],
        picture_tier="red",
        reasons=["risk_r95"],
    )
    workflow.read_first(
        case, cast.ruth, diagnosis="pneumonia", confidence="sure", plan="refer_urgent"
    )
    told = fhir.bundle(cast.api(cast.ruth), case)
    view = fhir.the(told, "Observation", "-check")
    title = load_pack("chest").label("pneumonia").title
    assert view["valueCodeableConcept"] == {"text": title}
    assert not [code for system, code in fhir.codings(view) if system == SNOMED]
    assert component(view, title)["value"] == 0.9


# --- What is written about it --------------------------------------------------------------------


def shape(resource: fhir.Resource) -> fhir.Resource:
    """Without what is drawn anew each time: ids, hashes and moments."""
    words = json.dumps(resource)
    for drawn in (
        r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        r"[0-9a-f]{64}",
        r"\d{4}-\d\d-\d\dT[\d:.]+Z",
    ):
        words = re.sub(drawn, "…", words)
    found: fhir.Resource = json.loads(words)
    return found


def test_the_example_is_what_is_served_and_every_kind_is_explained(cast: Cast) -> None:
    case = scored(submitted(cast.ana), **VIEW)
    workflow.read_first(case, cast.ruth, **READING)
    served = fhir.read(cast.api(cast.ruth), f"Observation/{case.pk}-check")
    page = (Path(__file__).parents[2] / "docs" / "fhir.md").read_text()
    [example] = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL)]
    fhir.hold_to_the_standard(example)
    assert shape(example) == shape(served)
    for kind in fhir.KINDS:
        assert f"| `{kind}`" in page
