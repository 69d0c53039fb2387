"""A bundle on its way in: a file or a folder, its hashes, its card, its golden pictures."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from django.db.models.functions import Now

from accounts.models import AuditEntry
from mlservice import checks, registry, uploads
from mlservice.engine import Bundle, BundleError, shipped
from mlservice.engine.bundle import MANIFEST
from mlservice.engine.statistics import MOST_UNPACKED
from mlservice.models import BundleCheck, ModelVersion
from tests.cast import Cast
from tests.mlservice.bundles import prove_all, replace, resign, variant, zipped

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


def left() -> list[str]:
    """What lies in the clinic's own folder of bundles."""
    return sorted(path.name for path in uploads.home().iterdir()) if uploads.home().is_dir() else []


def spoil_golden(folder: Path) -> None:
    """The golden pictures' logits as another network would have them; all hashes right."""
    logits = json.loads((folder / "golden.json").read_text())
    wrong = {name: [value + 0.1 for value in row] for name, row in logits.items()}
    replace(folder / "golden.json", json.dumps(wrong).encode())
    resign(folder)


# --- The whole way -------------------------------------------------------------------------------


@pytest.mark.parametrize("top", ["", "skin-3/"])
def test_an_uploaded_bundle_is_registered_when_its_golden_pictures_come_out(
    cast: Cast, tmp_path: Path, top: str
) -> None:
    folder = uploads.unpack(zipped(variant(tmp_path), top))
    check = checks.begin(folder, cast.root, uploaded=True)
    assert isinstance(check, BundleCheck)
    assert not ModelVersion.objects.exists(), "nothing is registered before"
    [check] = prove_all()
    assert (check.state, check.refusal) == ("passed", "")
    version = check.version
    assert version is not None
    assert (version.state, version.registered_by, version.version) == ("registered", cast.root, "3")
    assert version.folder == str(folder.resolve())
    assert registry.verified(version).weights_hash == version.weights_hash
    assert AuditEntry.objects.get(action="model.registered").actor == cast.root


def test_a_bundle_whose_golden_pictures_do_not_come_out_is_refused_with_a_sentence(
    cast: Cast, tmp_path: Path
) -> None:
    source = variant(tmp_path)
    spoil_golden(source)
    checks.begin(uploads.unpack(zipped(source)), cast.root, uploaded=True)
    [check] = prove_all()
    assert check.state == "refused"
    assert "scores differently here" in check.refusal
    assert not ModelVersion.objects.exists()
    assert left() == [], "its files are gone"
    assert AuditEntry.objects.filter(action="model.refused", actor=cast.root).exists()


def test_a_network_that_breaks_its_process_is_refused_and_the_worker_lives(
    cast: Cast, tmp_path: Path
) -> None:
    source = variant(tmp_path)
    replace(source / "model.tflite", b"\0" * 64 + b"TFL3" + b"\xff" * 5000)
    resign(source)
    checks.begin(source, cast.root, uploaded=False)
    [check] = prove_all()
    assert check.state == "refused"
    assert check.refusal
    assert source.is_dir(), "a folder that was not uploaded is not ours to delete"


@pytest.mark.parametrize(
    ("kind", "value"), [("age", "thirty"), ("site", "elbow"), ("mood", "good")]
)
def test_a_bundle_that_hears_what_nobody_asks_is_refused(
    tmp_path: Path, kind: str, value: str
) -> None:
    """By other words than the questions' it would silently say nothing."""
    source = variant(tmp_path)
    labels = Bundle.load(source).labels
    resign(source, metadata={kind: {value: dict.fromkeys(labels, 0.1)}})
    with pytest.raises(BundleError, match=f"hears of '{kind}' what the pack 'skin' never asks"):
        registry.register(source)


def test_a_folder_on_the_server_is_registered_where_it_lies(cast: Cast) -> None:
    checks.begin(shipped("skin"), cast.root, uploaded=False)
    [check] = prove_all()
    assert check.version is not None
    assert check.version.folder == shipped("skin").name
    again = checks.begin(shipped("skin"), cast.root, uploaded=False)
    assert again == check.version, "registered already"


def test_a_second_click_gives_the_check_that_waits(cast: Cast, tmp_path: Path) -> None:
    content = zipped(variant(tmp_path))
    first = checks.begin(uploads.unpack(content), cast.root, uploaded=True)
    content.seek(0)
    assert checks.begin(uploads.unpack(content), cast.root, uploaded=True) == first
    assert BundleCheck.objects.count() == 1
    assert len(left()) == 1


