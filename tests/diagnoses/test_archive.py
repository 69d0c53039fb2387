"""A case is taken along, and brought to another portal: what goes, and what comes."""

from __future__ import annotations

import io
import json
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.urls import reverse
from PIL import Image
from pytest_django import Settings

from accounts import people
from accounts.models import AuditEntry, Consent, User
from diagnoses import erasure, everything, workflow
from diagnoses.archive import taking
from diagnoses.models import Case, CaseImport, Photo
from diagnoses.workflow import Answer, NewPhoto
from mlservice.models import ModelVersion
from tests.cases import RED, a_model_version, photo, scored, submitted
from tests.cast import PASSWORD, Cast
from tests.diagnoses import fhir
from tests.diagnoses.archives import brought, changed, files_of, listed, packed, taken, told

pytestmark = pytest.mark.usefixtures("media")
NOTE = "Between us doctors."


@pytest.fixture(autouse=True)
def version(db: None, settings: Settings) -> None:
    settings.UNDO_SIGNATURE = timedelta(0)
    a_model_version()


@pytest.fixture
def yan(cast: Cast) -> User:
    """A patient of South, who agreed to everything that a case needs."""
    yan = User.objects.create_user("yan@example.org", PASSWORD, name="Yan Ito", clinic=cast.south)
    for kind in (Consent.Kind.CARE, Consent.Kind.COMPUTER_CHECK):
        people.give_consent(yan, kind)
    return yan


def a_case(cast: Cast) -> Case:
    """Of Ana's: two photos, red, talked about, read and signed by Ruth."""
    photos = [NewPhoto("dermoscopic", photo(1)), NewPhoto("overview", photo(2))]
    case = scored(submitted(cast.ana, photos=photos, side="left"), **RED)
    workflow.ask(case, cast.ana, "Is it bad?", uuid.uuid4())
    workflow.read_first(case, cast.ruth, diagnosis="mel", confidence="sure", plan="see")
    said = Answer("mel", "see", "Please come in.", NOTE, agrees=False, differs_because="The net")
    workflow.sign(case, cast.ruth, said)
    case.refresh_from_db()
    return case


def pixels(content: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(content)), dtype=np.int16)


# --- To take along -------------------------------------------------------------------------------


def test_a_doctor_takes_all_of_it_along(cast: Cast) -> None:
    case = a_case(cast)
    files = files_of(taken(cast.api(cast.ruth), case))
    assert list(files) == [
        *("manifest.json", "case.json", "fhir.json"),
        *("photos/01-dermoscopic.jpg", "photos/02-overview.jpg"),
    ]
    manifest, record = told(files, "manifest.json"), told(files)
    assert (manifest["format"], manifest["case"]) == (1, str(case.pk))
    assert listed(files)["manifest.json"] == json.dumps(manifest).encode()
    for one, row in zip(record["photos"], case.photos.all(), strict=True):
        assert files[one["file"]] == row.file.open().read()
    assert record["answers"] == case.answers
    assert (record["site"], record["side"], record["status"]) == ("back", "left", "final")
    assert (record["pack"]["name"], record["urgency"]) == ("skin", "red")
    [view] = record["computer"]
    assert (view["confidence"], view["threshold"], view["label"]) == (0.95, 0.8, "nv")
    assert view["model"]["weights_sha256"] == ModelVersion.objects.get().weights_hash
    [review] = record["reviews"]
    assert (review["doctor"], review["note"]) == ("Ruth Okafor", NOTE)
    assert [line["text"] for line in record["talk"]] == ["Is it bad?"]
    assert "Signed by Ruth Okafor" in [event["what"] for event in record["events"]]
    fhir.hold_to_the_standard(told(files, "fhir.json"))
    entry = AuditEntry.objects.get(action="case.exported")
    assert (entry.actor, entry.about) == (cast.ruth, f"case:{case.pk}")


def test_whoever_takes_it_has_what_their_page_shows_and_no_more(cast: Cast) -> None:
    case = scored(submitted(cast.ana), **RED)
    doctors = told(files_of(taken(cast.api(cast.ruth), case)))
    assert (doctors["computer"], doctors["own_reading"]) == ([], None)
    workflow.read_first(case, cast.ruth, diagnosis="nv", confidence="sure", plan="reassure")
    assert told(files_of(taken(cast.api(cast.ruth), case)))["computer"]
    assert not told(files_of(taken(cast.api(cast.sam), case)))["computer"]


