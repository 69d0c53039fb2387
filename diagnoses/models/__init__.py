"""The only clinical tables of the house."""

from diagnoses.models.again import Letter, Outcome, SecondReading, SecondReadingQuerySet
from diagnoses.models.alarm import Alarm, AlarmQuerySet
from diagnoses.models.came import CaseImport
from diagnoses.models.case import (
    DUE_FIRST,
    DUE_SOON,
    RISKY_FIRST,
    UNSCORED_SHOWS_AFTER,
    Case,
    CaseEvent,
    CaseQuerySet,
    Lesion,
    TierChoices,
)
from diagnoses.models.claim import OPEN_FOR, Claim, ClaimQuerySet
from diagnoses.models.draft import Draft, DraftPhoto, UploadPiece, UploadTally, draft_path
from diagnoses.models.escalation import Escalation, Opened
from diagnoses.models.filekey import FileKey
from diagnoses.models.hold import Hold
from diagnoses.models.learning import (
    ExportedPhoto,
    TakenCopy,
    TrainingExport,
    TrainingExportQuerySet,
)
from diagnoses.models.nudge import Nudge, NudgeQuerySet
from diagnoses.models.photo import Photo, photo_path
from diagnoses.models.precedent import INDEXED_SIZE, LARGEST_SIZE, Precedent
from diagnoses.models.reading import FirstReading, Review, ReviewUndo
from diagnoses.models.scoring import LAST, Prediction, Scoring
from diagnoses.models.shadow import Comparison
from diagnoses.models.share import SHARED_AFTER_READING, SHARED_FOR, CaseShare, CaseShareQuerySet
from diagnoses.models.talk import MOST_SAID, ReadMark, Remark, Retake

__all__ = [
    "DUE_FIRST",
    "DUE_SOON",
    "INDEXED_SIZE",
    "LARGEST_SIZE",
    "LAST",
    "MOST_SAID",
    "OPEN_FOR",
    "RISKY_FIRST",
    "SHARED_AFTER_READING",
    "SHARED_FOR",
    "UNSCORED_SHOWS_AFTER",
    "Alarm",
    "AlarmQuerySet",
    "Case",
    "CaseEvent",
    "CaseImport",
    "CaseQuerySet",
    "CaseShare",
    "CaseShareQuerySet",
    "Claim",
    "ClaimQuerySet",
    "Comparison",
    "Draft",
    "DraftPhoto",
    "Escalation",
    "ExportedPhoto",
    "FileKey",
    "FirstReading",
    "Hold",
    "Lesion",
    "Letter",
    "Nudge",
    "NudgeQuerySet",
    "Opened",
    "Outcome",
    "Photo",
    "Precedent",
    "Prediction",
    "ReadMark",
    "Remark",
    "Retake",
    "Review",
    "ReviewUndo",
    "Scoring",
    "SecondReading",
    "SecondReadingQuerySet",
    "TakenCopy",
    "TierChoices",
    "TrainingExport",
    "TrainingExportQuerySet",
    "UploadPiece",
    "UploadTally",
    "draft_path",
    "photo_path",
]
