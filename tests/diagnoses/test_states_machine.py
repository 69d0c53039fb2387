"""Anything in any order: people and workers do what they may, and what must be true stays true.

Hypothesis makes up the stories, the real workflow and a real PostgreSQL live through them, and
after every step `tests.diagnoses.must_hold` looks at all that is on record. A story that ends
badly is printed as the shortest one found that does.

The stories are the same at every run. ``LENTIGO_STORIES=5000`` makes up that many new ones.
"""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest
from django.conf import settings as django_settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from accounts import people
from accounts.models import Consent, User
from diagnoses import inference, tasks, worker, workflow
from diagnoses.models import Case, Scoring
from diagnoses.states import Answer, NewPhoto, WorkflowError
from diagnoses.workflow.retake import MOST_PHOTOS
from mlservice.models import ModelVersion
from tests.cases import AMBER, RED, a_model_version, in_the_shadow, photo, prediction, submission
from tests.cast import Cast
from tests.diagnoses import must_hold
from tests.diagnoses.story import LATE_AFTER, LEASE, Seen, Story, Told

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]

MOST_CASES, MOST_WORKERS = 3, 3
ANSWER = Answer(diagnosis="nv", plan="reassure", advice="It is a common mole.", agrees=True)
CALM: dict[str, Any] = {"bleeding": "no", "change_size": "no"}
URGENT: dict[str, Any] = {"bleeding": "bleeds", "change_size": "yes"}
VIEWS: dict[str, dict[str, Any]] = {
    "green": {},
    "amber": AMBER,
    "red": RED,
    "nothing in it": {"modality": "not_skin", "label": "", "picture_tier": "amber"},
}
UNDO = timedelta(hours=1)  # to take a signature back: no slow machine is slower
# What they do, each the name of a method.
PATIENT_DOES = st.sampled_from(
    [
        "sends_the_form_again",
        "tells_good_news",
        "tells_bad_news",
        "thinks_again_about_the_computer",
        "withdraws",
        "withdraws_on_an_old_page",
        "asks",
        "sends_another_photo",
        "sends_another_photo",
        "sends_one_from_further_away",
    ]
)
WORKER_DOES = st.sampled_from(
    ["records", "records", "dies_before_the_commit", "stumbles", "gives_up", "hears_of_no_consent"]
)
STAFF_DOES = st.sampled_from(
    [
        "signs",
        "signs_on_an_old_page",
        "signs_and_undoes",
        "undoes",
        "undoes_too_late",
        "amends",
        "amends_an_old_answer",
        "has_it_scored_again",
        "answers_a_question",
        "asks_for_a_photo",
    ]
)


