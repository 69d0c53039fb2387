"""Cases for the stories, made through the real workflow: drawn photos, hand-made predictions."""

from __future__ import annotations

import io
import uuid
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.db.models import F
from django.db.models.functions import Now
from PIL import Image, ImageDraw

from accounts.models import User
from diagnoses import inference, workflow
from diagnoses.intake import CleanPhoto, clean
from diagnoses.models import Case, DraftPhoto, Photo, Prediction, Scoring
from diagnoses.opening import pixels
from diagnoses.workflow import NewPhoto, Submission
from mlservice.engine import Picture, prepare
from mlservice.engine.decoders import Pending
from mlservice.models import ModelVersion, Shadow
from mlservice.packs import load_pack
from mlservice.packs.skin.drawing import draw
from mlservice.serving import Shelf
from notifications.models import Event, Message

ALL_ANSWERED = {
    "duration": "over_year",
    "change_size": "no",
    "irregular_shape": "no",
    "irregular_colour": "no",
    "diameter": "no",
    "inflamed": "no",
    "bleeding": "no",
    "sensation": "no",
    "skin_type": "ii",
}


@cache
def jpeg(seed: int = 1, *, kind: str = "nv", blur: float = 0.0, quality: int = 90) -> bytes:
    """The bytes of a drawn photo, as a phone would send them."""
    buffer = io.BytesIO()
    draw(seed, kind=kind, blur=blur).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


@cache
def photo(seed: int = 1, *, kind: str = "nv", blur: float = 0.0) -> CleanPhoto:
    return clean(io.BytesIO(jpeg(seed, kind=kind, blur=blur)), load_pack("skin").glance)


@cache
def ordinary() -> Image.Image:
    """A house with a red roof under a blue sky: a photo of no mark and of no skin."""
    image = Image.new("RGB", (640, 480), (120, 170, 230))
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 330, 640, 480), fill=(60, 140, 60))
    pen.polygon([(120, 210), (320, 70), (520, 210)], fill=(170, 40, 40))
    pen.rectangle((150, 210, 490, 400), fill=(235, 235, 225))
    for x in (180, 280, 380):
        pen.rectangle((x, 240, x + 60, 310), fill=(40, 60, 90), outline="black", width=6)
    for x in range(20, 640, 40):
        pen.line((x, 480, x + 12, 420), fill=(200, 220, 60), width=4)
    return image


def beside(seed: int = 1, *, phone: bool = False, wide: int = 1200) -> Image.Image:
    """A drawn photo with its mark on the left edge: a quarter of one ``wide`` pixels wide."""
    high = wide * 3 // 4
    whole = draw(seed, kind="mel", phone=phone, skin_tone=2, hair=0, size=(wide, high))
    return whole.crop((wide // 2, high // 4, wide, high * 3 // 4))


def encoded(image: Image.Image, file_format: str, **options: Any) -> io.BytesIO:
    buffer = io.BytesIO()
    pixels.know_heif()
    image.save(buffer, file_format, **options)
    buffer.seek(0)
    return buffer


def submission(**changes: Any) -> Submission:
    """A dermoscopic photo with every question calmly answered, but for ``changes``."""
    form = Submission(
        pack_name="skin",
        site="back",
        photos=[NewPhoto("dermoscopic", photo())],
        answers=ALL_ANSWERED,
        submit_key=uuid.uuid4(),
    )
    return replace(form, **changes)


def submitted(patient: User, **changes: Any) -> Case:
    return workflow.submit(patient, submission(**changes))


def told(case: Case, event: Event) -> set[str]:
    """Who has a ledger row about the case."""
    rows = Message.objects.filter(event=event, about__startswith=f"case:{case.pk}")
    return {row.recipient.email.split("@")[0] for row in rows if row.recipient}


def file_of(photo: Photo | DraftPhoto) -> Path:
    """Where its sealed file lies."""
    return Path(settings.MEDIA_ROOT) / str(photo.file.name)


@dataclass(frozen=True, slots=True)
class _Here:
    content: bytes
    side: int

    def result(self) -> Picture:
        return prepare(self.content, self.side)


class InThisProcess:
    """Prepares pictures without children, when they are asked for."""

    def prepare(self, content: bytes, side: int) -> Pending:
        return _Here(content, side)


def score_next(shelf: Shelf) -> int:
    """One batch from claim to filing, as the worker does it but in turn; how many rows it held."""
    inference.load_wanted(shelf)
    batch = inference.take(shelf, InThisProcess())
    if batch is None:
        return 0
    inference.settle(batch, inference.predict(batch))
    return len(batch.jobs)


def a_model_version(**changes: Any) -> ModelVersion:
    """An active version that no worker could load: for stories that score by hand."""
    fields = {
        "pack": "skin",
        "version": "by hand",
        "folder": "no-such-folder",
        "weights_hash": uuid.uuid4().hex * 2,
        "manifest_hash": uuid.uuid4().hex * 2,
        "preprocess_hash": "0" * 64,
        "temperature": 1.0,
        "r95": 0.30,
        "r99": 0.10,
        "state": ModelVersion.State.ACTIVE,
    }
    return ModelVersion.objects.create(**fields | changes)


def prediction(scoring: Scoring, **changes: Any) -> Prediction:
    """An unsaved prediction of a calm, confident harmless picture, but for ``changes``."""
    probabilities = {
        "nv": 0.95, "bkl": 0.02, "mel": 0.01, "bcc": 0.005,
        "akiec": 0.005, "df": 0.005, "vasc": 0.005,
    }  # fmt: skip
    fields: dict[str, Any] = {
        "photo": scoring.case.photos.first(),
        "model_version": scoring.model_version,
        "probabilities": probabilities,
        "top_label": "nv",
        "confidence": 0.95,
        "threshold": 0.80,
        "no_disease": False,
        "label": "nv",
        "risk": 0.02,
        "picture_tier": "green",
        "reasons": [],
        "stable": True,
        "out_of_distribution": False,
        "distance": 1.0,
        "modality": "dermoscopic",
        "conformal_set": ["nv"],
        "embedding": np.zeros(4, dtype="<f4").tobytes(),
    }
    return Prediction(**fields | changes)


def scored(case: Case, **changes: Any) -> Case:
    """``case`` with the computer's view in, as the inference worker would have filed it."""
    scoring = claimed(case)
    assert workflow.attach((scoring, prediction(scoring, **changes)))
    case.refresh_from_db()
    return case


def claimed(case: Case) -> Scoring:
    """The case's waiting queue row, leased as a worker would."""
    scoring = Scoring.objects.waiting().get(case=case)
    Scoring.objects.filter(pk=scoring.pk).update(
        token=uuid.uuid4(),
        lease_until=Now() + settings.SCORING_LEASE,
        attempts=F("attempts") + 1,
    )
    scoring.refresh_from_db()
    return scoring


RED = {"risk": 0.9, "picture_tier": "red", "reasons": ["risk_r95"]}
AMBER = {"risk": 0.2, "picture_tier": "amber", "reasons": ["risk_r99"]}
NOT_SURE = {"confidence": 0.7999, "no_disease": True, "label": ""}


def in_the_shadow(version: ModelVersion, by: User, share: int = 100) -> Shadow:
    """``version`` looks along, whether or not a worker could load it."""
    return Shadow.objects.create(version=version, pack=version.pack, share=share, started_by=by)
