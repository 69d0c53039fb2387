"""A case on paper: what its patient may read, with the pictures, as a PDF."""

from diagnoses.report.content import Report, report_of
from diagnoses.report.paper import printed

__all__ = ["Report", "printed", "report_of"]
