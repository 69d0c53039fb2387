"""A copy of everything as one zip, made while it is sent: no picture is ever whole in memory."""

from __future__ import annotations

import json

from django.contrib.staticfiles import finders
from django.core.serializers.json import DjangoJSONEncoder
from django.template.loader import render_to_string
from zipstream import ZipStream

from diagnoses.everything import Everything
from diagnoses.storage import private

STYLE = "portal/lentigo.css"


def zipped(everything: Everything) -> ZipStream:
    """An iterable of bytes whose length is known. The pictures are JPEGs: packing them again would
    cost time and save nothing, and a name stays what it is.

    A picture whose file is missing, or is known to be broken, is left out and named in README.txt.
    One that is found to be broken on the way ends the download: the next one knows it.
    """
    sizes = private.givable([one.file for one in everything.pictures])
    missing = [one.name for one in everything.pictures if one.file not in sizes]
    context: dict[str, object] = {"record": everything.record, "missing": missing}
    stream = ZipStream(sized=True)
    stream.add(_text("mine/readme.txt", context), "README.txt")
    stream.add(_text("mine/index.html", context), "index.html")
    stream.add(_json(everything), "lentigo.json")
    if style := finders.find(STYLE):
        stream.add_path(style, "style.css")
    for picture in everything.pictures:
        if picture.file in sizes:
            stream.add(private.pieces(picture.file), picture.name, size=sizes[picture.file])
    return stream


def _text(template: str, context: dict[str, object]) -> bytes:
    return render_to_string(template, context).encode()


def _json(everything: Everything) -> bytes:
    return json.dumps(
        everything.record, cls=DjangoJSONEncoder, ensure_ascii=False, indent=1
    ).encode()