def test_a_patient_takes_words_along_and_no_numbers(cast: Cast) -> None:
    case = a_case(cast)
    files = files_of(taken(cast.api(cast.ana), case))
    record = told(files)
    assert (record["seen_by"], record["urgency"]) == ("patient", None)
    assert record["computer"][0]["said"]
    assert "confidence" not in record["computer"][0]
    assert record["reviews"][0]["advice"] == "Please come in."
    for content in files.values():
        assert NOTE.encode() not in content
    assert case.reviews.get().opened.person == cast.ana


def test_what_can_still_be_taken_back_goes_nowhere(cast: Cast, settings: Settings) -> None:
    settings.UNDO_SIGNATURE = timedelta(seconds=10)
    case = a_case(cast)
    for who in (cast.ana, cast.ruth):
        record = told(files_of(taken(cast.api(who), case)))
        assert (record["reviews"], record["status"]) == ([], "partial")
        assert not [one for one in record["events"] if "igned by" in one["what"]]


def test_what_is_not_theirs_is_not_there(cast: Cast) -> None:
    case = a_case(cast)
    for who in (cast.bo, cast.xu, cast.ada, cast.root):
        assert cast.api(who).get(f"/api/v1/cases/{case.pk}/archive").status_code == 404
        assert cast.client(who).get(reverse("case_archive", args=[case.pk])).status_code == 404
    assert not AuditEntry.objects.filter(action="case.exported").exists()


def test_the_same_case_twice_is_the_same_but_for_the_moment(cast: Cast) -> None:
    case = a_case(cast)
    first, second = (files_of(taken(cast.api(cast.ruth), case)) for _ in range(2))
    moments = [json.loads(one.pop("manifest.json")).pop("written_at") for one in (first, second)]
    assert first == second
    assert moments[0] < moments[1]


def test_a_photo_whose_file_is_gone_is_said_to_be_missing(cast: Cast) -> None:
    case = a_case(cast)
    lost = case.photos.last()
    assert lost is not None
    lost.file.storage.delete(str(lost.file.name))
    files = files_of(taken(cast.api(cast.ruth), case))
    assert [one["file"] for one in told(files)["photos"]] == ["photos/01-dermoscopic.jpg", None]
    assert "photos/02-overview.jpg" not in files


def test_the_pages_offer_it(cast: Cast) -> None:
    case = a_case(cast)
    link = reverse("case_archive", args=[case.pk])
    for who, page in ((cast.ana, "case"), (cast.ruth, "reading")):
        browser = cast.client(who)
        assert f'href="{link}"' in browser.get(reverse(page, args=[case.pk])).content.decode()
        answer: Any = browser.get(link)
        assert told(files_of(b"".join(answer.streaming_content)))["id"] == str(case.pk)
        assert "no-store" in answer["Cache-Control"]


# --- To bring it ---------------------------------------------------------------------------------


def test_round_trip(cast: Cast, yan: User) -> None:
    """Compared are the pixels, not the files: intake writes each JPEG anew, which moves one value
    in a thousand by one or two of 255."""
    source = a_case(cast)
    files = files_of(taken(cast.api(cast.ruth), source))
    answer = brought(cast.api(cast.xu), packed(files), yan)
    assert answer.status_code == 201, answer.content
    case = Case.objects.get(pk=answer.json()["id"])
    assert (case.patient, case.clinic) == (yan, cast.south)
    assert (case.site, case.side, case.spot) == (source.site, source.side, source.spot)
    assert case.answers == source.answers
    pairs = zip(source.photos.all(), case.photos.all(), strict=True)
    for before, after in pairs:
        assert (before.kind, before.width, before.height) == (after.kind, after.width, after.height)
        apart = abs(pixels(before.file.open().read()) - pixels(after.file.open().read()))
        assert apart.max() <= 2
        assert (apart > 0).mean() < 0.01
    # Ours to look at, and to sign: nothing of theirs counts here.
    assert (case.status, case.tier, case.signed_by) == ("registered", None, None)
    assert case.scorings.waiting().live().count() == 1
    assert not case.reviews.exists()
    assert not case.predictions.exists()
    came = CaseImport.objects.get(case=case)
    assert (came.by, came.source_case, came.record) == (cast.xu, source.pk, told(files))
    entry = AuditEntry.objects.get(action="case.imported")
    assert (entry.actor, entry.about) == (cast.xu, f"case:{case.pk}")
    assert not AuditEntry.objects.filter(action="case.submitted", about=entry.about).exists()


