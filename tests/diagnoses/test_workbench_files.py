"""What the workbench loads, and which keys it gives out."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections import Counter
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from diagnoses import workflow
from diagnoses.models import Case
from diagnoses.workflow import Answer
from tests.cases import RED, a_model_version, scored, submitted
from tests.cast import Cast

STATIC = Path(settings.BASE_DIR) / "portal" / "static"
MOST = 80_000  # bytes of JavaScript, gzipped, on a doctor's page
READING = {"diagnosis": "nv", "confidence": "sure", "plan": "see"}


@pytest.fixture
def case(cast: Cast, media: Path) -> Case:
    a_model_version()
    return scored(submitted(cast.ana), **RED)


def page_of(client: Client, case: Case, name: str = "reading") -> str:
    return client.get(reverse(name, args=[case.pk])).content.decode()


def with_imports(script: Path) -> set[Path]:
    """The module and all that it loads."""
    found = re.findall(r'^import .*? from "(\.[^"]+)";', script.read_text(), re.MULTILINE)
    imported = [(script.parent / name).resolve() for name in found]
    return {script.resolve()}.union(*(with_imports(one) for one in imported))


def test_the_scripts_of_a_doctors_page_stay_small(cast: Cast, case: Case) -> None:
    page = page_of(cast.client(cast.ruth), case)
    named = re.findall(r'<script[^>]* src="/static/([^"]+)"', page)
    scripts = set().union(*(with_imports(STATIC / name) for name in named))
    assert STATIC / "vendor" / "d3-zoom" / "d3-zoom.js" in scripts, "the rule looks at too little"
    assert sum(len(gzip.compress(script.read_bytes())) for script in scripts) <= MOST


def test_the_library_is_the_one_its_note_describes() -> None:
    folder = STATIC / "vendor" / "d3-zoom"
    digest = hashlib.sha256((folder / "d3-zoom.js").read_bytes()).hexdigest()
    assert f"`{digest}`" in (folder / "README.md").read_text()
    assert "Permission to use, copy, modify" in (folder / "LICENSE").read_text()


def keys_of(page: str) -> Counter[str]:
    """Every key the page gives out. A key that cycles stands on several buttons and counts once."""
    keys = Counter(
        key for keys in re.findall(r'\bdata-key="([^"]+)"', page) for key in keys.split()
    )
    return keys + Counter(set(re.findall(r'\bdata-cycle="([^"]+)"', page)))


def test_no_key_means_two_things_whatever_the_case_is_at(cast: Cast, case: Case) -> None:
    client = cast.client(cast.ruth)
    scored(submitted(cast.ana, lesion=case.lesion))
    pages = [page_of(client, case)]
    workflow.read_first(case, cast.ruth, **READING)
    pages.append(page_of(client, case))
    workflow.sign(
        case, cast.ruth, Answer(diagnosis="nv", plan="see", advice="Show it.", agrees=True)
    )
    pages += [page_of(client, case), page_of(client, case, "reading_amend")]
    for page in pages:
        assert [key for key, times in keys_of(page).items() if times > 1] == []
    reading, answering, signed, amending = (set(keys_of(page)) for page in pages)
    assert reading >= set("01234567cpursnzhbj")
    assert answering >= set("01234567aoputws")
    assert amending >= set("01234567aoptws")
    assert "backspace" in signed


def test_pictures_of_other_times_come_with_their_case_and_none_of_another_mark(
    cast: Cast, case: Case
) -> None:
    again = submitted(cast.ana, lesion=case.lesion)
    other_mark, of_bo = submitted(cast.ana), submitted(cast.bo)
    page = page_of(cast.client(cast.ruth), case)
    shown = re.findall(r'data-picture="([^"]+)"', page)
    own, later = (str(one.photos.get().pk) for one in (case, again))
    assert shown == [own, later]
    assert re.search(rf'data-picture="{later}"[^>]* data-other [^>]*hidden', page)
    for unrelated in (other_mark, of_bo):
        assert str(unrelated.photos.get().pk) not in shown
    assert 'data-overlay="' not in page, "nothing of the computer's before the doctor's own reading"
