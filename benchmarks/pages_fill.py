"""A clinic with as many cases as are asked for, by bulk SQL: through the forms it would take days.

One clinic holds them all, half of them open: heavier than any clinic's worklist ought to be. Of the
open ones a tenth are RED, three tenths AMBER, one in fifty without a view of the computer's, one in
a hundred waits for the worker (sent an hour ahead, or they would be passed on while it is
measured); answers are due between a day ago and three days ahead. Every
patient has five cases of two marks. ``RARE`` is the name of three patients, however many there are.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from accounts.models import User

RARE = "Quennell"
PASSWORD = "benchmarks-only-0"  # noqa: S105 - of people that live as long as the benchmark
FIRST = [
    *("Ana", "Bo", "Carla", "David", "Elena", "Femi", "Greta", "Hugo"),
    *("Ines", "Jonas", "Karim", "Lena", "Marta", "Nils", "Olga", "Pablo"),
]
SYLLABLES = [
    *("ber", "mar", "sil", "gon", "dor", "lin", "ost", "vel"),
    *("ra", "ti", "no", "ke", "sha", "mu", "pe", "la"),
]

_PEOPLE = """
INSERT INTO accounts_user (password, is_superuser, is_staff, is_active, date_joined, email, name,
    role, clinic_id, relation, language, session_epoch, erase_after_answers)
SELECT '!', false, false, true, now(), 'patient' || n || '@bench.lentigo',
    (%(first)s::text[])[1 + n %% 16] || ' ' || CASE WHEN n <= 3 THEN %(rare)s ELSE initcap(
        (%(syllables)s::text[])[1 + n * 7 %% 16] || (%(syllables)s::text[])[1 + n / 16 %% 16]
        || (%(syllables)s::text[])[1 + n / 256 %% 16]) END,
    'patient', %(clinic)s, '', 'en', 0, false
FROM generate_series(1, greatest(3, %(cases)s / 5)) n
"""
_MARKS = """
INSERT INTO diagnoses_lesion (id, patient_id, pack, site, name, created_at)
SELECT gen_random_uuid(), u.id, 'skin', (%(sites)s::text[])[1 + (u.id * 3 + k) %% %(n_sites)s], '',
    now() - interval '300 days'
FROM accounts_user u, generate_series(0, 1) k
WHERE u.email LIKE 'patient%%@bench.lentigo'
"""
# What every table below takes its rows from; ``chance`` numbers are independent of each other.
_DRAWN = """
CREATE TEMPORARY TABLE drawn AS
WITH marks AS (
    SELECT id, patient_id, site, row_number() OVER (ORDER BY patient_id, id) - 1 AS number
    FROM diagnoses_lesion
), counted AS (SELECT count(*) AS marks FROM marks), dice AS (
    SELECT n, gen_random_uuid() AS id, gen_random_uuid() AS photo, random() AS tier_chance,
        random() AS risk_chance, random() AS due_chance, random() AS doctor_chance,
        random() AS kind_chance
    FROM generate_series(0, %(cases)s - 1) n
)
SELECT d.n, d.id, d.photo, m.id AS lesion, m.patient_id, m.site, d.due_chance, d.risk_chance,
    d.doctor_chance,
    CASE WHEN n %% 2 = 1 THEN 'final' WHEN d.kind_chance < 0.01 THEN 'registered' ELSE 'partial' END
        AS status,
    CASE WHEN n %% 2 = 0 AND d.kind_chance < 0.03 THEN NULL WHEN d.tier_chance < 0.1 THEN 'red'
        WHEN d.tier_chance < 0.4 THEN 'amber' ELSE 'green' END AS tier
FROM dice d, counted c JOIN marks m ON true
WHERE m.number = d.n %% c.marks
"""
_CASES = """
INSERT INTO diagnoses_case (id, pack_name, patient_id, clinic_id, lesion_id, site, side, answers,
    contact_e164, doctor_id, computer_check, submit_key, status, tier, risk, submitted_at,
    answer_due_at, signed_at, signed_by_id, question_since)
SELECT id, 'skin', patient_id, %(clinic)s, lesion, site, '', %(answers)s, '',
    CASE WHEN doctor_chance < 0.2 THEN %(doctor)s END, true, gen_random_uuid(), status, tier,
    CASE tier WHEN 'red' THEN 0.3 + 0.7 * risk_chance WHEN 'amber' THEN 0.1 + 0.2 * risk_chance
        WHEN 'green' THEN 0.1 * risk_chance END,
    now() - CASE status WHEN 'registered' THEN interval '-1 hour'
        WHEN 'partial' THEN interval '3 days' * risk_chance + interval '2 minutes'
        ELSE interval '3 days' + interval '300 days' * due_chance END,
    now() + interval '4 days' * due_chance - interval '1 day',
    CASE status WHEN 'final' THEN now() - interval '300 days' * due_chance END,
    CASE status WHEN 'final' THEN %(doctor)s END,
    CASE WHEN doctor_chance > 0.99 THEN now() - interval '1 day' * risk_chance END