def test_files_that_were_lost_come_back_with_the_same_bundle(cast: Cast, tmp_path: Path) -> None:
    source = variant(tmp_path)
    version = registry.register(source)
    content = zipped(source)
    source.rename(tmp_path / "gone")
    assert not registry.is_there(version)
    checks.begin(uploads.unpack(content), cast.root, uploaded=True)
    [check] = prove_all()
    assert check.version == version
    version.refresh_from_db()
    assert registry.verified(version)
    assert ModelVersion.objects.count() == 1


# --- Rows are the queue --------------------------------------------------------------------------


def test_a_check_is_leased_to_one_worker_and_comes_back_when_that_one_dies(
    cast: Cast,
) -> None:
    checks.begin(shipped("skin"), cast.root, uploaded=False)
    first = checks.claim()
    assert first is not None
    assert checks.claim() is None
    BundleCheck.objects.update(lease_until=Now() - timedelta(seconds=1))
    second = checks.claim()
    assert second is not None
    checks.settle(first, "the first one's late word")
    assert BundleCheck.objects.get().state == "waiting", "its lease ran out"
    checks.settle(second, "")
    assert BundleCheck.objects.get().state == "passed"


def test_a_check_that_never_ends_is_refused_in_the_end(cast: Cast) -> None:
    checks.begin(shipped("skin"), cast.root, uploaded=False)
    for _ in range(checks.ATTEMPTS):
        assert checks.claim() is not None
        BundleCheck.objects.update(lease_until=Now() - timedelta(seconds=1))
    assert checks.claim() is None
    check = BundleCheck.objects.get()
    assert check.state == "refused"
    assert "Three times" in check.refusal


def test_a_worker_that_stops_gives_the_check_back_uncounted(cast: Cast) -> None:
    checks.begin(shipped("skin"), cast.root, uploaded=False)
    prover = checks.Prover()
    prover.turn()
    assert prover.busy
    prover.leave()
    check = BundleCheck.objects.get()
    assert (check.state, check.attempts, check.token) == ("waiting", 0, None)


# --- What is refused before ----------------------------------------------------------------------


def test_a_bundle_without_a_card_is_refused(cast: Cast, tmp_path: Path) -> None:
    empty = variant(tmp_path)
    replace(empty / "card.md", b"\n")
    resign(empty)
    with pytest.raises(BundleError, match="card is empty"):
        checks.begin(empty, cast.root, uploaded=False)
    nameless = variant(tmp_path, "4")
    manifest = json.loads((nameless / MANIFEST).read_text())
    del manifest["sha256"]["card.md"]
    replace(nameless / MANIFEST, json.dumps(manifest).encode())
    with pytest.raises(BundleError, match="no model card"):
        uploads.unpack(zipped(nameless))
    assert left() == []


def test_a_file_that_is_not_what_the_manifest_says_is_refused(tmp_path: Path) -> None:
    folder = variant(tmp_path)
    replace(folder / "card.md", b"# Another card")
    with pytest.raises(BundleError, match="its hash differs"):
        uploads.unpack(zipped(folder))
    assert left() == []


@pytest.mark.parametrize("name", ["../out.txt", "/etc/out.txt", "a/../../out.txt", "a\\..\\b", ""])
def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    folder = variant(tmp_path)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["sha256"][name] = "0" * 64
    replace(folder / MANIFEST, json.dumps(manifest).encode())
    with pytest.raises(BundleError, match="outside its folder"):
        uploads.unpack(zipped(folder, **{name or "x": b"out"}))
    assert left() == []
    assert not list(tmp_path.rglob("out.txt"))


def test_what_the_manifest_does_not_name_is_left_in_the_file(tmp_path: Path) -> None:
    folder = uploads.unpack(zipped(variant(tmp_path), **{"../out.txt": b"out", "more.py": b"x"}))
    assert not (folder / "more.py").exists()
    assert not list(tmp_path.rglob("out.txt"))


