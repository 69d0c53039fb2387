"""What leaves for training: which pictures, under which names, with which labels, and no more."""

from __future__ import annotations

import io
import json
import uuid
from datetime import date, timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from PIL import Image
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from accounts import care, people
from accounts.models import AuditEntry, Consent, Relation, User
from diagnoses import learning, workflow
from diagnoses.intake import clean
from diagnoses.learning import making, which
from diagnoses.learning.pseudonyms import pseudonym
from diagnoses.models import Case, ExportedPhoto, Photo, Prediction, SecondReading, TrainingExport
from diagnoses.workflow import Answer, NewPhoto
from mlservice import registry
from mlservice.engine import Bundle, Modality, open_predictor, shipped
from mlservice.packs import load_pack
from mlservice.packs.skin.drawing import draw
from mlservice.serving import Shelf
from tests import cases
from tests.cast import Cast
from tests.diagnoses import learnt
from training.cli import main
from training.data import read_table
from training.evaluate import judge

pytestmark = pytest.mark.usefixtures("media")
LABELS = [label.name for label in load_pack("skin").labels]
REST = [name for name in LABELS if name not in {"nv", "mel"}]


@pytest.fixture(autouse=True)
def for_good_at_once(settings: Settings, cast: Cast) -> None:
    settings.UNDO_SIGNATURE = timedelta(0)
    cases.a_model_version()


def labels(cast: Cast) -> list[tuple[str, str]]:
    """Label and its source of every picture that would be exported."""
    return [(item.dx, item.source.value) for item in which.find(learnt.wanted()).items]


# --- The folder ----------------------------------------------------------------------------------


