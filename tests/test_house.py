"""The house rules of the plan, held true: who may import whom, who changes a state, how pages are.

When one of these fails, the rule is usually right and the change is in the wrong room.
"""

from __future__ import annotations

import ast
import hashlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("accounts", "diagnoses", "mlservice", "notifications", "portal", "training")
ELSEWHERE = {"templates", "tests", "benchmarks", "docs", "locale", "requirements"}
LONGEST_FILE = 350
LONGEST_TEST = 550
# Words that belong into a pack. "Lesion" is the name of a table: one mark of any disease area.
PACK_WORDS = re.compile(
    r"\b(skin|melanomas?|mel|naevus|naevi|nevus|nevi|nv|moles?|bcc|akiec|bkl|vasc"
    r"|chest|pneumonia|x-rays?|radiographs?|lungs?|thorax)\b",
    re.IGNORECASE,
)


@cache
def tracked() -> list[Path]:
    """Every file that is, or is about to be, part of the project."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    return [ROOT / name for name in listed if (ROOT / name).is_file()]


def files(*folders: str, suffix: str) -> list[Path]:
    return [
        path
        for path in tracked()
        if path.suffix == suffix and path.relative_to(ROOT).parts[0] in folders
    ]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def imports(node: ast.AST) -> Iterator[str]:
    """The absolute names a statement imports."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module


# --- Rooms ---------------------------------------------------------------------------------------


def test_every_top_level_folder_is_a_known_room() -> None:
    found = {path.relative_to(ROOT).parts[0] for path in tracked() if path.parent != ROOT}
    assert {name for name in found if not name.startswith(".")} <= {*ROOMS, *ELSEWHERE}
    assert set(ROOMS) <= found, "the rule looks at nothing"


def test_rooms_import_one_way() -> None:
    # In a process of its own: it silences every logger of the one it runs in.
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


def test_the_import_contracts_cover_every_room() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    assert set(contracts["root_packages"]) == set(ROOMS)
    layers = next(c["layers"] for c in contracts["contracts"] if c["type"] == "layers")
    assert layers == ["portal", "diagnoses", "mlservice | notifications", "accounts"]


def test_the_engine_and_the_packs_know_no_django() -> None:
    for path in files("mlservice", "training", suffix=".py"):
        if path.is_relative_to(ROOT / "mlservice") and not _inside(path, "engine", "packs"):
            continue
        for node in ast.walk(tree(path)):
            assert not any(_top(name) in {"django", "celery"} for name in imports(node)), (
                f"{name_of(path)} imports Django"
            )


def _inside(path: Path, *folders: str) -> bool:
    return any(path.is_relative_to(ROOT / "mlservice" / folder) for folder in folders)


def _top(name: str) -> str:
    return name.split(".", maxsplit=1)[0]


def test_tensorflow_is_imported_in_one_place_of_the_portal_and_only_when_called() -> None:
    found = set()
    for path in files(*(set(ROOMS) - {"training"}), suffix=".py"):
        for node in ast.walk(tree(path)):
            if any(_top(name) in {"tensorflow", "keras"} for name in imports(node)):
                found.add(name_of(path))
                assert getattr(node, "col_offset", 0) > 0, (
                    f"{name_of(path)} imports TensorFlow when imported"
                )
    assert found == {"mlservice/engine/keras_predictor.py"}