def test_a_bomb_is_refused_by_what_it_says_and_ends_where_it_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MOST_UNPACKED", 40 << 20)
    honest = io.BytesIO()
    with zipfile.ZipFile(honest, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("zeros", b"\0" * (41 << 20))
    honest.seek(0)
    with pytest.raises(BundleError, match="unpacks to more than"):
        uploads.unpack(honest)
    lying = io.BytesIO(honest.getvalue().replace(struct.pack("<L", 41 << 20), struct.pack("<L", 9)))
    with pytest.raises(BundleError):
        uploads.unpack(lying)
    many = io.BytesIO()
    with zipfile.ZipFile(many, "w") as packed:
        for number in range(uploads.MOST_FILES + 1):
            packed.writestr(str(number), b"")
    many.seek(0)
    with pytest.raises(BundleError, match="files"):
        uploads.unpack(many)
    assert left() == []


@pytest.mark.parametrize(
    "content",
    [
        b"not a zip at all",
        b"PK\x05\x06" + b"\0" * 18,
    ],
    ids=["words", "empty"],
)
def test_what_is_no_bundle_is_refused_in_a_sentence(content: bytes) -> None:
    with pytest.raises(BundleError, match=r"\.$"):
        uploads.unpack(io.BytesIO(content))
    assert left() == []


def manifest_with(**entries: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        known = json.loads((folder / MANIFEST).read_text())
        replace(folder / MANIFEST, json.dumps(known | entries).encode())

    return change


def metrics_with(text: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        replace(folder / "metrics.json", text.encode())
        resign(folder)

    return change


def statistics_that_unpack_to_more(folder: Path) -> None:
    content = io.BytesIO((folder / "statistics.npz").read_bytes())
    with zipfile.ZipFile(content, "a", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("zeros.npy", b"\0" * (MOST_UNPACKED + 1))
    replace(folder / "statistics.npz", content.getvalue())
    resign(folder)


@pytest.mark.parametrize(
    "change",
    [
        manifest_with(version="x" * 61),
        manifest_with(version=""),
        manifest_with(name="skin\0"),
        manifest_with(pack=["skin"]),
        manifest_with(training=[]),
        manifest_with(sha256=["card.md"]),
        manifest_with(sha256=[1]),
        metrics_with('{"bmca": NaN}'),
        metrics_with('{"bmca": "\\u0000"}'),
        statistics_that_unpack_to_more,
    ],
)
def test_what_cannot_be_kept_is_refused_before_anything_is_written(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    folder = variant(tmp_path)
    change(folder)
    with pytest.raises(BundleError, match=r"\.$"):
        registry.checked(folder)
    with pytest.raises(BundleError, match=r"\.$"):
        uploads.unpack(zipped(folder, ""))
    assert left() == []


def test_a_proof_whose_end_cannot_be_written_holds_up_nothing(
    cast: Cast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is away in that second: the lease brings the row back."""
    checks.begin(variant(tmp_path), cast.root, uploaded=False)
    prover = checks.Prover()
    with monkeypatch.context() as patch:
        patch.setattr(checks, "settle", away)
        prover.turn()
        with pytest.raises(OperationalError):
            end(prover)
    assert not prover.busy
    BundleCheck.objects.update(lease_until=Now() - timedelta(seconds=1))
    [check] = prove_all()
    assert check.state == "passed"


def end(prover: checks.Prover) -> None:
    while prover.busy:
        prover.turn()


def away(*_args: object) -> None:
    raise OperationalError


def test_the_network_is_given_none_of_the_workers_secrets(
    cast: Cast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[dict[str, str]] = []

    def started(*args: Any, **more: Any) -> Any:
        given.append(more["env"])
        return real(*args, **more)

    real = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", started)
    checks.begin(variant(tmp_path), cast.root, uploaded=False)
    [check] = prove_all()
    assert check.state == "passed"
    assert set(given[0]) <= checks.CHILD_KNOWS


def test_a_truncated_upload_is_refused(tmp_path: Path) -> None:
    whole = zipped(variant(tmp_path)).getvalue()
    with pytest.raises(BundleError):
        uploads.unpack(io.BytesIO(whole[: len(whole) // 2]))
    assert left() == []


def test_what_a_killed_process_left_half_unpacked_goes_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploads.home().mkdir(parents=True)
    (uploads.home() / ".unpacking-old").mkdir()
    monkeypatch.setattr(uploads, "STALE", -1.0)
    uploads.unpack(zipped(variant(tmp_path)))
    assert [name for name in left() if name.startswith(".")] == []


def test_a_damaged_folder_is_replaced_by_the_same_bundle_whole(tmp_path: Path) -> None:
    content = zipped(variant(tmp_path))
    folder = uploads.unpack(content)
    replace(folder / "card.md", b"damaged")
    content.seek(0)
    assert uploads.unpack(content) == folder
    assert registry.checked(folder)
