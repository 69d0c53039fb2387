"""Searching as FHIR: pages without gaps, what can be asked and what not, and whose it all is."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AuditEntry, User
from diagnoses import workflow
from diagnoses.models import Case
from diagnoses.workflow import Answer, NewPhoto
from mlservice.models import ModelVersion
from tests.cases import a_model_version, in_the_shadow, photo, scored, submitted
from tests.cast import Cast
from tests.diagnoses import fhir, sharing

pytestmark = pytest.mark.usefixtures("media")
READING = {"diagnosis": "nv", "confidence": "sure", "plan": "reassure"}


@pytest.fixture(autouse=True)
def version(db: None) -> ModelVersion:
    return a_model_version()


def some_cases(cast: Cast, count: int = 5) -> list[Case]:
    """Of Ana's and Bo's in turn; some with two photos, words and Ruth's reading. Oldest first."""
    found = []
    for number in range(count):
        photos = [NewPhoto("dermoscopic", photo(seed)) for seed in range(1, 2 + number % 2)]
        patient = cast.bo if number % 2 else cast.ana
        case = submitted(patient, photos=photos, computer_check=patient == cast.ana)
        if patient == cast.ana:
            scored(case)
            workflow.ask(case, cast.ana, "Is it bad?", uuid.uuid4())
            workflow.ask(case, cast.ruth, "We will see.", uuid.uuid4())
        if number % 3 == 0:
            workflow.read_first(case, cast.ruth, **READING)
        found.append(case)
    return found


