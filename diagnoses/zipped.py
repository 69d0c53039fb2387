"""A copy of everything as one zip, made while it is sent: no picture is ever whole in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator

from django.contrib.staticfiles import finders
from django.core.serializers.json import DjangoJSONEncoder
from django.template.loader import render_to_string
from zipstream import ZipStream

from diagnoses.everything import Everything
from diagnoses.storage import private

AT_ONCE = 64 * 1024  # bytes
STYLE = "portal/lentigo.css"


def zipped(everything: Everything) -> ZipStream:
    """An iterable of bytes whose length is known. The pictures are JPEGs: packing them again would
    cost time and save nothing, and a name stays what it is.

    A picture whose file is missing, or is known to be broken, is left out and named in README.txt.
    One that is found to be broken on the way ends the download: the next one knows it.
    """
    broken = private.refused([one.file for one in everything.pictures])
    sizes = {
        one.name: None if one.file in broken else _size(one.file) for one in everything.pictures
    }
    missing = [name for name, size in sizes.items() if size is None]
    context: dict[str, object] = {"record": everything.record, "missing": missing}
    stream = ZipStream(sized=True)
    stream.add(_text("mine/readme.txt", context), "README.txt")
    stream.add(_text("mine/index.html", context), "index.html")
    stream.add(_json(everything), "lentigo.json")
    if style := finders.find(STYLE):
        stream.add_path(style, "style.css")
    for picture in everything.pictures:
        if sizes[picture.name] is not None:
            stream.add(_read(picture.file), picture.name, size=sizes[picture.name])
    return stream


def _size(file: str) -> int | None:
    """How many bytes it has; nothing for one that cannot be given."""
    try:
        return private.size(file)
    except OSError:
        return None


def _read(file: str) -> Iterator[bytes]:
    """Opened when its turn comes."""
    with private.open(file) as picture:
        while piece := picture.read(AT_ONCE):
            yield piece


def _text(template: str, context: dict[str, object]) -> bytes:
    return render_to_string(template, context).encode()


def _json(everything: Everything) -> bytes:
    return json.dumps(
        everything.record, cls=DjangoJSONEncoder, ensure_ascii=False, indent=1
    ).encode()
