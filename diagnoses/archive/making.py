"""The archive of a case, made while it is sent: no picture is ever whole in memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils import timezone
from rest_framework.utils.encoders import JSONEncoder
from zipstream import ZipStream

from diagnoses.archive import CASE, FHIR, FORMAT, MANIFEST
from diagnoses.archive.record import record_of
from diagnoses.fhir.kinds import whole_of
from diagnoses.fhir.library import Resource, checked
from diagnoses.fhir.told import Told
from diagnoses.models import Photo
from diagnoses.storage import private


@dataclass(frozen=True, slots=True)
class _Picture:
    photo: Photo
    name: str
    size: int


def archive(one: Told) -> ZipStream:
    """An iterable of bytes whose length is known.

    A picture whose file is missing, or is known to be broken, is left out; ``case.json`` says so.
    One that is found to be broken on the way ends the download: the next one knows it.
    """
    pictures = list(_pictures(one.photos))
    texts = {
        CASE: _json(record_of(one, {each.photo.pk: each.name for each in pictures})),
        FHIR: _json(_bundle(one)),
    }
    manifest = {
        "format": FORMAT,
        "portal": settings.PUBLIC_URL,
        "case": str(one.case.pk),
        "written_at": timezone.now(),
        "files": [
            *(_listed(name, len(text), _hash(text)) for name, text in texts.items()),
            *(_listed(each.name, each.size, each.photo.sha256) for each in pictures),
        ],
    }
    stream = ZipStream(sized=True)  # nothing is packed: pictures are, and the rest is short
    stream.add(_json(manifest), MANIFEST)
    for name, text in texts.items():
        stream.add(text, name)
    for each in pictures:
        stream.add(private.pieces(str(each.photo.file.name)), each.name, size=each.size)
    return stream


def _pictures(photos: list[Photo]) -> Iterator[_Picture]:
    sizes = private.givable([str(photo.file.name) for photo in photos])
    for number, photo in enumerate(photos, 1):
        if (size := sizes.get(str(photo.file.name))) is not None:
            yield _Picture(photo, f"photos/{number:02}-{photo.kind}.jpg", size)


def _bundle(one: Told) -> Resource:
    """As ``/api/fhir/Bundle/{id}`` gives it, without the moment: the same case is the same file."""
    entries = [
        {"fullUrl": f"{one.base}/api/fhir/{each['resourceType']}/{each['id']}", "resource": each}
        for each in whole_of(one)
    ]
    bundle = {"resourceType": "Bundle", "id": str(one.case.pk), "type": "collection"}
    return checked({**bundle, "entry": entries})


def _listed(name: str, size: int, digest: str) -> dict[str, Any]:
    return {"name": name, "size": size, "sha256": digest}


def _hash(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def _json(content: Any) -> bytes:
    return json.dumps(content, cls=JSONEncoder, ensure_ascii=False, indent=1).encode()
