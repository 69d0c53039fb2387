"""Who looked at my photos: the patient reads it, and nobody else."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts import care, people
from accounts.models import Consent, Relation
from diagnoses.looked import looks, told
from tests.cases import AMBER, a_model_version, scored, submitted
from tests.cast import Cast
from tests.diagnoses.pages import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]
PAGE = reverse("account_looked")


@pytest.fixture(autouse=True)
def model(db: None) -> None:
    a_model_version()


def test_nobody_yet(cast: Cast) -> None:
    submitted(cast.ana)
    cast.client(cast.ana).get(reverse("case_list"))
    assert "Nobody yet" in text_of(cast.client(cast.ana).get(PAGE))


def test_each_who_looked_stands_there_once_a_day_with_what_they_did(cast: Cast) -> None:
    case = scored(submitted(cast.ana), **AMBER)
    one = case.photos.get().pk
    photo, by_api = reverse("photo", args=[one]), reverse("api-photo", args=[case.pk, one])
    doctor, mine = cast.client(cast.ruth), cast.client(cast.ana)
    for _ in range(3):
        assert doctor.get(reverse("reading", args=[case.pk])).status_code == 200
        assert doctor.get(photo).status_code == 200
    assert cast.api(cast.sam).get(by_api).status_code == 200
    mine.get(reverse("case", args=[case.pk]))
    mine.get(photo)

    [sam, ruth] = told(list(looks(cast.ana)))
    assert (ruth.who, ruth.photos, ruth.case) == (cast.ruth, 3, case)
    assert [str(words) for words in ruth.did] == ["opened the case"]
    assert (sam.who, sam.photos, sam.did) == (cast.sam, 1, [])
    page = text_of(mine.get(PAGE))
    assert "Ruth Okafor" in page
    assert "looked at photos 3 times; opened the case" in page
    assert f"Case {case.reference}" in page


def test_it_is_the_patients_own_and_their_carers(cast: Cast) -> None:
    child = care.look_after(cast.ana, "Leo", Relation.CHILD)
    people.give_consent(child, Consent.Kind.CARE)
    case = submitted(child)
    cast.client(cast.ana).get(reverse("case", args=[case.pk]))
    cast.client(cast.ruth).get(reverse("reading", args=[case.pk]))
    theirs = reverse("person_looked", args=[child.pk])
    page = text_of(cast.client(cast.ana).get(theirs))
    assert "Ruth Okafor" in page
    assert page.count("opened the case") == 1, "not the carer's own look"
    assert "Nobody yet" in text_of(cast.client(cast.ana).get(PAGE))
    assert cast.client(cast.bo).get(theirs).status_code == 404
    assert "Nobody yet" in text_of(cast.client(cast.bo).get(PAGE))


def test_of_many_looks_it_takes_as_many_statements_as_of_one(cast: Cast) -> None:
    mine = cast.client(cast.ana)
    counts = []
    for _ in range(2):
        for _ in range(3):
            case = scored(submitted(cast.ana), **AMBER)
            for doctor in (cast.ruth, cast.sam):
                cast.client(doctor).get(reverse("reading", args=[case.pk]))
        with CaptureQueriesContext(connection) as queries:
            mine.get(PAGE)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_many_looks_stand_on_several_pages(cast: Cast) -> None:
    for _ in range(31):
        case = scored(submitted(cast.ana), **AMBER)
        cast.client(cast.ruth).get(reverse("reading", args=[case.pk]))
    mine = cast.client(cast.ana)
    assert text_of(mine.get(PAGE)).count("opened the case") == 30
    assert text_of(mine.get(PAGE, {"page": "2"})).count("opened the case") == 1
    assert text_of(mine.get(PAGE, {"page": "nonsense"})).count("opened the case") == 30
