"""A second disease pack from the first question to the signed answer, beside the first."""

from __future__ import annotations

import html
import io
import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts import languages
from diagnoses.models import Case, Draft
from mlservice import registry
from mlservice.engine import shipped
from mlservice.models import ModelVersion
from mlservice.packs import load_pack
from mlservice.packs.chest.drawing import draw
from mlservice.serving import Shelf
from tests.cases import a_model_version, encoded, ordinary, score_next, scored, submitted
from tests.cast import Cast
from tests.diagnoses.pages import named, say, text_of

pytestmark = pytest.mark.usefixtures("media")

CHEST = load_pack("chest")
CALM = {
    "age": "one_to_five",
    "lips": "no",
    "breathing": "usual",
    "drinking": "usual",
    "fever": "none",
}
ANSWER = {
    "diagnosis": "pneumonia",
    "plan": "refer_urgent",
    "advice": "I see signs that fit a pneumonia. A doctor has to examine your child today.",
    "agrees": "yes",
}


@pytest.fixture(autouse=True)
def skin(cast: Cast) -> ModelVersion:
    return a_model_version()


@pytest.fixture
def both(skin: ModelVersion) -> ModelVersion:
    """Chest in service beside it."""
    return a_model_version(pack="chest")


@pytest.fixture(scope="module")
def shelf() -> Shelf:
    return Shelf()


def film(kind: str = "normal", seed: int = 4) -> io.BytesIO:
    buffer = io.BytesIO()
    draw(seed, kind=kind, size=(900, 900)).save(buffer, "PNG")
    return named(buffer.getvalue(), "film.png")


def begun(client: Client, query: str = "?start&pack=chest") -> tuple[str, str]:
    """The key of a new form, and what its address says."""
    where = urlsplit(client.get(f"/cases/new/{query}")["Location"])
    return where.path.split("/")[-3], f"?{where.query}" if where.query else ""


def sent(client: Client, picture: io.BytesIO, **answers: str) -> Case:
    """The whole form, screen by screen."""
    key, query = begun(client)
    assert say(client, key, "photo", query, main_photo=picture).status_code == 302
    for name, value in answers.items():
        assert say(client, key, name, **{f"q_{name}": value}).status_code == 302
    assert say(client, key, "check").status_code == 302
    return Case.objects.get(submit_key=key)


NORMAL = {
    "probabilities": {"pneumonia": 0.03, "normal": 0.97},
    "top_label": "normal",
    "label": "normal",
    "confidence": 0.97,
    "risk": 0.03,
    "modality": "radiograph",
    "conformal_set": ["normal"],
}


# --- What does the picture show? -----------------------------------------------------------------


def test_with_one_kind_of_picture_nobody_is_asked(cast: Cast) -> None:
    response = cast.client(cast.ana).get("/cases/new/")
    assert response.status_code == 302
    assert "pack" not in response["Location"]
    assert registry.offered() == ["skin"]


def test_with_two_the_form_begins_with_what_the_picture_shows(cast: Cast, both: object) -> None:
    ana = cast.client(cast.ana)
    page = ana.get("/cases/new/")
    assert "What does the picture show?" in text_of(page)
    links = re.findall(r'href="([^"]*pack=\w+)"', page.content.decode())
    assert [parse_qs(urlsplit(html.unescape(link)).query)["pack"] for link in links] == [
        ["skin"],
        ["chest"],
    ]
    first, second = (ana.get(ana.get(html.unescape(link))["Location"]) for link in links)
    assert "Take a photo of the mark" in text_of(first)
    asked = text_of(second)
    assert "Add the X-ray" in asked
    assert CHEST.asking.urgent in html.unescape(asked)
    assert "If it bleeds" not in asked


def test_who_looks_after_somebody_says_first_whom_it_is_about(cast: Cast, both: object) -> None:
    ana = cast.client(cast.ana)
    page = ana.get(f"/cases/new/?start&for={cast.ana.pk}").content.decode()
    assert f"for={cast.ana.pk}&amp;pack=chest" in page


