"""Searching the worklist: a name by any of its letters, a short one by its start, a body site."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import translation

from accounts.models import Role, User
from benchmarks.pages_fill import RARE, filled
from diagnoses import finding, ordering, worklist
from diagnoses.models import Case
from diagnoses.worklist import Filters, Show
from tests.cases import RED, a_model_version, scored, submitted
from tests.cast import Cast

pytestmark = pytest.mark.usefixtures("media")


@pytest.fixture(autouse=True)
def model(db: None) -> None:
    a_model_version()


def called(search: str) -> set[str]:
    """The names of the patients whose cases are found."""
    return set(
        Case.objects.filter(finding.matching(search)).values_list("patient__name", flat=True)
    )


def of_people(cast: Cast, names: Iterable[str]) -> None:
    """One case for each name, on a site no name could be taken for."""
    for number, name in enumerate(names):
        patient = User.objects.create_user(
            f"p{number}@example.org", name=name, role=Role.PATIENT, clinic=cast.north
        )
        Case.objects.create(
            pack_name="skin",
            patient=patient,
            clinic=cast.north,
            site="unknown",
            status="partial",
            answer_due_at="2026-11-30T12:00Z",
        )


@pytest.mark.parametrize("namesakes", [0, 200])
def test_one_or_two_letters_find_the_start_of_a_word_of_a_name(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, namesakes: int
) -> None:
    monkeypatch.setattr(finding, "NAMESAKES", namesakes)
    an, bo, co = "Joan O'Anley", "Bo van-Ånders (100%)", "Anna   Li"
    of_people(cast, [an, bo, co])
    assert called("an") == {an, co}, "and not in the middle of one"
    assert called("AN") == {an, co}
    assert called("o'") == {an}
    assert called("'a") == {an}
    assert called("va") == {bo}
    assert called("10") == {bo}
    assert called("l") == {co}
    assert called("li") == {co}
    assert called("-Å") == {bo}
    assert called("q") == called("oa") == called("%") == called("--") == set()


@pytest.mark.parametrize("namesakes", [0, 200])
def test_three_letters_and_more_are_found_anywhere_in_a_name(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, namesakes: int
) -> None:
    monkeypatch.setattr(finding, "NAMESAKES", namesakes)
    an, bo, co = "Joan O'Anley", "Bo van-Ånders (100%)", "Anna   Li"
    of_people(cast, [an, bo, co])
    for search, found in {
        "oan": {an},
        "n o": {an},
        "nley": {an},
        "n-Å": {bo},
        "(10": {bo},
        "0%)": {bo},
        "ann": {co},
        "a   l": {co},
        "an\\": set(),
        "nan": set(),
        "---": set(),
    }.items():
        assert called(search) == found, search


def test_a_site_is_found_by_the_start_of_a_word_of_it_and_never_across_clinics(cast: Cast) -> None:
    arm, palm = (scored(submitted(cast.ana, site=site)) for site in ("upper_extremity", "acral"))

    def found(search: str, doctor: User) -> list[Case]:
        return [row.case for row in worklist.page(doctor, Filters(search=search)).rows]

    assert found("arm", cast.ruth) == [arm]
    assert found("under a nail", cast.ruth) == [palm]
    assert found("nail", cast.ruth) == [palm]
    assert found("ail", cast.ruth) == []
    assert found("arm", cast.xu) == []


def test_a_body_site_is_chosen_and_goes_with_a_search_and_every_list(cast: Cast) -> None:
    arm = scored(submitted(cast.ana, site="upper_extremity", doctor=cast.ruth), **RED)
    scored(submitted(cast.ana, site="back", doctor=cast.ruth))
    bos = submitted(cast.bo, site="upper_extremity")  # never scored, so on top
    browser = cast.client(cast.ruth)

    def listed(**filters: str) -> list[Case]:
        page = browser.get(reverse("worklist"), filters)
        return [row.case for row in page.context["page"].rows]

    assert listed(site="upper_extremity") == [bos, arm]
    assert listed(site="upper_extremity", q="ana") == [arm]
    assert listed(site="upper_extremity", show="mine") == [arm]
    assert listed(site="face") == []
    assert len(listed(site="nonsense")) == 3, "a mistyped address hides no case"

    page = browser.get(reverse("worklist"), {"site": "upper_extremity", "q": "ana"})
    text = page.content.decode()
    assert '<option value="upper_extremity" selected>Arm</option>' in text
    assert "Body site: Arm." in text
    assert "?show=late&amp;q=ana&amp;site=upper_extremity" in text
    counts = {one["title"]: str(one["tally"]) for one in page.context["lists"]}
    assert counts["All waiting"] == counts["Asked for me"] == "1"
    assert f"/worklist/{arm.pk}/?q=ana&amp;site=upper_extremity" in text
    reading = browser.get(reverse("reading", args=[bos.pk]), {"site": "upper_extremity"})
    assert reading.context["next_case"] == arm
    assert "Nothing found" in browser.get(reverse("worklist"), {"site": "ear"}).content.decode()


def test_the_sites_are_named_in_the_readers_language(cast: Cast) -> None:
    case = scored(submitted(cast.ana, site="upper_extremity"))
    with translation.override("es"):
        assert finding.sites()["upper_extremity"] == "Brazo"
        assert Case.objects.filter(finding.matching("braz")).get() == case
    assert finding.sites()["upper_extremity"] == "Arm"


def test_the_list_says_that_something_came_to_a_list_beside_it(cast: Cast) -> None:
    browser = cast.client(cast.ruth)
    scored(submitted(cast.ana, site="back"))
    for query in ("?show=late", "?site=back&show=mine", "?q=ana&show=late"):
        address = reverse("worklist_state") + query
        before = browser.get(address)["ETag"]
        unchanged = browser.get(address, headers={"If-None-Match": before})
        assert unchanged.status_code == 304, query
        scored(submitted(cast.ana, site="back"), **RED)
        assert browser.get(address, headers={"If-None-Match": before}).status_code == 200, query
        shown = browser.get(reverse("worklist") + query)
        assert browser.get(address)["ETag"] == f'"{shown.context["version"]}"'


def plan(found: QuerySet[Case] | QuerySet[User]) -> str:
    """How PostgreSQL would fetch it if the table were too long to be read."""
    with connection.cursor() as cursor:
        for way in ("seqscan", "sort"):
            cursor.execute(f"SET LOCAL enable_{way} = off")
    return json.dumps(json.loads(found.explain(format="json"))[0]["Plan"])


def test_an_index_has_short_names_a_site_and_the_questions(cast: Cast) -> None:
    filled(cast.ruth, 1000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")

    for search in ("q", RARE[:2], RARE[1:4]):
        people = finding._people_called(search)
        assert "user_name_trigrams" in plan(people), search
        assert people.count() > 0
    on_a_site = Filters(site="scalp").apply(worklist.waiting_for(cast.ruth), cast.ruth)
    assert "case_of_site" in plan(ordering.head(on_a_site, 26))
    asked = worklist.shown_in(Show.ASKED, cast.ruth)
    assert "case_with_question" in plan(ordering.head(asked, 26))