def test_the_same_archive_twice_is_one_case(cast: Cast, yan: User) -> None:
    content, api = taken(cast.api(cast.ruth), a_case(cast)), cast.api(cast.xu)
    first = brought(api, content, yan)
    again = brought(api, content, yan)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    assert yan.cases.count() == 1
    assert Photo.objects.filter(case__patient=yan).count() == 2


def test_of_two_at_once_the_second_is_told_that_it_was_brought_before(
    cast: Cast, yan: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, api = taken(cast.api(cast.ruth), a_case(cast)), cast.api(cast.xu)
    monkeypatch.setattr(taking, "_brought_before", lambda *_: None)  # both have looked
    first = brought(api, content, yan)
    second = brought(api, content, yan)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]


def test_another_copy_of_it_is_told_apart_and_loses_nothing(cast: Cast, yan: User) -> None:
    source, api = a_case(cast), cast.api(cast.xu)
    content = taken(cast.api(cast.ruth), source)
    case = brought(api, content, yan).json()["id"]
    other = packed(changed(files_of(content), clinic="Elsewhere"))
    refused(brought(api, other, yan), 409, "came_before")
    assert str(yan.cases.get().pk) == case
    assert CaseImport.objects.get(case__patient=yan).record["clinic"] == "North"


def test_a_case_of_this_portal_is_not_doubled(cast: Cast) -> None:
    content = taken(cast.api(cast.ruth), a_case(cast))
    refused(brought(cast.api(cast.ruth), content, cast.ana), 409, "here_already")


def test_it_rests_sealed(cast: Cast, yan: User) -> None:
    brought(cast.api(cast.xu), taken(cast.api(cast.ruth), a_case(cast)), yan)
    with connection.cursor() as cursor:
        cursor.execute("SELECT record FROM diagnoses_caseimport")
        [(stored,)] = cursor.fetchall()
    assert stored.startswith("s1.")
    assert "Please" not in stored


def test_only_doctors_bring_cases_and_only_to_their_patients(cast: Cast, yan: User) -> None:
    content = taken(cast.api(cast.ruth), a_case(cast))
    for who in (cast.ana, cast.uma, cast.ada, cast.root):
        refused(brought(cast.api(who), content, yan), 403, "doctors_only")
    for whose in (yan, cast.xu, str(uuid.uuid4()), "x"):
        assert brought(cast.api(cast.ruth), content, whose).status_code == 400
    assert not CaseImport.objects.exists()


def test_who_has_not_agreed_to_care_gets_no_case(cast: Cast, yan: User) -> None:
    content = taken(cast.api(cast.ruth), a_case(cast))
    people.withdraw_consent(yan, Consent.Kind.CARE)
    refused(brought(cast.api(cast.xu), content, yan), 403, "not_agreed")


def test_who_keeps_the_computer_out_keeps_it_out_there_too(cast: Cast, yan: User) -> None:
    case = submitted(cast.ana, computer_check=False)
    brought(cast.api(cast.xu), taken(cast.api(cast.ruth), case), yan)
    assert yan.cases.get().status == "partial"
    assert not yan.cases.get().scorings.exists()


def test_photos_count_against_the_doctors_day(cast: Cast, yan: User, settings: Settings) -> None:
    content = taken(cast.api(cast.ruth), a_case(cast))
    settings.UPLOADS_PER_DAY = 1
    refused(brought(cast.api(cast.xu), content, yan), 429, "quota")