@pytest.mark.parametrize("named_pack", ["chest", "dragon", "../skin"])
def test_what_is_not_offered_cannot_be_asked_for(cast: Cast, named_pack: str) -> None:
    assert cast.client(cast.ana).get(f"/cases/new/?start&pack={named_pack}").status_code == 404


def test_the_form_asks_what_its_pack_asks_and_no_place_where_there_is_one(
    cast: Cast, both: object
) -> None:
    ana = cast.client(cast.ana)
    key, query = begun(ana)
    assert ana.get(reverse("case_step", args=[key, "place"]) + query).status_code == 404
    assert ana.get(reverse("case_step", args=[key, "duration"]) + query).status_code == 404
    assert say(ana, key, "photo", query, main_photo=film()).status_code == 302
    assert Draft.objects.get(submit_key=key).pack_name == "chest"
    # From now on the form itself knows what it is about.
    assert "Are the lips or the tongue blue" in text_of(
        ana.get(reverse("case_step", args=[key, "lips"]))
    )
    assert "Chest" in text_of(ana.get("/cases/new/"))


def test_a_photo_sent_ahead_is_judged_by_what_the_form_is_about(cast: Cast, both: object) -> None:
    ana = cast.client(cast.ana)
    key, query = begun(ana)
    page = ana.get(reverse("case_step", args=[key, "photo"]) + query).content.decode()
    ahead = html.unescape(re.findall(r'data-photos="([^"]*)"', page)[0])
    response = ana.post(ahead, {"submit_key": key, "main_photo": film()})
    assert response.status_code == 200
    assert "does not look like a photo of skin" not in response.content.decode()
    assert Draft.objects.get(submit_key=key).pack_name == "chest"


def test_a_form_without_its_picture_says_so_in_its_own_words(cast: Cast, both: object) -> None:
    ana = cast.client(cast.ana)
    key, query = begun(ana)
    response = say(ana, key, "check", query)
    assert response.status_code == 422
    assert "Add the X-ray. We need it to look at." in text_of(response)


def test_signs_of_danger_come_before_any_picture(cast: Cast, both: object) -> None:
    case = sent(cast.client(cast.ana), film(), **(CALM | {"breathing": "hard"}))
    case = scored(case, **NORMAL)
    assert (case.pack_name, case.site, case.tier) == ("chest", "chest", "red")
    page = text_of(cast.client(cast.ana).get(reverse("case", args=[case.pk])))
    assert "Call an ambulance now" in page


# --- Through the network that ships --------------------------------------------------------------


def test_a_film_goes_from_the_question_to_a_signed_answer_in_both_languages(
    cast: Cast, shelf: Shelf, settings: Settings
) -> None:
    """Registered from its folder as anybody's bundle would be, scored by its network."""
    settings.UNDO_SIGNATURE = timedelta(0)
    version = registry.register(shipped("chest"))
    registry.activate(version, None)
    ana, ruth = cast.client(cast.ana), cast.client(cast.ruth)
    case = sent(ana, film("pneumonia"), **CALM)
    assert score_next(shelf) == 1
    case.refresh_from_db()
    view = case.prediction
    assert view is not None
    assert view.model_version == version
    assert set(view.probabilities) == {"pneumonia", "normal"}
    assert text_of(ana.get(reverse("case", args=[case.pk])))

    ruth.post(
        reverse("reading_first", args=[case.pk]),
        {"diagnosis": "pneumonia", "confidence": "fairly", "plan": "refer_urgent"},
    )
    reading = text_of(ruth.get(reverse("reading", args=[case.pk])))
    assert "Normal (no sign of pneumonia)" in reading
    assert "Melanoma" not in reading
    assert ruth.post(reverse("reading_sign", args=[case.pk]), ANSWER).status_code == 302

    told = text_of(ana.get(reverse("case", args=[case.pk])))
    assert "signs that fit a pneumonia" in told
    assert "looked at your X-ray" in told
    languages.choose(cast.ana, "es")
    spanish = cast.client(cast.ana)
    said = html.unescape(text_of(spanish.get(reverse("case", args=[case.pk]))))
    assert "miró su radiografía" in said
    assert "your X-ray" not in said


