"""The demo's people and cases: the real code path, once, and never outside of the demo."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from accounts.models import AuditEntry, Clinic, Consent, User
from accounts.people import has_consent, reachable_number
from diagnoses import worklist
from diagnoses.models import Case, Lesion, Nudge
from diagnoses.worklist import Filters, Show
from mlservice import registry
from mlservice.models import ModelVersion
from mlservice.packs.skin.drawing import draw
from portal import demo
from portal.management.commands.demo_cases import from_folder
from portal.management.commands.prepare_demo import collect_static_if_changed
from portal.management.commands.register_model import newest_bundles
from tests.cases import a_model_version, jpeg

pytestmark = pytest.mark.django_db


@pytest.fixture
def in_the_demo(settings: Settings, media: Path) -> None:
    settings.DEMO = True
    settings.DATA_DIR.mkdir(parents=True, exist_ok=True)


@pytest.mark.parametrize("command", ["demo_people", "demo_cases"])
def test_a_published_password_never_reaches_production(command: str) -> None:
    with pytest.raises(CommandError, match="only in the demo"):
        call_command(command)
    assert not User.objects.exists()


@pytest.mark.usefixtures("in_the_demo")
def test_the_people_are_made_once_and_can_do_what_their_role_says(client: Client) -> None:
    call_command("demo_people", verbosity=0)
    count, lines = User.objects.count(), AuditEntry.objects.count()
    call_command("demo_people", verbosity=0)
    assert (User.objects.count(), AuditEntry.objects.count()) == (count, lines)
    assert count == len(demo.PEOPLE) + 1  # and the child

    doctor = User.objects.get(email=demo.DOCTOR.email)
    assert doctor.is_reading_doctor
    assert doctor.clinic == Clinic.objects.get(name=demo.CLINIC)
    assert not User.objects.get(email=demo.PATIENT.email).is_reading_doctor
    assert User.objects.get(email=demo.ADMIN.email).is_admin
    for person in User.objects.filter(carer=None):
        number = reachable_number(person)
        assert number is not None, f"{person} cannot be reached"
        assert has_consent(person, Consent.Kind.MESSAGES)
    login = {"login": demo.PATIENT.email, "password": demo.PASSWORD}
    assert client.post("/accounts/login/", login).status_code == 302
    assert client.get("/cases/").status_code == 200


def test_the_logins_are_printed(in_the_demo: None) -> None:
    printed = io.StringIO()
    call_command("demo_people", stdout=printed)
    for person in demo.LOGINS:
        assert person.email in printed.getvalue()
    assert demo.PASSWORD in printed.getvalue()


def test_a_changed_password_is_left_alone(in_the_demo: None) -> None:
    call_command("demo_people", verbosity=0)
    patient = User.objects.get(email=demo.PATIENT.email)
    patient.set_password("something of my own")
    patient.save()
    call_command("demo_people", verbosity=0)
    patient.refresh_from_db()
    assert patient.check_password("something of my own")


def test_drawn_cases_are_sent_once_by_several_patients(in_the_demo: None) -> None:
    a_model_version()
    call_command("demo_people", verbosity=0)
    call_command("demo_cases", count=8)
    cases = Case.objects.filter(side="")  # the others have a story of their own
    assert len(cases) == 8
    assert len({case.patient_id for case in cases}) > 3
    assert len({tuple(sorted(case.answers.items())) for case in cases}) > 3
    assert all(case.photos.get().file.size > 1000 for case in cases)
    assert all(case.scorings.count() == 1 for case in cases)

    call_command("demo_cases", count=8)
    assert Case.objects.count() == 8 + 12 + 4  # and the past, and the marks with a story


def test_every_list_of_the_doctors_has_something_to_show(in_the_demo: None) -> None:
    a_model_version()
    call_command("demo_people", verbosity=0)
    call_command("demo_cases", count=8)
    doctor = User.objects.get(email=demo.DOCTOR.email)
    Case.objects.filter(status=Case.Status.REGISTERED).update(status=Case.Status.PARTIAL)
    mine = worklist.page(doctor, Filters(show=Show.MINE)).rows
    assert len([row for row in mine if not row.case.side]) == 2
    [asked] = worklist.page(doctor, Filters(show=Show.ASKED)).rows
    assert asked.case.remarks.get().text == demo.QUESTIONS[4]


def test_one_drawn_mark_has_a_past_to_compare_with(in_the_demo: None) -> None:
    a_model_version()
    call_command("demo_people", verbosity=0)
    call_command("demo_cases", count=1)
    mark = Lesion.objects.exclude(name="").get()
    earlier, later = mark.cases.order_by("submitted_at")
    assert earlier.patient.email == demo.PATIENT.email
    assert earlier.is_signed
    assert later.is_open
    assert not any(case.photos.get().sent_anyway for case in (earlier, later))


def test_one_drawn_mark_is_due_to_be_photographed_again(in_the_demo: None) -> None:
    a_model_version()
    call_command("demo_people", verbosity=0)
    call_command("demo_cases", count=1)
    due = Nudge.objects.due().get()
    assert (due.kind, due.patient.email) == ("recheck", demo.PATIENT.email)
    assert due.case is not None
    assert due.case.is_signed


def test_a_child_without_a_login_has_a_case(in_the_demo: None) -> None:
    a_model_version()
    call_command("demo_people", verbosity=0)
    call_command("demo_cases", count=1)
    case = Case.objects.get(patient__name=demo.CHILD)
    assert case.patient.reader.email == demo.PATIENT.email
    assert case.scorings.count() == 1
    assert not case.photos.get().sent_anyway


def test_a_blurred_drawing_goes_to_the_doctors_unscored(in_the_demo: None) -> None:
    a_model_version()
    call_command("demo_people", verbosity=0)
    call_command("demo_cases", count=11)
    unscored = Case.objects.get(scorings=None, computer_check=True)
    assert unscored.status == Case.Status.PARTIAL
    assert unscored.photos.get().sent_anyway


def test_a_folder_of_ones_own_fills_the_worklist_and_a_bad_file_stops_nothing(
    in_the_demo: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    (folder / "a.jpg").write_bytes(jpeg(1))
    draw(2).save(folder / "more" / "b.PNG")
    draw(3).save(folder / "c.webp")
    (folder / "broken.jpg").write_bytes(jpeg(4)[:2000])
    (folder / "notes.txt").write_text("not a picture")
    a_model_version()
    call_command("demo_people", verbosity=0)

    call_command("demo_cases", photos=folder)
    assert Case.objects.count() == 3
    assert "broken.jpg: This photo is damaged" in capsys.readouterr().out

    call_command("demo_cases", photos=folder)
    assert Case.objects.count() == 3


def test_pictures_are_taken_evenly_from_the_whole_folder(tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / f"{number:03}.jpg").touch()
    names = [source.name for source in from_folder(tmp_path, 5)]
    assert names == ["000.jpg", "020.jpg", "040.jpg", "060.jpg", "080.jpg"]


def test_a_folder_without_pictures_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no JPEG, PNG, WebP or HEIC picture"):
        from_folder(tmp_path, 5)


def test_the_shipped_model_becomes_active_where_there_is_none() -> None:
    call_command("register_model", verbosity=0)
    active = registry.active(django_settings.PACK)
    assert active is not None
    assert active.folder in {folder.name for folder in newest_bundles()}
    call_command("register_model", verbosity=0)
    assert ModelVersion.objects.count() == 1


def test_the_model_an_admin_chose_stays_until_told_otherwise(tmp_path: Path) -> None:
    own = tmp_path / "skin-own"
    shutil.copytree(newest_bundles()[0], own)
    manifest = own / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"version": "own"}))
    chosen = registry.register(own)
    registry.activate(chosen, None)
    call_command("register_model", verbosity=0)
    assert registry.active(django_settings.PACK) == chosen
    call_command("register_model", activate=True, verbosity=0)
    chosen.refresh_from_db()
    assert chosen.state == ModelVersion.State.RETIRED


def test_a_damaged_bundle_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="has no manifest"):
        call_command("register_model", tmp_path)


def test_static_files_are_collected_again_only_when_one_changed(
    settings: Settings, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "page.css").write_text("body { margin: 0 }")
    settings.STATICFILES_DIRS = [source]
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    settings.STATIC_ROOT = tmp_path / "collected"
    settings.STATIC_ROOT.mkdir()
    assert collect_static_if_changed()
    assert (tmp_path / "collected" / "page.css").is_file()
    assert not collect_static_if_changed()
    (source / "page.css").write_text("body { margin: 1px }")
    assert collect_static_if_changed()
    assert "1px" in (tmp_path / "collected" / "page.css").read_text()