FROM drawn
"""
_PHOTOS = """
INSERT INTO diagnoses_photo (id, case_id, kind, file, width, height, sha256, quality, sent_anyway)
SELECT photo, id, 'dermoscopic', 'photos/' || id || '/' || photo || '.jpg', 600, 450,
    encode(sha256(photo::text::bytea), 'hex'), '{"reasons": []}', false
FROM drawn
"""
_EVENTS = """
INSERT INTO diagnoses_caseevent (case_id, kind, actor_id, at, detail)
SELECT d.id, e.kind, CASE e.kind WHEN 'submitted' THEN d.patient_id
    WHEN 'signed' THEN %(doctor)s END, now() - interval '1 hour', '{}'
FROM drawn d, (VALUES ('submitted'), ('checked'), ('signed')) e (kind)
WHERE e.kind = 'submitted' OR e.kind = 'checked' AND d.tier IS NOT NULL
    OR e.kind = 'signed' AND d.status = 'final'
"""
_SCORINGS = """
INSERT INTO diagnoses_scoring (case_id, model_version_id, purpose, round, priority, run_after,
    attempts, settled_at, error, tries)
SELECT id, %(version)s, 'live', 1, 1, now() - interval '1 minute' * risk_chance,
    CASE status WHEN 'registered' THEN 0 ELSE 1 END,
    CASE WHEN status <> 'registered' THEN now() END, '', '[]'
FROM drawn
"""
_PREDICTIONS = """
INSERT INTO diagnoses_prediction (scoring_id, case_id, photo_id, model_version_id, probabilities,
    top_label, confidence, threshold, no_disease, label, risk, picture_tier, tier, reasons, stable,
    out_of_distribution, distance, modality, conformal_set, embedding, photos, receipt)
SELECT s.id, d.id, d.photo, s.model_version_id, %(probabilities)s, 'nv', 0.95, 0.8, false, 'nv',
    c.risk, d.tier, d.tier, '[]', true, false, 1.0, 'dermoscopic', '["nv"]',
    decode(repeat('00', 1024), 'hex'), '[]', '{}'
FROM drawn d JOIN diagnoses_scoring s ON s.case_id = d.id JOIN diagnoses_case c ON c.id = d.id
WHERE d.tier IS NOT NULL
"""
_READINGS = """
INSERT INTO diagnoses_firstreading (case_id, doctor_id, diagnosis, confidence, plan, created_at)
SELECT id, %(doctor)s, 'nv', 'sure', 'reassure', now() FROM drawn WHERE status = 'final'
"""
_REVIEWS = """
INSERT INTO diagnoses_review (case_id, doctor_id, diagnosis, plan, advice, note, agrees,
    differs_because, effective_at)
SELECT id, %(doctor)s, 'nv', 'reassure', 'A harmless mole.', '', true, '', now() FROM drawn
WHERE status = 'final'
"""
IN_TURN = (
    *(_PEOPLE, _MARKS, _DRAWN, _CASES, _PHOTOS, _EVENTS),
    *(_SCORINGS, _PREDICTIONS, _READINGS, _REVIEWS),
)


def filled(doctor: User, cases: int) -> None:
    """Fill the database of the default connection; the doctor's clinic has all of it."""
    from django.db import connection

    from mlservice.models import ModelVersion
    from mlservice.packs import load_pack

    sites = [site.name for site in load_pack("skin").sites]
    labels = ("nv", "bkl", "mel", "bcc", "akiec", "df", "vasc")
    values: dict[str, Any] = {
        "cases": cases,
        "clinic": doctor.clinic_id,
        "doctor": doctor.pk,
        "version": ModelVersion.objects.get().pk,
        "first": FIRST,
        "syllables": SYLLABLES,
        "rare": RARE,
        "sites": sites,
        "n_sites": len(sites),
        "answers": json.dumps({"change_size": "no", "bleeding": "no", "duration": "over_year"}),
        "probabilities": json.dumps(dict.fromkeys(labels, 0.05 / 6) | {"nv": 0.95}),
    }
    with connection.cursor() as cursor:
        cursor.execute("SELECT setseed(0.5)")
        for statement in IN_TURN:
            cursor.execute(statement, values if "%" in statement else None)
        cursor.execute("DROP TABLE drawn")
