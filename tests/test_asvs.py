"""docs/asvs.md: every requirement of levels 1 and 2 is there once, and no claim is of thin air."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "asvs.md"
STATUSES = ("met", "met by the operator", "partly", "not", "not applicable")
# The requirements of ASVS 5.0.0 by section, those of level 1 and then those of level 2:
# "V1.2": "1-5 6-9" is V1.2.1 to V1.2.5 and V1.2.6 to V1.2.9. Level 3 is not assessed.
SECTIONS = {
    "V1.1": "- 1-2",
    "V1.2": "1-5 6-9",
    "V1.3": "1-2 3-11",
    "V1.4": "- 1-3",
    "V1.5": "1 2",
    "V2.1": "1 2-3",
    "V2.2": "1-2 3",
    "V2.3": "1 2-4",
    "V2.4": "- 1",
    "V3.2": "1-2 -",
    "V3.3": "1 2-4",
    "V3.4": "1-2 3-6",
    "V3.5": "1-3 4-5",
    "V3.7": "- 1-2",
    "V4.1": "1 2-3",
    "V4.2": "- 1",
    "V4.3": "- 1-2",
    "V4.4": "1 2-4",
    "V5.1": "- 1",
    "V5.2": "1-2 3",
    "V5.3": "1-2 -",
    "V5.4": "- 1-3",
    "V6.1": "1 2-3",
    "V6.2": "1-8 9-12",
    "V6.3": "1-2 3-4",
    "V6.4": "1-2 3-4",
    "V6.5": "- 1-5",
    "V6.6": "- 1-3",
    "V6.8": "- 1-4",
    "V7.1": "- 1-3",
    "V7.2": "1-4 -",
    "V7.3": "- 1-2",
    "V7.4": "1-2 3-5",
    "V7.5": "- 1-2",
    "V7.6": "- 1-2",
    "V8.1": "1 2",
    "V8.2": "1-2 3",
    "V8.3": "1 -",
    "V8.4": "- 1",
    "V9.1": "1-3 -",
    "V9.2": "1 2-4",
    "V10.1": "- 1-2",
    "V10.2": "- 1-2",
    "V10.3": "- 1-4",
    "V10.4": "1-5 6-11",
    "V10.5": "- 1-5",
    "V10.6": "- 1-2",
    "V10.7": "- 1-3",
    "V11.1": "- 1-2",
    "V11.2": "- 1-3",
    "V11.3": "1-2 3",
    "V11.4": "1 2-4",
    "V11.5": "- 1",
    "V11.6": "- 1",
    "V12.1": "1 2-3",
    "V12.2": "1-2 -",
    "V12.3": "- 1-4",
    "V13.1": "- 1",
    "V13.2": "- 1-5",
    "V13.3": "- 1-2",
    "V13.4": "1 2-5",
    "V14.1": "- 1-2",
    "V14.2": "1 2-4",
    "V14.3": "1 2-3",
    "V15.1": "1 2-3",
    "V15.2": "1 2-3",
    "V15.3": "1 2-7",
    "V16.1": "- 1",
    "V16.2": "- 1-5",
    "V16.3": "- 1-4",
    "V16.4": "- 1-3",
    "V16.5": "- 1-3",
    "V17.1": "- 1",
    "V17.2": "- 1-4",
    "V17.3": "- 1-2",
}
ROW = re.compile(r"^\| (V\d+\.\d+\.\d+) \| ([12]) \| (.+?) \| (.+?) \| (.*?) \| (.*?) \|$", re.M)


def numbers(text: str) -> list[int]:
    """ "1-3,5" is 1, 2, 3 and 5; "-" is none."""
    found: list[int] = []
    for part in text.split(",") if text != "-" else []:
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def required() -> dict[str, str]:
    """The level of each requirement, by its id."""
    return {
        f"{section}.{number}": level
        for section, told in SECTIONS.items()
        for level, text in zip("12", told.split(), strict=True)
        for number in numbers(text)
    }


def rows() -> list[tuple[str, ...]]:
    found = [match.groups() for match in ROW.finditer(PAGE.read_text(encoding="utf-8"))]
    assert found, "the page has no table"
    return found


def test_the_standard_has_seventy_and_one_hundred_and_eighty_three_of_them() -> None:
    assert Counter(required().values()) == {"1": 70, "2": 183}


def test_every_requirement_is_there_once_with_its_level() -> None:
    listed = [(row[0], row[1]) for row in rows()]
    assert sorted(listed) == sorted(required().items())


def test_every_status_is_one_of_five_and_the_summary_counts_them() -> None:
    counted = Counter((level, status) for _, level, _, status, _, _ in rows())
    assert {status for _, status in counted} <= set(STATUSES)
    text = PAGE.read_text(encoding="utf-8")
    for level in "12":
        told = " | ".join(str(counted[level, status]) for status in STATUSES)
        assert f"| Level {level} | {told} |" in text


def test_what_is_met_names_where_and_a_test_that_is_there() -> None:
    for number, _, _, status, where, test in rows():
        if status == "met":
            assert test, f"{number} is called met, and no test says so"
        if status != "not applicable":
            assert where, f"{number}: where?"
        if test:
            assert (ROOT / test.strip("`")).is_file(), f"{number}: there is no {test}"


def test_every_file_that_is_named_is_there() -> None:
    named = {name for row in rows() for name in re.findall(r"[\w./]+\.(?:md|py)\b", row[4])}
    assert {"docs/retention.md"} <= named, "the rule looks at nothing"
    assert not sorted(name for name in named if not (ROOT / name).is_file())


@pytest.mark.parametrize("page", ["retention.md", "security.md"])
def test_every_test_that_a_page_names_is_there(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for file, _, name in re.findall(r"`(tests/[\w/]+\.py)(::(\w+))?`", text):
        assert (ROOT / file).is_file(), f"{page}: there is no {file}"
        if name:
            assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), f"{page}: {name}"
