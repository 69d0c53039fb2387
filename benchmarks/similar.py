"""Similar cases: how long six of them take to find among so many signed ones, and one to keep.

Ninety-nine of a hundred cases are a large clinic's, the others a small one's. Embeddings are drawn
around sixty middles: not alike, and not all apart. Found by the portal's own query, with every
condition on what may be shown, then once more without the index. What an index finds is nearly the
nearest: ``found`` is the share of the exact six.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.measuring import Figure, Report, at, say
from benchmarks.rig import Rig, drawn

SMALL_CLINIC = 100  # every so many-th case is the small clinic's
MIDDLES, SIZE = 60, 1280
AT_ONCE = 2000  # rows written in one statement

# Copies of one signed case, whatever columns its tables have.
COPY = """
INSERT INTO {table} SELECT (jsonb_populate_record(NULL::{table}, to_jsonb(one) || ({new}))).*
FROM {table} one, copies WHERE {of}
"""
NUMBERED = """
CREATE TEMPORARY TABLE copies AS SELECT n,
    gen_random_uuid() AS case_id, gen_random_uuid() AS photo_id,
    nextval('diagnoses_scoring_id_seq') AS scoring_id,
    nextval('diagnoses_prediction_id_seq') AS prediction_id,
    nextval('diagnoses_review_id_seq') AS review_id,
    CASE WHEN n %% %(small)s = 0 THEN %(south)s ELSE %(north)s END::bigint AS clinic_id,
    (%(patients)s::bigint[])[1 + n %% array_length(%(patients)s::bigint[], 1)] AS patient_id
FROM generate_series(1, %(count)s) n
"""
COPIED = {
    "diagnoses_case": (
        "jsonb_build_object('id', case_id, 'submit_key', case_id, 'clinic_id', copies.clinic_id, "
        "'patient_id', copies.patient_id, 'lesion_id', null)",
        "one.id = %(case)s",
    ),
    "diagnoses_photo": (
        "jsonb_build_object('id', photo_id, 'case_id', copies.case_id)",
        "one.case_id = %(case)s",
    ),
    "diagnoses_scoring": (
        "jsonb_build_object('id', scoring_id, 'case_id', copies.case_id)",
        "one.case_id = %(case)s",
    ),
    "diagnoses_prediction": (
        "jsonb_build_object('id', prediction_id, 'case_id', copies.case_id, "
        "'photo_id', copies.photo_id, 'scoring_id', copies.scoring_id)",
        "one.case_id = %(case)s",
    ),
    "diagnoses_review": (
        "jsonb_build_object('id', review_id, 'case_id', copies.case_id)",
        "one.case_id = %(case)s",
    ),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cases", type=int, nargs="+", default=[1_000, 100_000])
    parser.add_argument("--requests", type=int, default=30, help="of each kind")


def run(options: argparse.Namespace) -> Report:
    report = Report("similar", "six similar cases, by how many signed ones there are")
    with Rig() as rig:
        rig.stack.start("inference")
        template = _signed_case(rig)
        rig.stack.stop("inference")
        for cases in sorted(options.cases):
            began = time.perf_counter()
            _fill(template, cases)
            say(f"{cases} cases after {time.perf_counter() - began:.0f} s")
            report.figures += _measured(template, cases, options.requests)
            _empty(template)
    report.notes.append("The whole query of the page, in one process, with fsync on")
    return report


def _signed_case(rig: Rig) -> Any:
    """One case of the large clinic from the worker's hands, signed for good."""
    from django.conf import settings
    from django.utils import timezone

    from accounts import people
    from accounts.models import Clinic, User
    from benchmarks.rig import seconds_until
    from diagnoses import workflow
    from diagnoses.models import Case

    sender = rig.senders(200)[0]
    Clinic.objects.get_or_create(name="A small clinic")
    rig.queue(sender, drawn(1), 1)
    seconds_until(1)
    case = Case.objects.get()
    doctor = User.objects.create_user("doctor@bench.lentigo", None, name="Doctor")
    people.make_doctor(doctor, case.clinic)
    User.objects.filter(pk=doctor.pk).update(verified_at=timezone.now())
    doctor.refresh_from_db()
    case.refresh_from_db()
    workflow.read_first(case, doctor, diagnosis="nv", confidence="sure", plan="reassure")
    settings.UNDO_SIGNATURE *= 0
    workflow.sign(case, doctor, workflow.Answer("nv", "reassure", "A harmless mole."))
    return case


