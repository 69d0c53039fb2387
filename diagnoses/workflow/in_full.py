"""The doctor's answer as one line for WhatsApp, for who asked for it whole: initials and words.

Nothing is cut and nothing reworded: an answer that would not go through whole, or would say more
than it may, is not sent at all, and the usual link leads to it.
"""

from __future__ import annotations

import re

from django.utils.translation import override

from accounts.languages import language_of
from accounts.models import User
from diagnoses.models import Case, Review
from diagnoses.telling import plan_of
from notifications import full_report

# WhatsApp's templates hold 1,024 characters, the sentence around the words and the link included.
LONGEST = 750
# A bare percentage says more than anybody knows; an address could be taken for ours.
_NEVER = re.compile(r"%|‰|\bper ?cent\b|\bpor ?ciento\b|://|\bwww\.", re.IGNORECASE)


def answer_in_full(case: Case, review: Review) -> str:
    """Initials, the plan and the doctor's words, in the language of who reads them; "" where only a
    link may go.

    The clinic and the reader must both have asked for it. Never the computer's view, a name, a
    percentage, an address; never more than WhatsApp takes.
    """
    reader = case.patient.reader
    if not (case.clinic.full_report and full_report.wanted(reader)):
        return ""
    with override(language_of(reader)):
        said = " ".join(f"{plan_of(review)} {review.advice}".split())
    if _NEVER.search(said) or _names(said, case.patient, reader):
        return ""
    line = f"{case.patient.initials}: {said}"
    return line if len(line) <= LONGEST else ""


def _names(said: str, *persons: User) -> bool:
    """Whether a part of somebody's name stands in it, in whatever letters."""
    parts = {part for person in persons for part in _words(person.name) if len(part) > 1}
    return not parts.isdisjoint(_words(said))


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text.casefold())