def refused(response: Any, status: int, code: str, own: str) -> str:
    """The sentence of a refusal."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/fhir+json"
    body = json.loads(response.content)
    fhir.hold_to_the_standard(body)
    [issue] = body["issue"]
    assert (body["resourceType"], issue["severity"]) == ("OperationOutcome", "error")
    assert issue["code"] == code
    assert issue["details"]["coding"] == [{"code": own}]
    words: str = issue["details"]["text"]
    assert words.endswith((".", "Z")), words
    return words


# --- Pages ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", fhir.KINDS)
def test_pages_hold_everything_once_and_no_more_than_was_asked(cast: Cast, kind: str) -> None:
    some_cases(cast)
    api = cast.api(cast.ruth)
    whole = [one["id"] for one in fhir.search(api, kind, _count="100")]
    assert len(whole) == len(set(whole)) > 0
    for count in (1, 2, 3):
        found = list(fhir.pages(api, kind, _count=str(count)))
        assert max(map(len, found)) <= count
        assert [one["id"] for page in found for one in page] == whole


def test_pages_go_on_over_cases_that_have_none_of_it(cast: Cast) -> None:
    cases = [scored(submitted(cast.ana)) for _ in range(6)]
    workflow.read_first(cases[0], cast.ruth, **READING)
    for case in cases[1:5]:
        workflow.withdraw(case, cast.ana)  # for a doctor who has not read it: no observation
    found = [one["id"] for page in fhir.pages(cast.api(cast.ruth), "Observation", _count="1")
             for one in page]  # fmt: skip
    assert found == [f"{cases[5].pk}-urgency", f"{cases[0].pk}-urgency", f"{cases[0].pk}-check"]


def test_a_case_that_comes_between_two_pages_takes_none_away(cast: Cast) -> None:
    first = [submitted(cast.ana) for _ in range(3)]
    following = fhir.pages(cast.api(cast.ana), "ServiceRequest", _count="1")
    found = [next(following)[0]["id"]]
    submitted(cast.ana)
    found += [one["id"] for page in following for one in page]
    assert found == [str(case.pk) for case in reversed(first)]


def test_a_page_costs_the_same_for_one_case_and_for_many(cast: Cast) -> None:
    some_cases(cast, 3)
    apis = {who: cast.api(who) for who in (cast.ruth, cast.ana)}

    def costs() -> dict[tuple[str, str], int]:
        found = {}
        for who, api in apis.items():
            for kind in fhir.KINDS:
                fhir.read(api, kind)
                with CaptureQueriesContext(connection) as captured:
                    fhir.read(api, kind)
                found[who.name, kind] = len(captured)
        return found

    few = costs()
    some_cases(cast, 12)
    assert costs() == few
    assert max(few.values()) <= 6


# --- What can be asked ---------------------------------------------------------------------------


def test_searches_by_patient_case_and_id(cast: Cast) -> None:
    cases = some_cases(cast, 4)
    api = cast.api(cast.ruth)
    anas = {str(case.pk) for case in cases if case.patient == cast.ana}
    by_patient = {"patient": f"Patient/{cast.ana.public_id}"}
    whole_address = {"subject": f"http://testserver/api/fhir/Patient/{cast.ana.public_id}"}
    for query in (by_patient, whole_address, {"patient": str(cast.ana.public_id)}):
        assert {one["id"] for one in fhir.search(api, "ServiceRequest", **query)} == anas
    assert len(fhir.search(api, "BodyStructure", **by_patient)) == len(anas)
    one = cases[0]
    for kind in ("DiagnosticReport", "Observation", "Media", "Communication"):
        found = fhir.search(api, kind, **{"based-on": f"ServiceRequest/{one.pk}"})
        assert found
        assert all(each["basedOn"][0]["reference"].endswith(str(one.pk)) for each in found)
        [again] = fhir.search(api, kind, _id=found[-1]["id"])
        assert again == found[-1]
    for words in (one.reference, one.pk.urn, f"urn:ietf:rfc:3986|{one.pk.urn}", str(one.pk)):
        [found_one] = fhir.search(api, "ServiceRequest", identifier=words)
        assert found_one["id"] == str(one.pk)
    assert fhir.search(api, "ServiceRequest", identifier="00000000") == []
    assert fhir.search(api, "Patient", _id="nobody") == []
    assert fhir.search(api, "Device", _id="0" * 64) == []


def test_the_links_say_what_was_asked(cast: Cast) -> None:
    some_cases(cast, 4)
    query = {"patient": str(cast.ana.public_id), "_count": "1"}
    page = fhir.read(cast.api(cast.ruth), "Media", **query)
    links = {link["relation"]: link["url"] for link in page["link"]}
    asked = f"http://testserver/api/fhir/Media?patient={cast.ana.public_id}&_count=1"
    assert links["self"] == asked
    assert links["next"].startswith(f"{asked}&_page=")


def test_what_is_new_since_a_moment(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer is new when it can no longer be taken back, and not when it was signed."""
    before = timezone.now()
    case, quiet = scored(submitted(cast.ana)), submitted(cast.ana)

    def found(since: Any, who: User = cast.ana, how: str = "gt") -> set[str]:
        query = {"_lastUpdated": f"{how}{since.isoformat()}"}
        return {one["id"] for one in fhir.search(cast.api(who), "DiagnosticReport", **query)}

    assert found(before) == {str(case.pk), str(quiet.pk)}
    last = fhir.read(cast.api(cast.ana), f"DiagnosticReport/{quiet.pk}")["meta"]["lastUpdated"]
    exactly = datetime.fromisoformat(last)
    assert (found(exactly), found(exactly, how="ge")) == (set(), {str(quiet.pk)})
    moment = timezone.now()
    assert found(moment) == set()
    workflow.read_first(case, cast.ruth, **READING)
    assert found(moment, cast.ruth) == {str(case.pk)}, "her reading has opened the view"
    assert found(moment, cast.sam) == set()
    workflow.sign(case, cast.ruth, Answer("nv", "reassure", "Harmless."))
    assert found(moment) == set()
    after = timezone.now() + timedelta(seconds=11)
    monkeypatch.setattr(timezone, "now", lambda: after)
    assert found(moment) == {str(case.pk)}
    # As most programs write it; whole seconds would take in what came earlier in the same one.
    written = f"gt{moment:%FT%T.%fZ}"
    [report] = fhir.search(cast.api(cast.ana), "DiagnosticReport", _lastUpdated=written)
    assert report["meta"]["lastUpdated"] > moment.isoformat()


