"""docs/uploads.md says what the code does: every refusal, its status, its sentence, its limits."""

from __future__ import annotations

import re
from pathlib import Path

from diagnoses import intake
from diagnoses.api.submission import MOST_PHOTOS
from diagnoses.opening import child, children, pixels
from portal.middleware import BODIES, BODY

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "uploads.md").read_text()


def rows() -> dict[str, list[str]]:
    """Code -> status, sentence, limit, where."""
    found = re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE, re.MULTILINE)
    return {code: [cell.strip() for cell in rest.split(" | ")] for code, rest in found}


def test_every_refusal_is_listed_with_its_status_and_its_sentence() -> None:
    told = {code: (int(row[0]), row[1]) for code, row in rows().items()}
    known = map(intake.Refusal, intake.SENTENCES)
    assert told == {one.code: (int(one.http), one.sentence) for one in known}


def test_each_is_decided_where_the_page_says() -> None:
    for code, row in rows().items():
        source = (ROOT / row[3].strip("`")).read_text()
        name = {child.OVER: "OVER = ", children.NOT_NOW: "NOT_NOW = "}.get(code, "")
        assert f'{name}"{code}"' in source, code


def test_the_limits_are_those_of_the_code() -> None:
    limits = {code: row[2] for code, row in rows().items()}
    mega = 1 << 20
    assert limits["too_heavy"] == f"{pixels.MAX_BYTES // mega} MB"
    assert limits["too_many_pixels"] == f"{pixels.MAX_PIXELS:,}"
    assert limits["too_few_pixels"] == f"{pixels.MIN_SIDE} a side"
    assert limits["strip"] == f"{pixels.MAX_RATIO} : 1"
    assert limits["damaged"] == f"also more than {pixels.MAX_SCANS} scans of a JPEG"
    assert limits[child.OVER] == (
        f"{child.PROCESSOR_SECONDS} s of a processor, {child.SECONDS:.0f} s, "
        f"{child.MEMORY // mega} MB"
    )
    many, one = BODIES["api-cases"], BODIES["draft_photo"]
    assert many == MOST_PHOTOS * pixels.MAX_BYTES + BODY
    assert limits["too_much"] == f"the request: {many // mega}, {one // mega} or {BODY // mega} MB"
    read = (ROOT / "portal" / "settings" / "data.py").read_text()
    [photos] = re.findall(r'"UPLOADS_PER_DAY", default=(\d+)', read)
    [size] = re.findall(r'"UPLOAD_MB_PER_DAY", default=(\d+)', read)
    assert limits["quota"] == f"{photos} photos, {size} MB a day"
