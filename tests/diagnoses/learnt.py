"""Answered cases to learn from, for the stories about exports."""

from __future__ import annotations

import io
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse

from accounts import people
from accounts.models import Clinic, Consent, User
from diagnoses import learning, workflow
from diagnoses.learning.which import Wanted
from diagnoses.models import Case, TrainingExport
from diagnoses.workflow import Answer, NewPhoto
from mlservice.packs import load_pack
from tests import cases
from tests.cast import PASSWORD, Cast
from tests.diagnoses.pages import Response

LIST = "/learning/"
RESEARCH = Consent.Kind.RESEARCH


def agreed(user: User) -> User:
    people.give_consent(user, RESEARCH)
    return user


def patient(number: int, clinic: Clinic) -> User:
    """Somebody who agreed to learning."""
    who = User.objects.create_user(
        f"p{number}@example.org", name=f"Patient {number}", clinic=clinic
    )
    people.give_consent(who, Consent.Kind.CARE)
    return agreed(who)


def photos(*seeds: int, kind: str = "nv", taken: str = "dermoscopic") -> list[NewPhoto]:
    return [NewPhoto(taken, cases.photo(seed, kind=kind)) for seed in seeds]


def read(case: Case, doctor: User, dx: str) -> Case:
    """A doctor reads and signs it."""
    workflow.read_first(case, doctor, diagnosis=dx, confidence="sure", plan="reassure")
    workflow.sign(case, doctor, Answer(diagnosis=dx, plan="reassure", advice="Read me."))
    case.refresh_from_db()
    return case


def answered(who: User, doctor: User, seed: int, dx: str = "nv", **changes: Any) -> Case:
    """A case of one dermoscopic photo, signed with ``dx``."""
    given = {"photos": photos(seed)} | changes
    return read(cases.submitted(who, **given), doctor, dx)


def wanted(clinic: Clinic | None = None, modality: str = "dermoscopic") -> Wanted:
    return Wanted(load_pack("skin"), modality, clinic)


def made(cast: Cast, clinic: Clinic | None = None, **changes: Any) -> TrainingExport:
    """An export as the worker leaves it."""
    export = learning.ask(wanted(clinic, **changes), cast.root, uuid.uuid4())
    learning.make_due()
    export.refresh_from_db()
    return export


def unpacked(export: TrainingExport, folder: Path) -> Path:
    with zipfile.ZipFile(default_storage.open(export.file)) as archive:
        assert archive.testzip() is None
        archive.extractall(folder)
    return folder


def downloaded(client: Client, export: TrainingExport) -> zipfile.ZipFile:
    """Press "Download", type the password."""
    address = reverse("learning_download", args=[export.pk])
    asked = client.get(address)
    assert asked.status_code == 302, "the password is asked for"
    assert client.post(asked["Location"], {"password": PASSWORD})["Location"] == address
    answer: Response = client.get(address)
    assert answer.status_code == 200
    return zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))


def rows(folder: Path) -> list[dict[str, str]]:
    """labels.csv, line by line."""
    header, *lines = (folder / "labels.csv").read_text().splitlines()
    return [dict(zip(header.split(","), line.split(","), strict=True)) for line in lines]


def everything_in(archive: zipfile.ZipFile) -> Iterator[bytes]:
    """Every name, comment and content, and the archive's own bytes."""
    yield archive.comment
    for entry in archive.infolist():
        yield entry.filename.encode()
        yield entry.comment + entry.extra
        yield archive.read(entry)