# --- What is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "own"),
    [
        ("birthdate=1980-01-01", "not_supported"),
        ("_include=Media:subject", "not_supported"),
        ("_count=0", "invalid"),
        ("_count=many", "invalid"),
        ("_count=1&_count=2", "invalid"),
        ("patient=Ana", "invalid"),
        ("patient=Patient/1", "invalid"),
        ("identifier=x", "invalid"),
        ("_lastUpdated=yesterday", "invalid"),
        ("_lastUpdated=gt2026-13-45T09:00Z", "invalid"),
        ("_lastUpdated=gt2026-11-28T09:00", "invalid"),
        ("_lastUpdated=lt2026-11-28T09:00Z", "invalid"),
        ("_page=x", "invalid"),
        ("_page=%00", "invalid"),
        ("_page=W10", "invalid"),
        ("_page=WyJ4IiwgInkiLCAieiJd", "invalid"),
        ("_page=" + "W1tb" * 900, "invalid"),
    ],
)
def test_what_is_not_understood_is_refused_with_a_sentence(
    cast: Cast, query: str, own: str
) -> None:
    refused(cast.api(cast.ana).get(f"{fhir.BASE}/ServiceRequest?{query}"), 400, "invalid", own)


def test_every_refusal_is_an_outcome(cast: Cast) -> None:
    api, nobody, key = cast.api(cast.ana), cast.api(), uuid.uuid4()
    case = submitted(cast.ana)
    refused(nobody.get(f"{fhir.BASE}/Patient"), 401, "login", "not_authenticated")
    refused(api.get(f"{fhir.BASE}/Patient/{key}"), 404, "not-found", "not_found")
    refused(api.get(f"{fhir.BASE}/Bundle/{key}"), 404, "not-found", "not_found")
    refused(api.get(f"{fhir.BASE}/Observation/x"), 404, "not-found", "not_found")
    refused(api.get(f"{fhir.BASE}/Encounter/{key}"), 404, "not-found", "not_found")
    refused(nobody.get(f"{fhir.BASE}/"), 404, "not-found", "not_found")
    address = f"{fhir.BASE}/ServiceRequest/{case.pk}"
    for method in (api.post, api.put, api.patch, api.delete):
        refused(method(address), 405, "not-supported", "method_not_allowed")
    xml = api.get(address, headers={"Accept": "application/fhir+xml"})
    refused(xml, 406, "not-supported", "not_acceptable")
    refused(api.get(f"{address}?_format=xml"), 406, "not-supported", "not_acceptable")
    for accepted in ("application/json", "application/fhir+json; fhirVersion=4.0", "*/*"):
        assert api.get(address, headers={"Accept": accepted}).status_code == 200


def test_the_server_says_what_it_can(cast: Cast) -> None:
    told = fhir.read(cast.api(), "metadata")
    assert told["fhirVersion"] == "4.0.1"
    [rest] = told["rest"]
    assert [one["type"] for one in rest["resource"]] == [*fhir.KINDS, "Bundle"]
    api = cast.api(cast.ana)
    for one in rest["resource"][:-1]:
        for parameter in one["searchParam"]:
            refusal = api.get(f"{fhir.BASE}/{one['type']}?{parameter['name']}=x&_count=1")
            assert "does not know" not in refusal.content.decode()


# --- Whose it is ---------------------------------------------------------------------------------


def ids_of(cast: Cast, who: User) -> dict[str, set[str]]:
    return {
        kind: {one["id"] for one in fhir.search(cast.api(who), kind, _count="100")}
        for kind in fhir.KINDS
    }


