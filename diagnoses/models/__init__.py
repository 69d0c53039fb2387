"""The only clinical tables of the house."""

from diagnoses.models.case import (
    DUE_SOON,
    UNSCORED_SHOWS_AFTER,
    Case,
    CaseEvent,
    CaseQuerySet,
    Lesion,
    TierChoices,
)
from diagnoses.models.draft import Draft, DraftPhoto, UploadPiece, draft_path
from diagnoses.models.nudge import Nudge, NudgeQuerySet
from diagnoses.models.photo import Photo, photo_path
from diagnoses.models.precedent import INDEXED_SIZE, LARGEST_SIZE, Precedent
from diagnoses.models.reading import FirstReading, Review, ReviewUndo
from diagnoses.models.scoring import Prediction, Scoring
from diagnoses.models.talk import MOST_SAID, ReadMark, Remark, Retake

__all__ = [
    "DUE_SOON",
    "INDEXED_SIZE",
    "LARGEST_SIZE",
    "MOST_SAID",
    "UNSCORED_SHOWS_AFTER",
    "Case",
    "CaseEvent",
    "CaseQuerySet",
    "Draft",
    "DraftPhoto",
    "FirstReading",
    "Lesion",
    "Nudge",
    "NudgeQuerySet",
    "Photo",
    "Precedent",
    "Prediction",
    "ReadMark",
    "Remark",
    "Retake",
    "Review",
    "ReviewUndo",
    "Scoring",
    "TierChoices",
    "UploadPiece",
    "draft_path",
    "photo_path",
]