class AnyOrder(RuleBasedStateMachine):
    """The portal with its people, for one made-up story; everything is taken back after it."""

    # The test's, the same for every story.
    cast: Cast
    versions: list[ModelVersion]  # the active one, and one that looks along at every case

    cases, claims, workers = Bundle("cases"), Bundle("claims"), Bundle("workers")

    def __init__(self) -> None:
        super().__init__()
        self.story = Story(doctors={self.cast.ruth.pk, self.cast.sam.pk})
        self.locks: dict[int, worker.WorkerLock] = {}
        self.ana_agrees = True
        self.seen = Seen.now()
        self.nothing_may_change = False
        self.steps = 0
        self.frame = transaction.atomic()
        self.frame.__enter__()

    def teardown(self) -> None:
        for lock in self.locks.values():
            lock.drop()
        transaction.set_rollback(True)
        self.frame.__exit__(None, None, None)

    # --- The patient -----------------------------------------------------------------------------

    @initialize(target=cases)
    def ana_submits_two(self) -> MultipleResults[Case]:
        """Every story begins with them: what follows needs somebody to happen to."""
        return multiple(*[self.submit("ana", CALM, "dermoscopic") for _ in range(2)])

    @precondition(lambda self: len(self.story.cases) < MOST_CASES)
    @rule(
        target=cases,
        name=st.sampled_from(["ana", "ana", "bo"]),
        told=st.sampled_from([CALM, URGENT]),
        kind=st.sampled_from(["dermoscopic", "dermoscopic", "overview"]),
    )
    def a_patient_submits(self, name: str, told: dict[str, Any], kind: str) -> Case:
        return self.submit(name, told, kind)

    def submit(self, name: str, told: dict[str, Any], kind: str) -> Case:
        patient: User = getattr(self.cast, name)
        form = submission(photos=[NewPhoto(kind, photo())])
        form = replace(form, answers={**form.answers, **told})
        case = workflow.submit(patient, form)
        agreed = name == "ana" and self.ana_agrees
        for_the_computer = agreed and kind == "dermoscopic"
        self.story.cases[str(case.pk)] = Told(
            patient.pk, form, "registered" if for_the_computer else "partial"
        )
        self.story.queued(case.scorings.all())
        return case

    @rule(case=cases, does=PATIENT_DOES)
    def the_patient(self, case: Case, does: str) -> None:
        getattr(self, does)(case)

    def sends_the_form_again(self, case: Case) -> None:
        self.nothing_may_change = True
        assert workflow.submit(case.patient, self.told(case).form) == case

    def tells_bad_news(self, case: Case) -> None:
        with self.refused_unless(self.told(case).is_open):
            workflow.raise_urgency(case, case.patient, "It bled", URGENT)

    def tells_good_news(self, case: Case) -> None:
        with self.refused_unless(self.told(case).is_open):
            workflow.raise_urgency(case, case.patient, "All fine", CALM)

    def withdraws(self, case: Case) -> None:
        self.withdraws_on_an_old_page(Case.objects.get(pk=case.pk))

    def withdraws_on_an_old_page(self, case: Case) -> None:
        told = self.told(case)
        with self.refused_unless(told.is_open and case.status == told.status):
            workflow.withdraw(case, case.patient)
            told.status = "cancelled"
            for work in self.story.waiting(str(case.pk)):
                work.let_go()
                work.settled = True

    def thinks_again_about_the_computer(self, case: Case) -> None:
        if case.patient != self.cast.ana:
            return
        change = people.withdraw_consent if self.ana_agrees else people.give_consent
        change(self.cast.ana, Consent.Kind.COMPUTER_CHECK)
        self.ana_agrees = not self.ana_agrees

    def asks(self, case: Case) -> None:
        self.says(case, case.patient, by_patient=True)

    def sends_another_photo(self, case: Case, kind: str = "dermoscopic") -> None:
        told = self.told(case)
        agreed = Case.objects.get(pk=case.pk).computer_check and self.ana_agrees
        with self.refused_unless(told.is_open and told.photos < MOST_PHOTOS):
            workflow.retake(case, case.patient, [NewPhoto(kind, photo(2))], uuid4())
            told.photos, told.photo_wanted = told.photos + 1, False
            if kind == "dermoscopic":
                self.began_without_it(case, live=False)
            if agreed and kind == "dermoscopic":
                self.began_without_it(case, live=True)
                self.story.queued(case.scorings.all())

    def began_without_it(self, case: Case, *, live: bool) -> None:
        """What may have begun without the photo is let go."""
        for work in self.story.waiting(str(case.pk)):
            if work.live is live:
                work.let_go()
                work.settled = True

    def sends_one_from_further_away(self, case: Case) -> None:
        self.sends_another_photo(case, kind="overview")

    def says(self, case: Case, who: User, *, by_patient: bool) -> None:
        told = self.told(case)
        with self.refused_unless(told.status != "cancelled"):
            workflow.ask(case, who, "May I swim?", uuid4())
            told.asked_last = by_patient

    # --- The workers -----------------------------------------------------------------------------

    @initialize(target=workers)
    def a_worker_is_there(self) -> int:
        return self.start()

    @precondition(lambda self: len(self.locks) < MOST_WORKERS)
    @rule(target=workers)
    def another_worker_starts(self) -> int:
        return self.start()

    def start(self) -> int:
        holder = 9000 + len(self.locks)
        self.locks[holder] = worker.WorkerLock(holder)
        self.locks[holder].hold()
        return holder

    @rule(holder=consumes(workers))
    def a_worker_dies(self, holder: int) -> None:
        self.locks[holder].drop()

    @rule(target=claims, holder=workers, at_most=st.sampled_from([1, 8]), locked=st.booleans())
    def a_worker_claims(self, holder: int, at_most: int, locked: bool) -> MultipleResults[Any]:
        """A worker with its lock, or a process without one, as the task run by itself is."""
        return self.claim(holder if locked else None, at_most)

    def claim(self, holder: int | None, at_most: int) -> MultipleResults[Any]:
        free = self.story.free(spent=False)
        rows = inference.claim([v.pk for v in self.versions], holder, at_most)
        assert {row.pk for row in rows} <= free.keys()
        assert bool(rows) >= any(not work.resting for work in free.values())
        assert len(rows) <= at_most
        assert len(rows) == 1 or all(row.attempts == 1 for row in rows), "a second try goes alone"
        for row in rows:
            self.story.claimed(row, holder)
        return multiple(*rows)

    @rule(which=st.integers(0, 3), does=WORKER_DOES, view=st.sampled_from(sorted(VIEWS)))
    def who_has_a_row(self, which: int, does: str, view: str) -> None:
        """Whoever it is; where nobody has one, it is taken first."""
        if not self.story.held():
            self.claim(None, at_most=8)
            self.seen = Seen.now()
        if held := self.story.held():
            getattr(self, does)(held[which % len(held)], view)

    @rule(case=cases, views=st.lists(st.sampled_from(sorted(VIEWS)), min_size=2, max_size=2))
    def two_photos_are_sent_and_each_is_looked_at(self, case: Case, views: list[str]) -> None:
        """What takes many steps by chance: views of one case that differ."""
        for view in views:
            told = self.told(case)
            if not told.is_open or told.photos >= MOST_PHOTOS:
                return
            self.sends_another_photo(case)
            self.claim(None, at_most=8)
            for row in self.story.held():
                if row.case_id == case.pk:
                    self.records(row, view)

    @rule(row=claims, does=WORKER_DOES, view=st.sampled_from(sorted(VIEWS)))
    def who_had_a_row(self, row: Scoring, does: str, view: str) -> None:
        """Perhaps late, perhaps again, perhaps after its lock was lost: the token decides."""
        getattr(self, does)(row, view)

    @rule(
        rows=st.lists(claims, min_size=2, max_size=4, unique_by=lambda row: row.pk),
        view=st.sampled_from(sorted(VIEWS)),
    )
    def records_together(self, rows: list[Scoring], view: str) -> None:
        """All of them or none, whoever had them and however long ago."""
        ours = all(self.is_current(row) for row in rows)
        found = [(row, prediction(row, **VIEWS[view])) for row in rows]
        assert workflow.attach(*found) is ours
        self.nothing_may_change = not ours
        for row in rows if ours else []:
            self.was_recorded(row)

    def records(self, row: Scoring, view: str) -> None:
        ours = self.is_current(row)
        assert workflow.attach((row, prediction(row, **VIEWS[view]))) is ours
        if ours:
            self.was_recorded(row)

    def was_recorded(self, row: Scoring) -> None:
        self.story.settled(row.pk)
        self.story.cases[str(row.case_id)].viewed |= self.story.queue[row.pk].live
        self.story.queued(row.case.scorings.all())  # the other version looks along

    def dies_before_the_commit(self, row: Scoring, view: str) -> None:
        self.nothing_may_change = True
        with transaction.atomic():
            workflow.attach((row, prediction(row, **VIEWS[view])))
            transaction.set_rollback(True)

    def stumbles(self, row: Scoring, _view: str) -> None:
        ours = self.is_current(row)
        inference.release(row, "the decoder crashed")
        if ours:
            self.story.queue[row.pk].let_go()
            self.story.queue[row.pk].resting = True

    def gives_up(self, row: Scoring, _view: str, reason: str = "failed") -> None:
        ours = self.is_current(row)
        assert workflow.give_up(row, "unreadable", reason=reason) is ours
        if ours:
            self.story.settled(row.pk)

    def hears_of_no_consent(self, row: Scoring, view: str) -> None:
        self.gives_up(row, view, reason="no_consent")

    # --- Time and the sweep ----------------------------------------------------------------------

    @rule(minutes=st.sampled_from([0, 1, LATE_AFTER + 1, LEASE + 1]), sweep=st.booleans())
    def time_passes(self, minutes: int, sweep: bool) -> None:
        self.story.minutes_pass(minutes)
        _set_back(minutes)
        if sweep:
            self.the_sweep_comes()

    def the_sweep_comes(self) -> None:
        dead = {pk for pk, lock in self.locks.items() if lock._connection.connection is None}
        for work in self.story.queue.values():
            if work.holder in dead:
                work.let_go()
        may = self.story.free(spent=True)
        tasks.sweep()
        waiting = set(Scoring.objects.waiting().values_list("pk", flat=True))
        for pk, work in may.items():
            assert pk not in waiting or work.resting
            if pk not in waiting:
                self.story.settled(pk)
        for told in self.story.cases.values():
            if told.status == "registered" and told.age >= LATE_AFTER:
                told.status = "partial"

    # --- The doctors, and an admin ----------------------------------------------------------------

    @rule(case=cases, name=st.sampled_from(["ruth", "sam"]), does=STAFF_DOES)
    def a_colleague(self, case: Case, name: str, does: str) -> None:
        getattr(self, does)(case, getattr(self.cast, name))

    def signs(self, case: Case, doctor: User) -> None:
        told = self.told(case)
        with self.refused_unless(told.is_open):
            told.standing.append(workflow.sign(case, doctor, ANSWER))
            told.status = "final"

    def signs_on_an_old_page(self, case: Case, doctor: User) -> None:
        """Of before the first new photo, if there is one."""
        told = self.told(case)
        with self.refused_unless(told.is_open and told.photos == 1):
            told.standing.append(workflow.sign(case, doctor, ANSWER, saw=0))
            told.status = "final"

    def answers_a_question(self, case: Case, doctor: User) -> None:
        self.says(case, doctor, by_patient=False)

    def asks_for_a_photo(self, case: Case, doctor: User) -> None:
        told = self.told(case)
        with self.refused_unless(told.is_open and not told.photo_wanted):
            workflow.request_retake(case, doctor, ["blurred"], "", uuid4())
            told.photo_wanted, told.asked_last = True, False

    def signs_and_undoes(self, case: Case, doctor: User) -> None:
        if self.told(case).is_open:
            self.signs(case, doctor)
            self.undoes(case, doctor)

    def undoes(self, case: Case, doctor: User, *, in_time: bool = True) -> None:
        told = self.told(case)
        own = told.status == "final" and told.standing[-1].doctor == doctor
        with self.refused_unless(own and in_time):
            workflow.undo_signature(case, doctor)
            told.standing.pop()
            told.status = "partial"

    def undoes_too_late(self, case: Case, doctor: User) -> None:
        later = timezone.now() + 2 * UNDO
        with patch("django.utils.timezone.now", return_value=later):
            self.undoes(case, doctor, in_time=False)

    def amends(self, case: Case, doctor: User, *, which: int = -1) -> None:
        told = self.told(case)
        if not told.standing:
            return
        after = told.standing[which]
        with self.refused_unless(after == told.standing[-1]):
            told.standing.append(workflow.amend(case, doctor, ANSWER, after=after))
            told.status = "amended"

    def amends_an_old_answer(self, case: Case, doctor: User) -> None:
        self.amends(case, doctor, which=0)

    def has_it_scored_again(self, case: Case, _who: User) -> None:
        told = self.told(case)
        fresh = Case.objects.get(pk=case.pk)
        agreed = fresh.computer_check and self.ana_agrees
        waits = any(work.live for work in self.story.waiting(str(case.pk)))
        with self.refused_unless(told.is_open and agreed and not told.viewed and not waits):
            workflow.requeue(fresh, self.cast.ada)
            self.story.queued(case.scorings.all())

    # --- After every step ------------------------------------------------------------------------

    @invariant()
    def everything_that_must_be_true_is(self) -> None:
        now = Seen.now()
        for check in must_hold.MUST_HOLD:
            check(self.story, now)
        for compare in must_hold.BETWEEN:
            compare(self.seen, now)
        assert not self.nothing_may_change or now == self.seen, "it changed something"
        self.seen, self.nothing_may_change = now, False

    @invariant()
    def nothing_would_be_stuck(self) -> None:
        """Asked now and then, as it takes longer than all the rest."""
        self.steps += 1
        if self.steps % 5 or not self.story.is_unsettled:
            return
        with transaction.atomic():
            _set_back(LATE_AFTER + LEASE)
            open_cases = {pk for pk, told in self.story.cases.items() if told.is_open}
            must_hold.nothing_is_stuck(self.cast.ruth, open_cases)
            transaction.set_rollback(True)

    def told(self, case: Case) -> Told:
        return self.story.cases[str(case.pk)]

    def is_current(self, row: Scoring) -> bool:
        """Whether the answer to this claim counts; where it does not, nothing may change."""
        current = self.story.is_current(row)
        self.nothing_may_change = not current
        return current

    def refused_unless(self, allowed: bool) -> Any:
        """The portal says no, and nothing changes; or the step goes well."""
        self.nothing_may_change = not allowed
        return nullcontext() if allowed else pytest.raises(WorkflowError)


