"""The report as a PDF: tagged for screen readers, its letters embedded, its pictures reduced."""

from __future__ import annotations

import base64
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diagnoses.models import Photo
from diagnoses.report.content import Report
from diagnoses.sealing import LOST, AwayError
from diagnoses.storage import whole
from diagnoses.thumbnails import MEDIUM, shrink

if TYPE_CHECKING:
    import typst

HERE = Path(__file__).parent
LAYOUT = (HERE / "case.typ").read_bytes()


def printed(report: Report) -> bytes:
    """The PDF, from memory to memory: nothing of a patient is laid on the disk for it.

    What people wrote is data to the layout, never its markup. A photo that is lost is left out;
    raises :class:`AwayError` where the storage gives none at this moment.
    """
    import typst  # seven megabytes, which a web process has once somebody asks for a paper

    inputs: dict[str, str] = {}
    shown = []
    for number, (photo, caption) in enumerate(zip(report.photos, report.captions, strict=True)):
        picture = _reduced(photo)
        if picture:
            inputs[str(number)] = _wrapped(photo, picture)
        name = str(number) if picture else None
        wide = photo.width >= photo.height
        shown.append({"name": name, "caption": caption, "wide": wide})
    content = report.as_dict() | {"photos": shown, "lacks": False}
    try:
        return _set(content, inputs, ["ua-1"])
    except typst.TypstError as error:
        if "could not be displayed with font" not in str(error):
            raise
        # A letter that the font does not have is no accessible text; the paper says so.
        return _set(content | {"lacks": True}, inputs, [])


def _set(
    content: dict[str, Any], pictures: dict[str, str], standards: list[typst.PDFStandard]
) -> bytes:
    import typst

    return typst.compile(
        LAYOUT,
        format="pdf",
        font_paths=_fonts(),
        sys_inputs=pictures | {"case": json.dumps(content)},
        pdf_standards=standards,
    )


@cache
def _fonts() -> typst.Fonts:
    """Ours alone: the same paper on every machine."""
    import typst

    return typst.Fonts(
        include_system_fonts=False, include_embedded_fonts=False, font_paths=[HERE / "fonts"]
    )


def _wrapped(photo: Photo, picture: bytes) -> str:
    """The JPEG in an SVG: only text can be handed over. The JPEG goes into the PDF as it is."""
    size = f'width="{photo.width}" height="{photo.height}"'
    data = base64.b64encode(picture).decode()
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}>'
        f'<image {size} href="data:image/jpeg;base64,{data}"/></svg>'
    )


def _reduced(photo: Photo) -> bytes | None:
    """As much of it as paper shows; nothing where the file cannot be read any more."""
    try:
        return shrink(whole(photo.file), MEDIUM)
    except LOST:
        return None
    except OSError as error:
        raise AwayError from error