def _fill(case: Any, cases: int) -> None:
    from django.db import connection
    from pgvector import HalfVector

    from accounts.models import Clinic, User
    from diagnoses.models import Precedent

    north, south = case.clinic_id, Clinic.objects.exclude(pk=case.clinic_id).get().pk
    patients = list(User.objects.filter(role="patient").values_list("pk", flat=True))
    values = {"count": cases, "case": case.pk, "north": north, "south": south}
    values |= {"small": SMALL_CLINIC, "patients": patients}
    with connection.cursor() as cursor:
        cursor.execute(NUMBERED, values)
        for table, (new, of) in COPIED.items():
            cursor.execute(COPY.format(table=table, new=new, of=of), values)
        cursor.execute("SELECT case_id, prediction_id, clinic_id FROM copies ORDER BY n")
        rows, network = cursor.fetchall(), Precedent.objects.get(case=case).network
        cursor.execute("DROP TABLE copies")
        _index(there=False)  # made at the end, at once, as the migration does
        embeddings = _embeddings(0)
        for start in range(0, len(rows), AT_ONCE):
            Precedent.objects.bulk_create(
                Precedent(
                    case_id=pk,
                    prediction_id=prediction,
                    clinic_id=clinic,
                    network=network,
                    size=SIZE,
                    embedding=HalfVector(next(embeddings)),
                )
                for pk, prediction, clinic in rows[start : start + AT_ONCE]
            )
        _index(there=True)
        cursor.execute("VACUUM ANALYZE")


def _index(*, there: bool) -> None:
    """Make the index of the nearest, or take it away where it is."""
    from django.db import connection

    from diagnoses.models import Precedent

    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX IF EXISTS precedent_alike")
    if there:
        [index] = [one for one in Precedent._meta.indexes if one.name == "precedent_alike"]
        with connection.schema_editor() as editor:
            editor.add_index(Precedent, index)


def _empty(case: Any) -> None:
    """Ready for another number of cases. What is append-only is, but for its owner."""
    from django.db import connection

    from diagnoses.models import Precedent

    Precedent.objects.exclude(case=case).delete()
    with connection.cursor() as cursor:
        for table in reversed(COPIED):
            column = "id" if table == "diagnoses_case" else "case_id"
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
            cursor.execute(f"DELETE FROM {table} WHERE {column} <> %s", [case.pk])  # noqa: S608
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER ALL")


def _embeddings(seed: int) -> Iterator[NDArray[np.float32]]:
    """Of unit length, nothing below nought, as after a ReLU."""
    dice, middles = np.random.default_rng(seed), np.random.default_rng(1)
    around = np.maximum(middles.normal(0.2, 0.5, (MIDDLES, SIZE)), 0)
    while True:
        one = np.maximum(around[dice.integers(MIDDLES)] + dice.normal(0, 0.25, SIZE), 0)
        yield (one / np.linalg.norm(one)).astype(np.float32)


def _measured(case: Any, cases: int, requests: int) -> list[Figure]:
    from diagnoses.models import Precedent
    from diagnoses.workflow.precedents import remember

    figures, found = [], {}
    clinics = {"large": case.clinic_id, "small": _small(case)}
    for name, clinic in clinics.items():
        times, found[name] = _searched(case, clinic, requests)
        figures += _told(f"{cases}: the {name} clinic's", times)
    kept = []
    for _ in range(requests):
        Precedent.objects.filter(case=case).delete()
        began = time.perf_counter()
        remember(case)
        kept.append(time.perf_counter() - began)
    figures += _told(f"{cases}: keeping one, at its signature", kept)
    _index(there=False)
    for name, clinic in clinics.items():
        times, exact = _searched(case, clinic, max(5, requests // 4))
        figures += _told(f"{cases}: the {name} clinic's, without the index", times)
        same = [len(a & b) / max(1, len(b)) for a, b in zip(found[name], exact, strict=False)]
        figures.append(Figure(f"{cases}: the {name} clinic's, found", float(np.mean(same))))
    return figures


def _small(case: Any) -> int:
    from accounts.models import Clinic

    return int(Clinic.objects.exclude(pk=case.clinic_id).get().pk)


def _searched(case: Any, clinic: int, requests: int) -> tuple[list[float], list[set[Any]]]:
    """Seconds of each search, and what it found: the same embeddings each time it is called."""
    from accounts.models import User
    from diagnoses.models import Case, Prediction
    from diagnoses.similar import similar_to

    doctor = User.objects.get(email="doctor@bench.lentigo")
    doctor.clinic_id = clinic
    read, view = Case.objects.get(pk=case.pk), Prediction.objects.get(case=case)
    read.clinic_id = clinic
    times, found = [], []
    for number, embedding in zip(range(requests + 2), _embeddings(7), strict=False):
        view.embedding = embedding.tobytes()
        began = time.perf_counter()
        alike = similar_to(read, view, doctor)
        if number >= 2:  # the first ones read the index from the disk
            times.append(time.perf_counter() - began)
            found.append({one.case.pk for one in alike})
    return times, found


def _told(name: str, seconds: list[float]) -> list[Figure]:
    milliseconds = [1000 * one for one in seconds]
    spread = (min(milliseconds), max(milliseconds))
    n = len(milliseconds)
    return [
        Figure(f"{name}, median", median(milliseconds), spread, unit="ms", n=n),
        Figure(f"{name}, p95", at(milliseconds, 0.95), unit="ms", n=n),
    ]
