"""Cases as FHIR R4 resources, to be read by other programs.

What may be told of a case is gathered once (:mod:`~diagnoses.fhir.told`). What was sent
(:mod:`~diagnoses.fhir.resources`) and what was found (:mod:`~diagnoses.fhir.findings`) are said in
FHIR's forms, and a library holds every resource to the standard before it leaves
(:mod:`~diagnoses.fhir.library`). It has no R4; its R4B says the same of these eight.
"""