def test_from_the_command_line(cast: Cast, yan: User, tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "case.zip"
    path.write_bytes(taken(cast.api(cast.ruth), a_case(cast)))
    call_command("import_case", str(path), patient="Yan@example.org")
    assert "is here: " in capsys.readouterr().out
    call_command("import_case", str(path), patient="yan@example.org")
    assert "was here already: " in capsys.readouterr().out
    assert CaseImport.objects.get(case__patient=yan).by is None
    with pytest.raises(CommandError, match="no patient"):
        call_command("import_case", str(path), patient="xu@example.org")
    path.write_bytes(b"PK")
    with pytest.raises(CommandError, match=r"^not_an_archive: "):
        call_command("import_case", str(path), patient="yan@example.org")


# --- What came with it ---------------------------------------------------------------------------


def page_of(cast: Cast, case: Case) -> str:
    return str(cast.client(cast.xu).get(reverse("reading", args=[case.pk])).content.decode())


def test_a_doctor_reads_it_after_their_own_reading_and_nobody_else(cast: Cast, yan: User) -> None:
    brought(cast.api(cast.xu), taken(cast.api(cast.ruth), a_case(cast)), yan)
    case = yan.cases.get()
    before = page_of(cast, case)
    assert "What came with it" in before
    assert "opens with your own reading" in before
    for theirs in ("Please come in.", NOTE, "by hand"):
        assert theirs not in before
    workflow.read_first(case, cast.xu, diagnosis="nv", confidence="sure", plan="reassure")
    after = page_of(cast, case)
    for theirs in ("Please come in.", NOTE, "by hand", "signed there", "reached 95", "Is it bad?"):
        assert theirs in after
    patients = cast.client(yan).get(reverse("case", args=[case.pk])).content.decode()
    assert "brought this case here from another portal" in patients
    for theirs in ("Please come in.", NOTE, "What came with it"):
        assert theirs not in patients
    for api in (cast.api(yan), cast.api(cast.xu)):
        assert NOTE not in api.get(f"/api/v1/cases/{case.pk}").content.decode()
        assert NOTE.encode() not in b"".join(files_of(taken(api, case)).values())


def test_what_is_shown_is_words_and_no_markup(cast: Cast, yan: User) -> None:
    files = files_of(taken(cast.api(cast.ruth), a_case(cast)))
    review = told(files)["reviews"][0] | {"advice": "<script>alert(1)</script>"}
    answer = brought(cast.api(cast.xu), packed(changed(files, reviews=[review])), yan)
    assert answer.status_code == 201
    case = yan.cases.get()
    workflow.read_first(case, cast.xu, diagnosis="nv", confidence="sure", plan="reassure")
    assert "&lt;script&gt;alert(1)" in page_of(cast, case)
    assert "<script>alert(1)" not in page_of(cast, case)


def test_a_copy_of_everything_says_where_it_comes_from(cast: Cast, yan: User) -> None:
    brought(cast.api(cast.xu), taken(cast.api(cast.ruth), a_case(cast)), yan)
    [case] = everything.gather(yan).record["cases"]
    assert case["came_from"]["brought_by"] == "Xu Lin"
    assert case["came_from"]["doctors_there"][0]["advice"] == "Please come in."
    assert NOTE not in str(case)
    assert everything.gather(cast.ana).record["cases"][0]["came_from"] is None


def test_erasing_takes_the_marks_name_away_there_too(cast: Cast, yan: User) -> None:
    source = a_case(cast)
    assert source.lesion is not None
    workflow.name_mark(source.lesion, cast.ana, "The one by the scar")
    brought(cast.api(cast.xu), taken(cast.api(cast.ruth), source), yan)
    came = CaseImport.objects.get()
    assert came.record["mark"]["called"] == "The one by the scar"
    erasure.ask(yan, after_answers=False)
    User.objects.filter(pk=yan.pk).update(erase_asked_at="2020-01-01T00:00Z")
    assert erasure.erase(yan)
    came.refresh_from_db()
    assert came.record["mark"]["called"] == ""
    assert came.record["reviews"]


def refused(answer: Any, status: int, code: str) -> str:
    """The sentence of a refusal; nothing was made of what was refused."""
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.content
    return str(answer.json()["detail"])
