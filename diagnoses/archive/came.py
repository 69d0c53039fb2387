"""What came with a case from another portal, for the doctor who reads it: theirs, never ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from accounts.models import User
from diagnoses.archive.shape import CaseShape
from diagnoses.models import Case, CaseImport


@dataclass(frozen=True, slots=True)
class Came:
    """``said`` is what the other portal had of it, in the shape of ``CaseShape``; ``None`` where
    the reader has to say first what they see themselves."""

    row: CaseImport
    said: Mapping[str, Any] | None


def of(case: Case) -> CaseImport | None:
    found: CaseImport | None = getattr(case, "came", None)
    return found


def shown(case: Case, *, own_is_in: bool) -> Came | None:
    """For the case's page. A colleague's opinion and a computer's view wait for the own reading,
    wherever they come from."""
    row = of(case)
    if row is None:
        return None
    return Came(row, _said(row) if own_is_in else None)


def told_to_patient(case: Case) -> dict[str, Any] | None:
    """For a copy of everything: where it comes from, and what the doctors there wrote to them."""
    row = of(case)
    if row is None:
        return None
    return {
        "portal": row.portal,
        "case": str(row.source_case),
        "brought_at": row.at,
        "brought_by": row.by.name if row.by else None,
        "doctors_there": [
            {name: each[name] for name in ("doctor", "signed_at", "advice")}
            for each in _said(row)["reviews"]
        ],
    }


def _said(row: CaseImport) -> Mapping[str, Any]:
    """It was checked when it came; a later shape may be narrower, and then raises."""
    form = CaseShape(data=row.record)
    form.is_valid(raise_exception=True)
    found: Mapping[str, Any] = form.validated_data
    return found


def forget_names(patient: User) -> None:
    """What the patient called the mark, which erasing takes away here as well."""
    for came in CaseImport.objects.filter(case__patient=patient):
        mark = came.record.get("mark")
        if isinstance(mark, dict) and mark.get("called"):
            mark["called"] = ""
            came.save(update_fields=["record"])
