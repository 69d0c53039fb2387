"""A case on paper: what its patient may read, with the pictures; a letter about it."""

from diagnoses.report.content import Report, report_of
from diagnoses.report.letter import letter_on_paper
from diagnoses.report.paper import printed

__all__ = ["Report", "letter_on_paper", "printed", "report_of"]