def _set_back(minutes: int) -> None:
    """Let time pass: what the queue goes by moves into the past of the database's clock."""
    past = timedelta(minutes=minutes)
    Case.objects.update(
        submitted_at=F("submitted_at") - past, answer_due_at=F("answer_due_at") - past
    )
    Scoring.objects.waiting().update(
        run_after=F("run_after") - past, lease_until=F("lease_until") - past
    )


MORE = os.environ.get("LENTIGO_STORIES")
STORIES = settings(
    max_examples=int(MORE or 80),
    stateful_step_count=25,
    derandomize=MORE is None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def test_whatever_happens_in_whatever_order(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(django_settings, "SCORING_LEASE", timedelta(minutes=LEASE))
    monkeypatch.setattr(django_settings, "UNDO_SIGNATURE", UNDO)
    caplog.set_level("CRITICAL")  # of hundreds of workers that die
    cast.north.blind_reading = False
    cast.north.save()
    versions = [a_model_version(), a_model_version(version="the next", state="registered")]
    in_the_shadow(versions[1], cast.root)
    monkeypatch.setattr(AnyOrder, "cast", cast, raising=False)
    monkeypatch.setattr(AnyOrder, "versions", versions, raising=False)
    run_state_machine_as_test(AnyOrder, settings=STORIES)