def test_lists_hold_ones_own_and_nothing_else(cast: Cast) -> None:
    cases = some_cases(cast)
    doctors, anas, bos = (ids_of(cast, who) for who in (cast.ruth, cast.ana, cast.bo))
    for kind in ("ServiceRequest", "DiagnosticReport", "Media", "BodyStructure", "Communication"):
        assert anas[kind] | bos[kind] == doctors[kind]
        assert not anas[kind] & bos[kind]
    of_ana = {str(case.pk) for case in cases if case.patient == cast.ana}
    assert anas["ServiceRequest"] == of_ana
    assert anas["Patient"] == {str(cast.ana.public_id)}
    assert doctors["Patient"] == {str(who.public_id) for who in (cast.ana, cast.bo)}
    for stranger in (cast.xu, cast.uma, cast.ada, cast.root):
        assert not any(ids_of(cast, stranger).values()), stranger


def test_what_is_anothers_is_not_there(cast: Cast) -> None:
    case = some_cases(cast, 1)[0]
    whole = fhir.bundle(cast.api(cast.ruth), case)
    for stranger in (cast.bo, cast.xu, cast.uma, cast.ada, cast.root):
        api = cast.api(stranger)
        refused(api.get(f"{fhir.BASE}/Bundle/{case.pk}"), 404, "not-found", "not_found")
        for one in whole:
            address = f"{fhir.BASE}/{one['resourceType']}/{one['id']}"
            refused(api.get(address), 404, "not-found", "not_found")


def test_a_case_that_is_only_shared_is_not_copied(cast: Cast) -> None:
    case = sharing.a_case(cast)
    share = sharing.read(cast, case)
    api = cast.api(cast.xu)
    assert api.get(f"/api/v1/cases/{share.case_id}").status_code == 200
    refused(api.get(f"{fhir.BASE}/Bundle/{case.pk}"), 404, "not-found", "not_found")
    assert not any(ids_of(cast, cast.xu).values())


def test_of_a_candidate_in_the_shadow_nothing_is_told(cast: Cast, version: ModelVersion) -> None:
    other = a_model_version(version="other", state=ModelVersion.State.REGISTERED)
    in_the_shadow(other, cast.root)
    scored(submitted(cast.ana))
    assert ids_of(cast, cast.ana)["Device"] == {version.manifest_hash}


def test_what_was_read_stands_in_the_trail(cast: Cast) -> None:
    case = scored(submitted(cast.ana))
    about = f"case:{case.pk}"
    lines = AuditEntry.objects.filter(actor=cast.ruth)

    def told(read: Callable[[], object]) -> set[tuple[str, str]]:
        before = set(lines.values_list("pk", flat=True))
        read()
        new = lines.exclude(pk__in=before)
        assert {entry.detail["where"] for entry in new} == {"fhir"}
        return {(entry.action, entry.about) for entry in new}

    api = cast.api(cast.ruth)
    opened = {("case.viewed", about)}
    assert told(lambda: fhir.read(api, f"ServiceRequest/{case.pk}")) == opened
    assert told(lambda: fhir.read(api, "Media")) == opened
    assert told(lambda: fhir.read(api, f"Bundle/{case.pk}")) == {("case.exported", about)}
    user = f"user:{cast.ana.pk}"
    assert told(lambda: fhir.read(api, "Patient")) == {("person.read", user)}
    mark = f"lesion:{case.lesion_id}"
    assert told(lambda: fhir.read(api, "BodyStructure")) == {("lesion.viewed", mark)}
    page = cast.client(cast.ana).get("/account/looked/").content.decode()
    assert "took a copy of the case along" in page


def test_nobody_keeps_it_on_the_way(cast: Cast) -> None:
    case = submitted(cast.ana)
    for client in (cast.api(cast.ana), cast.client(cast.ana)):
        answer = client.get(f"{fhir.BASE}/Bundle/{case.pk}")
        assert answer.status_code == 200
        assert "no-store" in answer["Cache-Control"]