def test_the_shipped_version_takes_no_ordinary_photo_for_a_film(cast: Cast, shelf: Shelf) -> None:
    registry.activate(registry.register(shipped("chest")), None)
    case = sent(cast.client(cast.ana), encoded(ordinary(), "JPEG"), **CALM)
    assert score_next(shelf) == 1
    case.refresh_from_db()
    assert case.prediction is not None
    assert case.prediction.modality == "not_skin"
    assert case.tier != "green"
    page = text_of(cast.client(cast.ana).get(reverse("case", args=[case.pk])))
    assert "it may not be an X-ray of a chest" in page


# --- Whoever reads -------------------------------------------------------------------------------


def test_the_worklist_can_be_sieved_by_kind_of_picture(cast: Cast, both: object) -> None:
    film_case = scored(sent(cast.client(cast.ana), film(), **CALM), **NORMAL)
    mark = scored(submitted(cast.ana))
    ruth = cast.client(cast.ruth)

    def shown(query: str) -> set[str]:
        page = ruth.get(f"/worklist/{query}").content.decode()
        return {str(one.pk) for one in (film_case, mark) if str(one.pk) in page}

    assert shown("") == {str(film_case.pk), str(mark.pk)}
    assert shown("?area=chest") == {str(film_case.pk)}
    assert shown("?area=skin") == {str(mark.pk)}
    assert "Kind of picture: Chest X-ray of a young child" in text_of(
        ruth.get("/worklist/?area=chest")
    )


def test_with_one_kind_the_worklist_offers_no_choice_of_it(cast: Cast) -> None:
    assert "Every kind of picture" not in text_of(cast.client(cast.ruth).get("/worklist/"))


def test_every_page_of_such_a_case_opens(cast: Cast, both: object, settings: Settings) -> None:
    """What a pack may leave out, a lesson, figures, a glance, a checklist, no page asks for."""
    ana, ruth = cast.client(cast.ana), cast.client(cast.ruth)
    case = sent(ana, film(), **CALM)
    for name in ("case", "case_tell", "case_withdraw", "case_talk", "case_photo"):
        page = text_of(ana.get(reverse(name, args=[case.pk])))
        assert "bleeds and won" not in page.replace("mark bleeds and will", "")
    assert ana.get(f"/cases/new/?about={case.pk}").status_code == 302
    assert ana.get(reverse("lesion_list")).status_code == 200
    for address in ("/worklist/", reverse("reading", args=[case.pk])):
        assert ruth.get(address).status_code == 200
    assert cast.api(cast.ana).get(f"/api/v1/cases/{case.pk}").json()["pack"] == "chest"
    learn = text_of(cast.client().get("/learn/?pack=chest"))
    assert "An X-ray without signs of pneumonia" in learn
    for condition in CHEST.conditions:
        found = cast.client().get(f"/learn/{condition.slug}/?pack=chest")
        assert found.status_code == 200, condition.name
    assert CHEST.asking.shows not in text_of(cast.client().get("/learn/"))
    settings.PACKS = ["skin", "chest"]
    assert CHEST.asking.shows in text_of(cast.client().get("/learn/"))


# --- Whether it can do its work ------------------------------------------------------------------


def test_readiness_is_asked_of_every_kind_of_picture_that_is_offered(
    cast: Cast, both: ModelVersion
) -> None:
    registry.register(shipped("skin"))
    reasons = cast.client().get("/readyz").json()["reasons"]
    assert any("of chest" in reason for reason in reasons)


def test_an_installation_starts_with_the_areas_it_names(settings: Settings, db: None) -> None:
    ModelVersion.objects.all().delete()
    call_command("register_model", verbosity=0)
    assert registry.offered() == ["skin"]
    settings.PACKS = ["skin", "chest"]
    call_command("register_model", verbosity=0)
    assert registry.offered() == ["skin", "chest"]