def test_training_takes_the_folder_as_it_is(
    cast: Cast, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(12):
        who = learnt.patient(number, cast.north)
        seeds = learnt.photos(3 * number + 1, 3 * number + 2)
        learnt.answered(who, cast.ruth, 0, "nv", photos=seeds)
        harmful = learnt.photos(3 * number + 3, kind="mel")
        learnt.answered(who, cast.ruth, 0, "mel", photos=harmful, site="face")
    folder = learnt.unpacked(learnt.made(cast), tmp_path / "data")
    found = read_table(folder / "labels.csv", folder, LABELS)
    assert len(found) == 36
    assert len({row.lesion_id for row in found}) == 24
    assert len({row.patient_id for row in found}) == 12
    assert {(row.dx, row.localization) for row in found} == {("nv", "back"), ("mel", "face")}
    work = tmp_path / "work"
    assert main(["split", str(folder), "--work", str(work), "--absent", *REST]) == 0
    assert "36 pictures" not in capsys.readouterr().out, "all of them in one part"
    parts = json.loads(next(work.rglob("split*.json")).read_text())["parts"]
    part_of = {image: part for part, images in parts.items() for image in images}
    assert len({(row.patient_id, part_of[row.image_id]) for row in found}) == 12
    assert main(["explore", str(folder), "--out", str(tmp_path / "seen")]) == 0
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["counts"]["labels"]["mel"] == {"pictures": 12, "lesions": 12, "patients": 12}
    assert manifest["counts"]["sources"] == {"signed": 24}
    assert manifest["consent"]["version"] == "2026-11"


def test_the_network_says_of_the_folder_what_it_said_of_the_cases(
    cast: Cast, tmp_path: Path
) -> None:
    registry.activate(registry.register(shipped("skin")), None)
    shelf = Shelf()
    agreed = learnt.agreed(cast.ana)
    sent = [
        cases.submitted(agreed, photos=learnt.photos(seed, kind=kind))
        for seed, kind in enumerate(("nv", "mel", "bkl", "vasc"), 40)
    ]
    while cases.score_next(shelf):
        pass
    for case in sent:
        learnt.read(case, cast.ruth, "nv")
    folder = learnt.unpacked(learnt.made(cast), tmp_path / "data")
    bundle = Bundle.load(shipped("skin"))
    rows = read_table(folder / "labels.csv", folder, bundle.labels)
    judged = judge(bundle, open_predictor(bundle), rows, Modality.DERMOSCOPIC)
    now = {
        row.image_id: (bundle.labels[guess], str(tier))
        for row, guess, tier in zip(rows, judged.guess, judged.tiers, strict=True)
    }
    then = {
        pseudonym("picture", view.photo_id): (view.top_label, view.picture_tier)
        for view in Prediction.objects.filter(case__in=sent)
    }
    assert len(then) == 4
    assert now == then


def test_nothing_personal_is_in_it(cast: Cast) -> None:
    """Whatever people wrote, and whatever their camera did."""
    exif = Image.Exif()
    exif[0x010E], exif[0x013B] = "Zebulon's own mark", "Zebulon Quirk"  # description, artist
    exif[0x8825] = {1: "N", 2: (51.0, 30.0, 0.0)}  # GPS
    raw = cases.encoded(draw(71, kind="nv"), "JPEG", exif=exif, comment=b"+447700900199")
    assert b"Zebulon" in raw.getvalue()
    photo = clean(raw, load_pack("skin").glance)
    User.objects.filter(pk=cast.ana.pk).update(name="Zebulon Quirk", email="zebulon@quirk.example")
    learnt.agreed(cast.ana)
    answers = cases.ALL_ANSWERED | {"note": "Zebulon was bitten by a zebra"}
    case = cases.submitted(
        cast.ana,
        photos=[NewPhoto("dermoscopic", photo)],
        answers=answers,
        contact_e164="+447700900155",
    )
    assert case.lesion is not None
    workflow.name_mark(case.lesion, cast.ana, "Zebra mark")
    workflow.ask(case, cast.ana, "Does a zebra bite?", uuid.uuid4())
    workflow.read_first(case, cast.ruth, diagnosis="nv", confidence="sure", plan="see")
    answer = Answer(diagnosis="nv", plan="see", advice="Dear Zebulon", note="Zebra, not horse")
    workflow.sign(case, cast.ruth, answer)
    export = learnt.made(cast, cast.north)
    archive = learnt.downloaded(cast.client(cast.ada), export)
    kept = Photo.objects.get()
    told = (
        *("zeb", "quirk", "bitten", "447700", "00155", "read me", "okafor", "ruth", "north"),
        *("yes", "over_year", case.reference, str(case.pk), case.pk.hex, str(case.lesion_id)),
        *(str(kept.pk), kept.pk.hex, str(cast.ana.email), "photos/", "exif", "dermatofibroma"),
        *(f"{timezone.now():%Y-%m-%d}", f"{timezone.now():%Y:%m}", "november"),
    )
    read_whole = [part.lower() for part in learnt.everything_in(archive)]
    for word in told:
        assert not [part for part in read_whole if word.lower().encode() in part], word
    picture = next(name for name in archive.namelist() if name.endswith(".jpg"))
    with Image.open(io.BytesIO(archive.read(picture))) as image:
        assert not image.getexif()
        assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi"}
        assert image.size == (kept.width, kept.height)
    assert {entry.date_time[:3] for entry in archive.infolist()} == {(1980, 1, 1)}
    assert sorted(archive.namelist()) == [
        "README.txt", picture, "labels.csv", "manifest.json",
    ]  # fmt: skip


def test_names_are_the_same_in_every_export_and_say_nothing(
    cast: Cast, tmp_path: Path, settings: Settings
) -> None:
    learnt.answered(learnt.agreed(cast.ana), cast.ruth, 1)
    first = learnt.rows(learnt.unpacked(learnt.made(cast), tmp_path / "one"))
    second = learnt.rows(learnt.unpacked(learnt.made(cast), tmp_path / "two"))
    assert first == second
    assert len(set(first[0].values())) == len(first[0]), "no name stands for two things"
    settings.LEARNING_KEY = "another secret, of this test"
    third = learnt.rows(learnt.unpacked(learnt.made(cast), tmp_path / "three"))
    assert {third[0][name] for name in ("image_id", "lesion_id", "patient_id")}.isdisjoint(
        first[0].values()
    )


def test_a_file_that_is_not_what_was_stored_is_left_out(cast: Cast, tmp_path: Path) -> None:
    learnt.agreed(cast.ana)
    for seed in (1, 2, 3):
        learnt.answered(cast.ana, cast.ruth, seed)
    gone, changed, whole = Photo.objects.order_by("created_at")
    cases.file_of(gone).unlink()
    with cases.file_of(changed).open("ab") as file:
        file.write(b"whatever somebody hid there")
    export = learnt.made(cast)
    assert export.counts["left_out"] == {"copies": 0, "unreadable": 2}
    assert [held.photo_id for held in export.held.all()] == [whole.pk]
    assert len(learnt.rows(learnt.unpacked(export, tmp_path / "data"))) == 1


# --- Which ---------------------------------------------------------------------------------------


def test_only_what_was_given_and_answered_for_good_is_in_it(cast: Cast, settings: Settings) -> None:
    learnt.agreed(cast.ana)
    learnt.answered(cast.ana, cast.ruth, 1)
    assert labels(cast) == [("nv", "signed")]
    learnt.answered(cast.bo, cast.ruth, 2)  # never agreed
    learnt.answered(cast.ana, cast.ruth, 3, "")  # no diagnosis
    cases.submitted(cast.ana, photos=learnt.photos(4))  # not answered
    workflow.withdraw(cases.submitted(cast.ana, photos=learnt.photos(5)), cast.ana)
    other = learnt.photos(6, taken="overview") + learnt.photos(7, taken="close_up")
    learnt.answered(cast.ana, cast.ruth, 0, photos=other)
    poor = [NewPhoto("dermoscopic", cases.photo(8), sent_anyway=True)]
    learnt.answered(cast.ana, cast.ruth, 0, photos=poor)
    learnt.answered(cast.ana, cast.ruth, 1)  # the same file again
    settings.UNDO_SIGNATURE = timedelta(seconds=10)
    learnt.answered(cast.ana, cast.ruth, 9)
    assert labels(cast) == [("nv", "signed")]
    found = which.find(learnt.wanted(modality="phone"))
    assert [item.dx for item in found.items] == ["nv"]
    seen = learning.summarise(learnt.wanted())
    assert (seen.pictures, seen.unlabelled, seen.copies, seen.without) == (1, 1, 1, "1")


def test_a_consent_counts_while_it_is_in_force_and_to_todays_words(cast: Cast) -> None:
    learnt.agreed(cast.ana)
    learnt.answered(cast.ana, cast.ruth, 1)
    assert len(labels(cast)) == 1
    given = Consent.objects.filter(user=cast.ana, kind=learnt.RESEARCH)
    given.update(version="2020-01")
    assert labels(cast) == []
    learnt.agreed(cast.ana)
    assert len(labels(cast)) == 1
    workflow.withdraw_consent(cast.ana, learnt.RESEARCH)
    assert labels(cast) == []


def test_a_carer_decides_for_a_child_and_not_with_their_own(cast: Cast) -> None:
    child = care.look_after(cast.ana, "Leo", Relation.CHILD)
    people.give_consent(child, Consent.Kind.CARE)
    learnt.answered(child, cast.ruth, 1)
    learnt.agreed(cast.ana)
    assert labels(cast) == []
    people.give_consent(child, learnt.RESEARCH)
    assert len(labels(cast)) == 1


def outcome(case: Case, doctor: User, dx: str, source: str = "histology") -> None:
    workflow.record_outcome(
        case, doctor, source=source, diagnosis=dx, words="" if dx else "Another thing",
        found_on=date(2026, 11, 1),
    )  # fmt: skip


def test_what_it_turned_out_to_be_counts_before_what_was_signed(cast: Cast) -> None:
    case = learnt.answered(learnt.agreed(cast.ana), cast.ruth, 1)
    outcome(case, cast.ruth, "bkl", "follow_up")
    assert labels(cast) == [("bkl", "follow_up")]
    outcome(case, cast.ruth, "mel")
    assert labels(cast) == [("mel", "histology")]
    outcome(case, cast.ruth, "nv", "follow_up")
    assert labels(cast) == [("mel", "histology")], "time says less than tissue"
    outcome(case, cast.ruth, "")
    assert labels(cast) == [], "none of the labels"


def test_a_mark_has_one_label_however_often_it_was_sent(cast: Cast, tmp_path: Path) -> None:
    first = learnt.answered(learnt.agreed(cast.ana), cast.ruth, 1, "nv")
    second = learnt.answered(cast.ana, cast.ruth, 2, "mel", lesion=first.lesion)
    assert labels(cast) == [("mel", "signed")] * 2
    outcome(first, cast.ruth, "bkl")
    assert labels(cast) == [("bkl", "histology")] * 2
    outcome(second, cast.ruth, "nv")
    assert labels(cast) == [("nv", "histology")] * 2
    outcome(second, cast.ruth, "df", "follow_up")
    assert labels(cast) == [("nv", "histology")] * 2
    rows = learnt.rows(learnt.unpacked(learnt.made(cast), tmp_path / "data"))
    assert len({row["lesion_id"] for row in rows}) == 1


def test_a_second_doctor_who_agrees_blind_makes_it_a_consensus(cast: Cast) -> None:
    cast.north.double_reading_percent = 100
    cast.north.save()
    learnt.answered(learnt.agreed(cast.ana), cast.ruth, 1, "nv")
    drawn = SecondReading.objects.get()
    assert labels(cast) == [("nv", "signed")]
    said = {"confidence": "sure", "plan": "reassure"}
    workflow.read_again(drawn, cast.sam, diagnosis="nv", **said)
    assert labels(cast) == [("nv", "consensus")]
    learnt.answered(cast.ana, cast.ruth, 2, "nv")
    other = SecondReading.objects.exclude(pk=drawn.pk).get()
    workflow.read_again(other, cast.sam, diagnosis="mel", **said)
    assert labels(cast) == [("nv", "consensus"), ("nv", "signed")]


# --- The worker ----------------------------------------------------------------------------------


def test_a_worker_that_died_leaves_its_export_to_the_next(cast: Cast) -> None:
    learnt.answered(learnt.agreed(cast.ana), cast.ruth, 1)
    export = learning.ask(learnt.wanted(), cast.root, uuid.uuid4())
    held = making.claim()
    assert held == export
    assert making.claim() is None, "it is taken"
    making.hold(export_of(held))
    TrainingExport.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert learning.make_due() == 1
    export.refresh_from_db()
    assert (export.state, export.total, export.done) == ("ready", 1, 1)
    assert export.held.count() == 1
    with pytest.raises(making.LostError):  # the first one comes back
        making.hold(held)


def export_of(held: TrainingExport | None) -> TrainingExport:
    assert held is not None
    return held


def test_three_deaths_are_enough(cast: Cast) -> None:
    learnt.answered(learnt.agreed(cast.ana), cast.ruth, 1)
    export = learning.ask(learnt.wanted(), cast.root, uuid.uuid4())
    for _ in range(making.ATTEMPTS):
        assert making.claim() == export
        TrainingExport.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert learning.make_due() == 0
    export.refresh_from_db()
    assert export.state == "failed"
    assert learnt.made(cast).state == "ready", "and it can be asked for again"


def test_the_file_goes_after_a_week_and_what_it_held_stays_written_down(
    cast: Cast, media: Path, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    learnt.answered(learnt.agreed(cast.ana), cast.ruth, 1)
    export = learnt.made(cast)
    file, left = media / export.file, media / "exports" / ".writing-dead"
    left.write_bytes(b"half")
    learning.sweep()
    assert file.is_file()
    TrainingExport.objects.update(kept_until=timezone.now() - timedelta(minutes=1))
    with django_capture_on_commit_callbacks(execute=True):
        learning.sweep()
    export.refresh_from_db()
    assert export.state == "over"
    assert not file.exists()
    assert export.held.count() == 1
    assert left.exists(), "somebody may be writing it"
    making.STALE, kept = timedelta(0), making.STALE
    try:
        learning.sweep()
    finally:
        making.STALE = kept
    assert not left.exists()


def test_choosing_costs_the_same_statements_for_one_picture_and_for_twelve(cast: Cast) -> None:
    def cost() -> int:
        learning.ask(learnt.wanted(), cast.root, uuid.uuid4())
        held = export_of(making.claim())
        with CaptureQueriesContext(connection) as captured:
            making.hold(held)
        TrainingExport.objects.filter(pk=held.pk).update(
            state="empty", token=None, lease_until=None
        )
        return len(captured)

    learnt.answered(learnt.agreed(cast.ana), cast.ruth, 1)
    few = cost()
    for seed in range(2, 13):
        learnt.answered(learnt.patient(seed, cast.north), cast.ruth, seed)
    assert cost() == few
    assert ExportedPhoto.objects.count() == 13


# --- The command line ----------------------------------------------------------------------------


def test_the_command_line_writes_the_same_folder_and_is_recorded(
    cast: Cast, tmp_path: Path
) -> None:
    learnt.answered(learnt.agreed(cast.ana), cast.ruth, 1)
    call_command("export_training", str(tmp_path / "shell"), "--pack", "skin", verbosity=0)
    export = TrainingExport.objects.get()
    zipped = learnt.unpacked(learnt.made(cast), tmp_path / "zip")
    assert learnt.rows(tmp_path / "shell") == learnt.rows(zipped)
    assert (export.state, export.asked_by, export.copies.count()) == ("over", None, 1)
    assert AuditEntry.objects.filter(about=f"export:{export.pk}", action="export.made").exists()
    workflow.withdraw_consent(cast.ana, learnt.RESEARCH)
    assert export in TrainingExport.objects.to_clean()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--pack", "no-such"], "no-such"),
        (["--modality", "x-ray-vision"], "x-ray-vision"),
        (["--clinic", "West"], "West"),
        ([], "Nobody agreed"),
    ],
)
def test_the_command_line_says_what_is_wrong(
    cast: Cast, tmp_path: Path, options: list[str], says: str
) -> None:
    with pytest.raises(CommandError, match=says):
        call_command("export_training", str(tmp_path / "out"), *options)
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").touch()
    with pytest.raises(CommandError, match=says if options else "not empty"):
        call_command("export_training", str(tmp_path / "out"), *options)
