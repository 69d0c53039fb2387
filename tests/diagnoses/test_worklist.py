"""What waits for a doctor: the order, the gate, the lists, the pages, and what it costs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry, User
from diagnoses import finding, workflow, worklist
from diagnoses.models import Case
from diagnoses.worklist import Filters, Show
from tests.cases import AMBER, RED, a_model_version, claimed, scored, submitted
from tests.cast import Cast

pytestmark = pytest.mark.usefixtures("media")


@pytest.fixture(autouse=True)
def model(db: None) -> None:
    a_model_version()


def due_in(case: Case, **length: float) -> Case:
    """The case with another time by which an answer is due."""
    due = timezone.now() + timedelta(**length)
    Case.objects.filter(pk=case.pk).update(answer_due_at=due)
    return case


def sent_ago(case: Case, **length: float) -> Case:
    Case.objects.filter(pk=case.pk).update(submitted_at=timezone.now() - timedelta(**length))
    return case


def failed(patient: User, **changes: Any) -> Case:
    """A case the computer gave up on."""
    case = submitted(patient, **changes)
    workflow.give_up(claimed(case), "the network broke")
    return case


def listed(doctor: User, **filters: Any) -> list[Case]:
    return [row.case for row in worklist.page(doctor, Filters(**filters)).rows]


def references(page: str) -> list[str]:
    """The cases a page of the list shows, in its order."""
    return [part.split('"')[0][:8].upper() for part in page.split('data-row="')[1:]]


def test_the_unscored_and_the_red_stand_on_top_then_amber_then_green(cast: Cast) -> None:
    green = scored(submitted(cast.ana))
    amber = scored(submitted(cast.ana), **AMBER)
    red = scored(submitted(cast.ana), **RED)
    unscored = failed(cast.ana)

    assert listed(cast.ruth) == [unscored, red, amber, green]

    page = cast.client(cast.ruth).get(reverse("worklist")).content.decode()
    assert references(page) == [case.reference for case in (unscored, red, amber, green)]


def test_inside_a_tier_what_is_due_soon_comes_first_then_the_higher_risk(cast: Cast) -> None:
    calm = scored(submitted(cast.ana), risk=0.01)
    risky = scored(submitted(cast.ana), risk=0.09)
    pressing = due_in(scored(submitted(cast.ana), risk=0.001), hours=3.5)
    almost = due_in(scored(submitted(cast.ana), risk=0.002), hours=4.5)

    assert listed(cast.ruth) == [pressing, risky, calm, almost]
    late_green = due_in(scored(submitted(cast.ana)), hours=-30)
    red = scored(submitted(cast.ana), **RED)
    assert listed(cast.ruth)[:2] == [red, late_green], "a late GREEN never passes a RED"


def test_a_case_nobody_scored_for_ten_minutes_appears_by_itself(cast: Cast) -> None:
    fresh = submitted(cast.ana)
    forgotten = sent_ago(submitted(cast.ana), minutes=10, seconds=1)

    assert listed(cast.ruth) == [forgotten]
    sent_ago(fresh, minutes=11)
    assert set(listed(cast.ruth)) == {fresh, forgotten}


def test_answered_and_withdrawn_cases_are_gone_from_the_list(cast: Cast) -> None:
    answered, withdrawn = scored(submitted(cast.ana)), scored(submitted(cast.ana))
    workflow.read_first(answered, cast.ruth, diagnosis="nv", confidence="sure", plan="reassure")
    workflow.sign(answered, cast.ruth, workflow.Answer("nv", "reassure", "A harmless mole."))
    workflow.withdraw(withdrawn, cast.ana)

    assert listed(cast.ruth) == []
    done = cast.client(cast.sam).get(reverse("worklist_done")).content.decode()
    assert answered.reference in done
    assert "by Ruth Okafor" in done
    assert withdrawn.reference not in done


def test_who_may_not_read_sees_nothing(cast: Cast) -> None:
    case = scored(submitted(cast.ana), **RED)
    addresses = [reverse(name) for name in ("worklist", "worklist_done", "worklist_state")]

    def statuses(client: Client) -> set[int]:
        return {client.get(address).status_code for address in addresses}

    assert statuses(cast.client(cast.ruth)) == {200}
    for person in (cast.ana, cast.ada, cast.root):
        assert statuses(cast.client(person)) == {404}, person
    assert statuses(cast.client()) == {302}
    assert statuses(cast.client(cast.uma)) == {403}, "not verified yet"

    of_another_clinic = cast.client(cast.xu).get(reverse("worklist"))
    assert of_another_clinic.status_code == 200
    assert case.reference not in of_another_clinic.content.decode()
    assert "No case is waiting" in of_another_clinic.content.decode()


def test_the_lists_and_their_counts(cast: Cast) -> None:
    mine = scored(submitted(cast.ana, doctor=cast.ruth))
    late = due_in(scored(submitted(cast.ana)), hours=-1)
    today = due_in(scored(submitted(cast.ana)), minutes=10)
    other = due_in(scored(submitted(cast.ana)), days=3)

    assert set(listed(cast.ruth)) == {mine, late, today, other}
    assert listed(cast.ruth, show=Show.MINE) == [mine]
    assert listed(cast.sam, show=Show.MINE) == []
    assert listed(cast.ruth, show=Show.LATE) == [late]
    assert set(listed(cast.ruth, show=Show.TODAY)) >= {late}
    assert other not in listed(cast.ruth, show=Show.TODAY)

    counts = worklist.tallies(cast.ruth, Filters(show=Show.LATE))
    assert {show: str(tally) for show, tally in counts.items() if show is not Show.TODAY} == {
        Show.ALL: "4",
        Show.MINE: "1",
        Show.UNASSIGNED: "3",
        Show.LATE: "1",
        Show.ASKED: "0",
    }


def test_today_ends_at_midnight_where_the_clinic_is() -> None:
    end = timezone.localtime(worklist.end_of_today())
    assert (end.hour, end.minute) == (0, 0)
    assert end.date() == timezone.localdate() + timedelta(days=1)


def test_a_long_list_is_counted_only_so_far(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worklist, "COUNT_UP_TO", 2)
    for _ in range(3):
        due_in(scored(submitted(cast.ana)), days=2)
    counts = worklist.tallies(cast.ruth, Filters())
    assert str(counts[Show.ALL]) == "2+"
    assert str(counts[Show.LATE]) == "0", "counted by due time, so this one is exact"


@pytest.mark.parametrize("words", ["ana", "SILVA", "arm"])
def test_a_case_is_found_by_the_patients_name_or_the_body_site(cast: Cast, words: str) -> None:
    case = scored(submitted(cast.ana, site="upper_extremity"))
    submitted_unscored = submitted(cast.bo, site="back")
    assert submitted_unscored in listed(cast.ruth)
    assert listed(cast.ruth, search=words) == [case]


def test_a_case_is_found_by_its_reference_as_people_quote_it(cast: Cast) -> None:
    case, _other = scored(submitted(cast.ana)), scored(submitted(cast.ana))
    assert listed(cast.ruth, search=case.reference) == [case]
    assert listed(cast.ruth, search=str(case.pk)) == [case]
    assert listed(cast.ruth, search=case.reference[:-1] + "g") == []


def test_pages_join_without_a_gap_or_a_repeat(cast: Cast) -> None:
    kinds: list[dict[str, Any]] = [RED, RED, AMBER, {"risk": 0.05}, {"risk": 0.05}, {"risk": 0.01}]
    cases = [scored(submitted(cast.ana), **kind) for kind in kinds]
    cases += [failed(cast.ana), due_in(scored(submitted(cast.ana), **AMBER), hours=1)]
    in_order = listed(cast.ruth)
    assert set(in_order) == set(cases)

    for size in (1, 3):
        seen, after = [], None
        while True:
            page = worklist.page(cast.ruth, Filters(), after=after, size=size)
            seen += [row.case for row in page.rows]
            after = page.after
            if after is None:
                break
        assert seen == in_order


def test_the_head_of_the_list_is_that_of_the_whole_order_wherever_a_page_begins(
    cast: Cast,
) -> None:
    kinds: list[dict[str, Any]] = [RED, AMBER, {"risk": 0.05}]
    for number in range(12):
        case = scored(submitted(cast.ana), **kinds[number % 3])
        due_in(case, hours=(-3, 2, 6, 90)[number % 4])
    due_in(failed(cast.ana), hours=1)
    failed(cast.ana)
    # RED by the answers alone, without a risk, among the unscored.
    Case.objects.filter(pk=scored(submitted(cast.ana), **RED).pk).update(risk=None)

    whole = list(worklist.waiting_for(cast.ruth).urgent_first())
    assert len(whole) == 15
    for place, case in enumerate(whole):
        rows = worklist.page(cast.ruth, Filters(), after=case.pk, size=4).rows
        assert [row.case for row in rows] == whole[place + 1 : place + 5]


@pytest.mark.parametrize("namesakes", [1, 200])
def test_a_name_is_found_by_any_of_its_letters_whether_few_or_many_have_it(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, namesakes: int
) -> None:
    monkeypatch.setattr(finding, "NAMESAKES", namesakes)
    first, second = scored(submitted(cast.ana)), submitted(cast.bo)
    User.objects.filter(pk=cast.ana.pk).update(name="Ana O'Brien-Strauß")
    User.objects.filter(pk=cast.bo.pk).update(name="Bo 100%_Straus")
    for words in ("s", "st", "STRAU"):
        assert set(listed(cast.ruth, search=words)) == {first, second}, words
    for words in ("'b", "O'Brien-Str", "a O", "RAUß"):
        assert listed(cast.ruth, search=words) == [first], words
    for words in ("100%_", "o 1"):
        assert listed(cast.ruth, search=words) == [second], words
    assert listed(cast.ruth, search="strauxx") == []


def test_a_page_is_marked_by_a_case_and_never_by_its_risk(cast: Cast) -> None:
    for _ in range(worklist.PAGE + 1):
        scored(submitted(cast.ana), risk=0.0123456789)
    page = cast.client(cast.ruth).get(reverse("worklist")).content.decode()
    assert "Less urgent cases" in page
    assert "after=" in page
    assert "0123456" not in page
    behind = worklist.page(cast.xu, Filters(), after=Case.objects.earliest("submitted_at").pk)
    assert behind.rows == [], "somebody else's case marks nothing and shows nothing"


def test_the_list_costs_the_same_for_one_case_and_for_thirty(cast: Cast) -> None:
    client = cast.client(cast.ruth)

    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(reverse("worklist")).status_code == 200
        return len(captured)

    scored(submitted(cast.ana, doctor=cast.sam), **RED)
    one = statements()
    for number in range(29):
        scored(submitted(cast.ana, doctor=(cast.ruth, cast.sam)[number % 2]))
    assert statements() == one
    assert one <= 8


def test_the_page_asks_cheaply_whether_anything_changed(cast: Cast) -> None:
    client = cast.client(cast.ruth)
    scored(submitted(cast.ana))
    first = client.get(reverse("worklist_state"))
    tag = first["ETag"]

    assert client.get(reverse("worklist_state"), headers={"If-None-Match": tag}).status_code == 304
    scored(submitted(cast.ana), **RED)
    changed = client.get(reverse("worklist_state"), headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed["ETag"] != tag
    shown = client.get(reverse("worklist")).content.decode()
    assert f'data-version="{changed.json()["version"]}"' in shown


def test_looking_at_the_list_opens_no_case(cast: Cast) -> None:
    scored(submitted(cast.ana))
    cast.client(cast.ruth).get(reverse("worklist"))
    assert not AuditEntry.objects.filter(action="case.viewed").exists()


def test_a_mistyped_address_hides_no_case(cast: Cast) -> None:
    case = scored(submitted(cast.ana))
    client = cast.client(cast.ruth)
    for query in ("?show=nonsense", "?after=nonsense", f"?after={case.pk}x", "?q=%00"):
        assert case.reference in client.get(reverse("worklist") + query).content.decode(), query


def test_every_list_says_what_to_do_when_it_is_empty(cast: Cast) -> None:
    client = cast.client(cast.ruth)
    address = reverse("worklist")
    assert "No case is waiting" in client.get(address).content.decode()
    assert "Show all waiting cases" in client.get(f"{address}?show=late").content.decode()
    assert "Nothing found" in client.get(f"{address}?q=zebra").content.decode()


def test_a_name_is_shown_and_never_run(cast: Cast) -> None:
    User.objects.filter(pk=cast.ana.pk).update(name="<script>alert(1)</script>")
    scored(submitted(cast.ana))
    page = cast.client(cast.ruth).get(reverse("worklist") + "?q=<script>").content.decode()
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page