def test_the_web_process_loads_neither_tensorflow_nor_litert_nor_the_tests() -> None:
    script = (
        "import sys, portal.wsgi; from django.urls import get_resolver; "
        "get_resolver().url_patterns; "
        "print(sorted({'tensorflow', 'keras', 'ai_edge_litert', 'pytest'} & set(sys.modules)))"
    )
    printed = subprocess.run(
        [".venv/bin/python" if (ROOT / ".venv").exists() else "python", "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed.strip() == "[]"


def test_diagnoses_names_no_disease_area() -> None:
    pages = [path for path in files("templates", suffix=".html") if path.parent.name == "learn"]
    assert pages, "the rule looks at nothing"
    for path in [*files("diagnoses", suffix=".py"), *files("diagnoses", suffix=".html"), *pages]:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            word = PACK_WORDS.search(line)
            assert word is None, f"{name_of(path)}:{number} says {word and word[0]!r}: to the pack"


# --- State ---------------------------------------------------------------------------------------


def test_only_the_workflow_changes_the_state_of_a_case() -> None:
    """The stand-in plays Twilio's server, and "status" is Twilio's own word there."""
    sources = [p for p in files(*ROOMS, suffix=".py") if p.parent != ROOT / "portal" / "standin"]
    writers = {name_of(path) for path in sources if _writes_status(tree(path))}
    assert writers == {"diagnoses/workflow/moves.py"}


def _writes_status(module: ast.Module) -> bool:
    """``x.status = …``, ``setattr(x, "status", …)`` or ``….update(status=…)``.

    Only of cases: other tables name their state ``state``.
    """
    for node in ast.walk(module):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            if called in {"update", "bulk_update", "update_or_create"} and any(
                keyword.arg == "status" for keyword in node.keywords
            ):
                return True
            named = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
            if isinstance(node.func, ast.Name) and node.func.id == "setattr" and "status" in named:
                return True
        targets = node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(target, ast.Attribute) and target.attr == "status" for target in targets):
            return True
    return False


@pytest.mark.parametrize(
    ("line", "writes"),
    [
        ("case.status = 'final'", True),
        ("Case.objects.filter(pk=1).update(status='final')", True),
        ("setattr(case, 'status', 'final')", True),
        ("Case.objects.filter(status='final')", False),
        ("JsonResponse({}, status=404)", False),
        ("shown = case.status", False),
    ],
)
def test_the_rule_about_states_sees_what_it_should(line: str, writes: bool) -> None:
    assert _writes_status(ast.parse(line)) is writes


# --- Size and pages ------------------------------------------------------------------------------


def test_no_file_is_too_long_to_read() -> None:
    for path in files(*ROOMS, "tests", "benchmarks", suffix=".py"):
        if path.parent.name != "migrations":
            limit = LONGEST_TEST if path.is_relative_to(ROOT / "tests") else LONGEST_FILE
            lines = len(path.read_text().splitlines())
            assert lines <= limit, f"{name_of(path)}: {lines} lines"


FORBIDDEN_IN_PAGES = {
    # JSON for a script of ours is no script: browsers do not run it, and the policy lets it be.
    "an inline script": re.compile(
        r"<script(?![^>]*\s(?:src=|type=\"application/json\"))[^>]*>", re.IGNORECASE
    ),
    "an inline style sheet": re.compile(r"<style\b", re.IGNORECASE),
    "a style attribute": re.compile(r"<[^>]*\sstyle\s*=", re.IGNORECASE),
    "an event attribute": re.compile(r"<[^>]*\son[a-z]+\s*=\s*[\"']", re.IGNORECASE),
    "a javascript: address": re.compile(r"javascript:", re.IGNORECASE),
    "something fetched from elsewhere": re.compile(
        r"<(?:script|link|img|iframe|source|video|audio|use)\b[^>]*"
        r"\s(?:src|href|srcset)\s*=\s*[\"']?(?:https?:)?//",
        re.IGNORECASE,
    ),
}


def test_pages_hold_to_the_strict_content_security_policy() -> None:
    pages = files(*ROOMS, "templates", suffix=".html")
    assert len(pages) > 5, "the rule looks at nothing"
    for path in pages:
        text = re.sub(r"{%\s*comment.*?endcomment\s*%}|{#.*?#}", "", path.read_text(), flags=re.S)
        for what, pattern in FORBIDDEN_IN_PAGES.items():
            found = pattern.search(text)
            assert found is None, f"{name_of(path)} has {what}: {found and found[0]}"


@pytest.mark.parametrize(
    ("html", "what"),
    [
        ("<script>go()</script>", "an inline script"),
        ('<p style="color:red">', "a style attribute"),
        ('<button class="x" onclick="go()">', "an event attribute"),
        ('<script src="https://cdn.org/x.js"></script>', "something fetched from elsewhere"),
        ('<link rel="stylesheet" href="//cdn.org/x.css">', "something fetched from elsewhere"),
    ],
)  # fmt: skip
def test_the_rules_about_pages_see_what_they_should(html: str, what: str) -> None:
    assert FORBIDDEN_IN_PAGES[what].search(html)


def test_stylesheets_and_scripts_fetch_nothing_from_elsewhere() -> None:
    for path in [*files("portal", suffix=".css"), *files("portal", suffix=".js")]:
        found = re.search(
            r"(?:url\(|import\s|from\s|fetch\()\s*[\"']?(?:https?:)?//", path.read_text()
        )
        assert found is None, f"{name_of(path)}: {found and found[0]}"


# --- What may be committed -----------------------------------------------------------------------


def test_no_patients_picture_is_committed(real_data: Path) -> None:
    """Neither from the data sets (by content) nor beside them."""
    ours = [p for p in tracked() if p.suffix.lower() in {".jpg", ".jpeg", ".png", ".webp", ".heic"}]
    sizes = {path.stat().st_size for path in ours}
    theirs = {
        hashlib.sha256(path.read_bytes()).hexdigest()
        for path in real_data.rglob("*")
        if path.is_file() and path.stat().st_size in sizes
    }
    for path in ours:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert digest not in theirs, f"{name_of(path)} is a picture of the data sets"


def test_nothing_committed_names_the_machine_it_was_written_on() -> None:
    places = re.compile(r"(?<![\w.])/(?:work|root|home)/(?!lentigo\b)[\w.-]+")
    for path in tracked():
        if path.suffix in {".py", ".md", ".toml", ".txt", ".yml", ".html", ".js", ".css", ""}:
            found = places.search(path.read_text(errors="ignore"))
            assert found is None, f"{name_of(path)} names {found and found[0]}"


def test_the_tests_that_begin_are_there() -> None:
    from tests.plugin import LONGEST

    assert [name for name in LONGEST if not (ROOT / name).is_file()] == []
