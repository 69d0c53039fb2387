"""The doctor's answer as one line for WhatsApp, for who asked for it whole: initials and words.

Nothing is cut and nothing reworded: an answer that would not go through whole, or would say more
than it may, is not sent at all, and the usual link leads to it.
"""

from __future__ import annotations

import re

from django.utils.translation import override

from accounts.languages import language_of
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
        said = f"{plan_of(review)} {review.advice}"
    return as_line(case.patient.initials, said, case.patient.name, reader.name)


def as_line(initials: str, said: str, *names: str) -> str:
    """Make one line of the initials and of what the doctor said: "A. S.: It needs treatment. …".

    "" where a part of one of ``names``, a percentage or an address stands in it, or it is too long.
    """
    line = f"{initials}: {' '.join(said.split())}"
    named = {part for name in names for part in _words(name) if len(part) > 1}
    if len(line) > LONGEST or _NEVER.search(said) or not named.isdisjoint(_words(said)):
        return ""
    return line


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text.casefold())
