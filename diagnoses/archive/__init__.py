"""One case as a file: to be taken along, and brought to another portal.

``docs/archive.md`` says what is in it. What may be told of a case is decided where FHIR decides it
(:mod:`diagnoses.fhir.told`); :mod:`~diagnoses.archive.record` writes that down,
:mod:`~diagnoses.archive.making` packs it. The other way, :mod:`~diagnoses.archive.reading` believes
nothing of an archive that it has not checked, :mod:`~diagnoses.archive.taking` makes a new case of
it, and :mod:`~diagnoses.archive.came` tells a doctor what the other portal had said.
"""

FORMAT = 1  # counted up when a reader of the archive would have to change
MANIFEST, CASE, FHIR = "manifest.json", "case.json", "fhir.json"
