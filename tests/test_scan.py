"""``make scan`` finds what it is for; that it finds nothing in this repository, CI sees itself."""

from __future__ import annotations

import importlib.util
import json
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def scan() -> ModuleType:
    spec = importlib.util.spec_from_file_location("scan", ROOT / ".ci" / "scan.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def known(scan: ModuleType) -> dict[str, Any]:
    entered: dict[str, Any] = json.loads((ROOT / scan.BASELINE).read_text())
    return entered


def test_a_secret_in_a_new_file_is_found_and_not_printed(
    scan: ModuleType, known: dict[str, Any], tmp_path: Path
) -> None:
    planted = "AKIA" + "QYLPMN5HHHFPZAM2"  # in two, or it would be found here
    (tmp_path / "notes.md").write_text(f"The key is {planted}, keep it safe.\n")
    found = scan.new_secrets(known, [str(tmp_path / "notes.md")])
    assert found == [f"{tmp_path / 'notes.md'}:1: AWS Access Key"]
    assert planted not in "".join(found)


def test_what_was_looked_at_is_not_found_again_and_everything_else_is(
    scan: ModuleType, known: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert scan.new_secrets(known, ["portal/demo.py", "portal/settings/environment.py"]) == []
    nothing_known = {**known, "results": {}}
    found = scan.new_secrets(nothing_known, ["portal/demo.py"])
    assert len(found) == 2, "the demo's password and the secret of its apps"


def test_pictures_and_weights_are_no_secrets(scan: ModuleType, known: dict[str, Any]) -> None:
    assert not scan.secrets(known, ["requirements/serve.txt", "locale/es/LC_MESSAGES/django.po"])


def test_bandit_finds_what_ruff_is_not_left_to_find(
    scan: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = tmp_path / "bad.py"
    code.write_text("import yaml, hashlib\nyaml.load('')\nhashlib.md5(b'').hexdigest()\n")
    assert not scan.bandit([str(code)])
    said = capfd.readouterr().out
    assert "B506" in said
    assert "B324" in said
    code.write_text("x = 1\n")
    assert scan.bandit([str(code)])


def test_a_hole_in_a_library_and_a_library_that_could_not_be_asked_after_are_told(
    scan: ModuleType,
) -> None:
    printed = {
        "dependencies": [
            {"name": "good", "version": "1.0", "vulns": []},
            {
                "name": "bad",
                "version": "2.0",
                "vulns": [{"id": "PYSEC-2026-1", "fix_versions": []}],
            },
            {"name": "odd", "skip_reason": "not found"},
        ]
    }
    told = scan.verdict(json.dumps(printed))
    assert told == ["bad 2.0: PYSEC-2026-1", "odd: not audited: not found"]
    assert scan.verdict('{"dependencies": []}') == []


def test_where_no_advisories_are_it_says_not_audited_and_does_not_fail(
    scan: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("sys.argv", ["scan.py"])
    monkeypatch.setattr(scan, "bandit", lambda: True)
    monkeypatch.setattr(scan, "files", lambda: ["manage.py"])
    # Nobody knows a hole in a library that does not exist.
    nowhere = partial(scan.advisories_are_there, "lentigo-is-no-library==0.0.1")
    monkeypatch.setattr(scan, "advisories_are_there", nowhere)
    assert scan.main() == 0
    assert "NOT AUDITED" in capsys.readouterr().out
    monkeypatch.setattr(scan, "advisories_are_there", lambda: True)
    monkeypatch.setattr(scan, "pip_audit", lambda: ["bad 2.0: PYSEC-2026-1"])
    assert scan.main() == 1
    assert "PYSEC-2026-1" in capsys.readouterr().out
