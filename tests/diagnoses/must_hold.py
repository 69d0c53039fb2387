"""What must be true of the portal at any moment, whatever happened and in whatever order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage

from accounts.models import User
from diagnoses import tasks
from diagnoses.models import Case, Scoring
from mlservice.engine.types import Modality, Tier
from tests.diagnoses.story import Seen, Story

JUDGED = {one.value for one in Modality if one.shows_a_mark}
# Which status a case has after which event; the others move nothing.
MOVED_BY = {
    "submitted": "registered",
    "to_doctors": "partial",
    "unscored": "partial",
    "signed": "final",
    "signature_undone": "partial",
    "amended": "amended",
    "withdrawn": "cancelled",
}


# --- At any moment -------------------------------------------------------------------------------


def an_acknowledged_case_is_there_with_its_picture(story: Story, seen: Seen) -> None:
    assert seen.cases.keys() == story.cases.keys()
    for pk, told in story.cases.items():
        case = seen.cases[pk]
        assert (case["patient_id"], case["submit_key"]) == (told.patient, str(told.form.submit_key))
        photos = seen.of(pk, seen.photos)
        assert len(photos) == told.photos == 1 + len(seen.of(pk, seen.retakes))
        assert all(default_storage.exists(photo["file"]) for photo in photos)


def every_case_is_where_its_story_left_it(story: Story, seen: Seen) -> None:
    for pk, told in story.cases.items():
        assert seen.cases[pk]["status"] == told.status
        moves = [MOVED_BY[e["kind"]] for e in seen.of(pk, seen.events) if e["kind"] in MOVED_BY]
        assert moves[-1] == told.status, "the history says otherwise"


def the_queue_is_what_its_story_made_of_it(story: Story, seen: Seen) -> None:
    assert seen.queue.keys() == story.queue.keys()
    for pk, work in story.queue.items():
        row = seen.queue[pk]
        assert (row["token"], row["holder"]) == (work.token, work.holder)
        assert (row["attempts"], row["settled_at"] is not None) == (work.tries, work.settled)


def a_row_is_waiting_or_leased_or_settled(story: Story, seen: Seen) -> None:
    answered = {view["scoring_id"] for view in seen.predictions.values()}
    for pk, row in seen.queue.items():
        held = [row[name] is not None for name in ("token", "lease_until", "holder")]
        assert held[0] == held[1] >= held[2], "token and lease together, and no holder without"
        assert row["attempts"] >= held[0], "leased is tried"
        assert row["attempts"] <= (settings.SCORING_ATTEMPTS if row["purpose"] == "live" else 1)
        if row["settled_at"] is not None:
            assert not any(held)
            assert (pk in answered) is (row["error"] == ""), "an answer, or a word why not"
        else:
            assert pk not in answered


def a_case_waits_once_for_its_view(story: Story, seen: Seen) -> None:
    for pk, case in seen.cases.items():
        waiting = [row for row in seen.of(pk, seen.queue) if row["settled_at"] is None]
        live = [row for row in waiting if row["purpose"] == "live"]
        assert len(live) <= 1
        if case["status"] == "registered":
            assert case["computer_check"], "nobody waits for a computer they did not ask"
            assert len(live) == 1, "or it would wait for nothing"
        if case["status"] == "cancelled":
            assert not waiting


def a_view_is_one_and_of_its_own_case(story: Story, seen: Seen) -> None:
    asked: Counter[Any] = Counter()
    live: Counter[Any] = Counter()
    for view in seen.predictions.values():
        row = seen.queue[view["scoring_id"]]
        assert view["case_id"] == row["case_id"]
        assert view["model_version_id"] == row["model_version_id"]
        assert seen.photos[view["photo_id"]]["case_id"] == row["case_id"]
        asked[row["case_id"], row["model_version_id"], row["purpose"], row["round"]] += 1
        live[row["case_id"]] += row["purpose"] == "live"
    assert max(asked.values(), default=0) <= 1
    assert {pk for pk, count in live.items() if count} == {
        pk for pk, told in story.cases.items() if told.viewed
    }
    for pk, count in live.items():
        assert count <= 1 + len(seen.of(pk, seen.retakes)), "one, and one for each new photo"


def an_open_case_shows_its_view_and_no_other(story: Story, seen: Seen) -> None:
    """The worklist is in the order of these two: a RED that is not written there is a RED lost.

    Of several views, one for each new photo, the most urgent counts.
    """
    for pk, case in seen.cases.items():
        judged = [
            view
            for view in seen.of(pk, seen.predictions)
            if view["modality"] in JUDGED and seen.queue[view["scoring_id"]]["purpose"] == "live"
        ]
        if not judged:
            assert (case["tier"], case["risk"]) == (None, None)
        elif case["status"] == "partial":
            assert case["risk"] == max(view["risk"] for view in judged)
            assert _rank(case["tier"]) >= max(_rank(view["tier"]) for view in judged)


def a_signed_case_has_signer_time_and_answer(story: Story, seen: Seen) -> None:
    for pk, case in seen.cases.items():
        standing = seen.standing(pk)
        assert [r["id"] for r in standing] == [r.pk for r in story.cases[pk].standing]
        assert len(standing) >= (case["status"] in {"final", "amended"})
        if case["status"] in {"final", "amended"}:
            assert case["signed_at"] is not None
            assert case["signed_by_id"] == standing[-1]["doctor_id"]
        else:
            assert standing == []
            assert (case["signed_at"], case["signed_by_id"]) == (None, None)


def nobody_is_told_the_same_twice(story: Story, seen: Seen) -> None:
    told = Counter(
        (message["event"], message["about"], message["recipient_id"])
        for message in seen.messages.values()
    )
    assert max(told.values(), default=0) <= 1, "on whichever channel"


def everyone_is_told(story: Story, seen: Seen) -> None:
    """The doctors of every case that waits for them, its patient, and the patient of an answer."""
    states = {
        (m["event"], m["about"], m["recipient_id"]): m["state"] for m in seen.messages.values()
    }
    for pk, case in seen.cases.items():
        if case["status"] == "partial":
            assert ("case_checked", f"case:{pk}", case["patient_id"]) in states
            for doctor in story.doctors:
                assert ("case_to_read", f"case:{pk}", doctor) in states
        for review in seen.of(pk, seen.reviews):
            answers = [
                states.get((event, f"case:{pk}#{review['id']}", case["patient_id"]))
                for event in ("case_signed", "case_amended")
            ]
            newest = [review["id"]] == [r["id"] for r in seen.standing(pk)[-1:]]
            assert ("pending" in answers) >= newest, "the answer is on its way"
            undone = review["id"] not in {r["id"] for r in seen.standing(pk)}
            assert not (undone and "pending" in answers), "taken back, and leaving all the same"


def a_question_stays_until_a_doctor_has_answered(story: Story, seen: Seen) -> None:
    for pk, case in seen.cases.items():
        assert (case["question_since"] is not None) is story.cases[pk].asked_last


def a_request_waits_for_its_photo(story: Story, seen: Seen) -> None:
    answered = {retake["request_id"] for retake in seen.retakes.values()}
    for pk, told in story.cases.items():
        asked = [r for r in seen.of(pk, seen.remarks) if r["kind"] == "retake_request"]
        waiting = [r for r in asked if r["id"] not in answered]
        assert len(waiting) == told.photo_wanted, "one at a time"


def nobody_is_told_of_a_talk_again_before_they_read(story: Story, seen: Seen) -> None:
    """In these stories nobody does."""
    talk = {"doctor_wrote": "doctor", "retake_asked": "doctor", "patient_wrote": "patient"}
    told = Counter(
        (talk[m["event"]], m["about"].split("#")[0], m["recipient_id"])
        for m in seen.messages.values()
        if m["event"] in talk
    )
    assert max(told.values(), default=0) <= 1
    cases = {(side, about) for side, about, _ in told}
    for remark in seen.remarks.values():
        by_patient = remark["author_id"] == seen.cases[remark["case_id"]]["patient_id"]
        side = "patient" if by_patient else "doctor"
        assert (side, f"case:{remark['case_id']}") in cases, "and nobody is left untold"


MUST_HOLD: tuple[Callable[[Story, Seen], None], ...] = (
    an_acknowledged_case_is_there_with_its_picture,
    every_case_is_where_its_story_left_it,
    the_queue_is_what_its_story_made_of_it,
    a_row_is_waiting_or_leased_or_settled,
    a_case_waits_once_for_its_view,
    a_view_is_one_and_of_its_own_case,
    an_open_case_shows_its_view_and_no_other,
    a_signed_case_has_signer_time_and_answer,
    nobody_is_told_the_same_twice,
    everyone_is_told,
    a_question_stays_until_a_doctor_has_answered,
    a_request_waits_for_its_photo,
    nobody_is_told_of_a_talk_again_before_they_read,
)


# --- From one moment to the next -----------------------------------------------------------------


def what_was_said_stays(before: Seen, now: Seen) -> None:
    for name in ("predictions", "events", "reviews", "undos", "remarks", "retakes", "photos"):
        old, new = getattr(before, name), getattr(now, name)
        assert {pk: new.get(pk) for pk in old} == old, f"{name} changed"
    assert before.messages.keys() <= now.messages.keys()


def no_case_gets_calmer(before: Seen, now: Seen) -> None:
    for pk, case in before.cases.items():
        assert _rank(now.cases[pk]["tier"]) >= _rank(case["tier"])


def what_is_settled_stays_settled(before: Seen, now: Seen) -> None:
    for pk, row in before.queue.items():
        assert row["settled_at"] is None or now.queue[pk] == row


def what_is_answered_or_withdrawn_stays_as_it_was(before: Seen, now: Seen) -> None:
    """A view that comes later is kept for the record; who signed saw the case without it."""
    for pk, case in before.cases.items():
        if case["status"] == now.cases[pk]["status"] not in {"registered", "partial"}:
            same = ("tier", "risk", "answers")
            assert [now.cases[pk][name] for name in same] == [case[name] for name in same]


BETWEEN: tuple[Callable[[Seen, Seen], None], ...] = (
    what_was_said_stays,
    no_case_gets_calmer,
    what_is_settled_stays_settled,
    what_is_answered_or_withdrawn_stays_as_it_was,
)


def _rank(tier: str | None) -> int:
    return Tier(tier).rank if tier else -1


# --- In the end ----------------------------------------------------------------------------------


def nothing_is_stuck(doctor: User, cases: set[str]) -> None:
    """After hours in which nobody worked, one sweep puts every open case before the doctors."""
    tasks.sweep()
    assert not Case.objects.filter(status="registered").exists()
    shown = Case.objects.readable_by_doctor(doctor).awaiting_review()
    assert {str(case.pk) for case in shown} == cases
    tried_too_often = Scoring.objects.waiting().filter(attempts__gte=settings.SCORING_ATTEMPTS)
    assert not tried_too_often.exists(), "no worker would take it, and nobody gave it up"
    assert Scoring.objects.due().count() == Scoring.objects.waiting().count(), "free for anyone"
