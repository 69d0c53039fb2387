"""A patient who reads Spanish, from the front door to the answer, finds no English on the way."""

from __future__ import annotations

import html
import re
import uuid
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from accounts import languages
from accounts.models import Consent, User
from diagnoses import presenting, telling
from diagnoses.models import Case, Review
from mlservice.packs import NO_LABEL_PAGE, load_pack
from notifications import texts
from notifications.models import Message
from portal import speech, words
from tests import cases
from tests.cast import Cast
from tests.diagnoses.pages import NEW, every_step, named, say, screen, text_of
from tests.packs.test_pack_languages import texts_of
from tests.signing import sign_up

NOW = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[2]
LONG_ENOUGH = 12  # letters; "No" is both, and "Plan" too


@cache
def english() -> frozenset[str]:
    """Every sentence of ours that reads otherwise in Spanish."""
    catalogue = words.kept("es")
    ours = {str(each.id) for each in catalogue if each.id and each.string != each.id}
    here, there = (set(texts_of(load_pack("skin", code))) for code in ("", "es"))
    return frozenset(
        text
        for text in ours | (here - there)
        if len(text) >= LONG_ENOUGH and " " in text and not re.search(r"[%{<\\]", text)
    )


def english_in(response: Any) -> list[str]:
    """What stands on a page, seen or read aloud, that should be Spanish."""
    assert response.status_code in {200, 404, 410, 422}, response.status_code
    page = html.unescape(response.content.decode())
    assert '<html lang="es">' in page
    shown = re.sub(r"\s+", " ", page)
    return sorted(text for text in english() if re.search(rf"(?<!\w){re.escape(text)}", shown))


@pytest.fixture
def visitor() -> Client:
    """Somebody whose browser asks for Spanish."""
    return Client(HTTP_ACCEPT_LANGUAGE="es-ES,es;q=0.9")


def reader(cast: Cast, person: User) -> Client:
    """A browser that asks for English, of somebody who has chosen Spanish."""
    languages.choose(person, "es")
    client = cast.client(person)
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    return client


def test_the_search_for_english_finds_some(cast: Cast) -> None:
    page = html.unescape(cast.client().get("/").content.decode())
    assert len([text for text in english() if text in page]) > 15


OPEN = [
    "/",
    "/accounts/login/",
    "/accounts/signup/",
    "/accounts/password/reset/",
    "/accounts/password/reset/done/",
    "/accounts/password/reset/key/1-set/",
    "/accounts/inactive/",
    "/accounts/confirm-email/none/",
    "/learn/",
    "/learn/mel/",
    f"/learn/{NO_LABEL_PAGE.replace('_', '-')}/",
    "/learn/self-check/",
    "/learn/self-check/try-shape/?reply=none",
    "/learn/self-check/try-shape/?check=1",
    "/no-such-page/",
    "/invitations/none/",
]


@pytest.mark.parametrize("path", OPEN)
def test_a_visitor_finds_no_english(cast: Cast, visitor: Client, path: str) -> None:
    assert english_in(visitor.get(path)) == []


@pytest.mark.parametrize("path", ["/accounts/login/", "/accounts/signup/"])
def test_what_is_wrong_with_a_form_is_said_in_spanish(
    cast: Cast, visitor: Client, path: str
) -> None:
    refused = visitor.post(path, {"email": "no", "login": "no", "password1": "1", "number": "7"})
    assert english_in(refused) == []
    assert "Esto es necesario." in text_of(refused)
    assert "This field" not in text_of(refused)


def test_the_whole_way_of_a_patient(cast: Cast, visitor: Client, media: Path) -> None:
    cases.a_model_version()
    sign_up(
        visitor,
        {
            "name": "Lucía Ríos",
            "email": "lucia@example.org",
            "password1": "tres lentejas muy tranquilas",
            "clinic": cast.north.pk,
            "care": "on",
        },
    )
    lucia = User.objects.get(email="lucia@example.org")
    assert lucia.language == "es"
    assert lucia.consents.get(kind=Consent.Kind.CARE).language == "es"
    assert mail.outbox[0].subject == "Confirme su dirección de correo electrónico"
    visitor.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"  # a browser at the library; she has chosen

    key = str(uuid.uuid4())
    for step in every_step():
        assert english_in(visitor.get(screen(key, step.name))) == [], step.name
    assert english_in(say(visitor, key, "photo")) == [], "the refusal"
    say(visitor, key, "photo", main_photo=named(cases.jpeg()), main_kind="dermoscopic")
    say(visitor, key, "place", site="upper_extremity", side="left")
    say(visitor, key, "bleeding", q_bleeding="oozes")
    assert english_in(visitor.get(NEW)) == []
    check = visitor.get(screen(key, "check"))
    assert english_in(check) == []
    assert "Brazo, izquierda" in text_of(check)
    assert "Supura o tiene costra, sin sangre" in text_of(check)
    say(visitor, key, "check", computer_check="on")

    case = cases.scored(Case.objects.get(), **cases.NOT_SURE)
    assert (case.site, case.side, case.answers) == (
        "upper_extremity",
        "left",
        {"bleeding": "oozes"},
    ), "what is stored is the same in every language"
    assert english_in(visitor.get(reverse("case_tell", args=[case.pk]))) == []
    assert english_in(visitor.get(reverse("case_withdraw", args=[case.pk]))) == []
    page = text_of(visitor.get(reverse("case", args=[case.pk])))
    assert "Esto no significa que todo esté bien." in page
    assert "Un médico mirará su foto" in page
    told = Message.objects.filter(recipient=lucia).latest("created_at")
    assert "Su clínica tiene novedades para usted" in texts.render(told).email


def test_bad_photos_are_refused_in_spanish(cast: Cast, media: Path) -> None:
    client, key = reader(cast, cast.ana), str(uuid.uuid4())
    blurred = say(client, key, "photo", main_photo=named(cases.jpeg(blur=6)))
    assert english_in(blurred) == []
    assert "No podemos valorar esta foto: está borrosa" in text_of(blurred)
    assert "Este archivo no es una foto" in text_of(
        say(client, key, "photo", main_photo=named(b"x"))
    )


@pytest.mark.parametrize("person", ["ana", "uma"])
def test_pages_of_the_account_and_of_a_doctor_who_waits(cast: Cast, person: str) -> None:
    client = reader(cast, cast.everyone()[person])
    for path in ("/accounts/password/change/", "/accounts/email/", "/accounts/logout/"):
        assert english_in(client.get(path)) == [], path
    if person == "uma":
        assert english_in(client.get("/")) == []
    else:
        number = cast.ana.numbers.get()
        cast.ana.numbers.update(verified_at=None, proof="")
        assert english_in(client.get(reverse("number_confirm", args=[number.pk]))) == []
        assert english_in(client.get("/account/erase/")) == []


def test_what_happened_is_told_in_spanish(cast: Cast, media: Path) -> None:
    cases.a_model_version()
    case = cases.scored(cases.submitted(cast.ana))
    with translation.override("es"):
        assert [line.text for line in telling.history(case, None)] == [
            "Usted envió este caso.",
            "La computadora comprobó su foto.",
        ]
        assert presenting.steps(case)[0].name == "Enviado"
        assert telling.state_of(case, answered=False) == "Esperando a un médico"
        review = Review(plan=Review.Plan.RECHECK, recheck_days=14)
        assert telling.plan_of(review) == (
            "Envíe una foto nueva dentro de 2 semanas, para que podamos comparar."
        )


# --- Dates and numbers ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "long", "short"),
    [
        (datetime(2026, 11, 24, 17, 0, tzinfo=UTC), "martes 24 de noviembre, 17:00", "24 nov"),
        (
            datetime(2025, 12, 31, 9, 5, tzinfo=UTC),
            "miércoles 31 de diciembre de 2025, 09:05",
            "31 dic 2025",
        ),
        (NOW.replace(hour=9), "domingo 22 de noviembre, 09:00", "09:00"),
    ],
)
def test_dates_are_said_as_in_spanish(moment: datetime, long: str, short: str) -> None:
    with translation.override("es"):
        assert speech.when(moment, NOW) == long
        assert speech.short_when(moment, NOW) == short
        assert presenting.spoken(moment).startswith(long.partition(" de 2")[0].partition(",")[0])


@pytest.mark.parametrize(
    ("gap", "said"),
    [
        (timedelta(days=2), "en dos días"),
        (timedelta(hours=1), "en una hora"),
        (timedelta(minutes=12), "en 12 minutos"),
        (timedelta(days=-75), "hace dos meses"),
        (timedelta(days=-1), "hace un día"),
        (timedelta(0), "ahora mismo"),
    ],
)
def test_how_far_off_that_is(gap: timedelta, said: str) -> None:
    with translation.override("es"):
        assert speech.in_time(NOW + gap, NOW) == said


def test_numbers_have_a_comma_and_pictures_do_not(cast: Cast, media: Path) -> None:
    with translation.override("es"):
        assert speech.percent_floor(0.7999) == "79,9 %"
        assert speech.day(timezone.localdate(NOW)) == "22 de noviembre de 2026"
    client, key = reader(cast, cast.ana), str(uuid.uuid4())
    say(client, key, "place", **{"front.x": "120.5", "front.y": "150.3"})
    drawn = client.get(screen(key, "place")).content.decode()
    circles = re.findall(r"<circle[^>]*>", drawn)
    assert circles
    assert not [circle for circle in circles if re.search(r'"\d+,\d', circle)]


# --- Nothing unmarked ----------------------------------------------------------------------------

# Written in English for those who run and build the portal, and for who trains with an export.
ENGLISH_ONLY = re.compile(
    r"^(admin|api|mlservice)/|/admin_|^styleguide\.html|^learning/readme\.txt|^notifications/(en|es)/"
)
LITERAL = re.compile(r'"([^"]*)"')
READ_ALOUD = re.compile(r'\b(?:alt|aria-label|title|placeholder|data-[\w-]*says)="([^"]*)"')


def unmarked(source: str) -> list[str]:
    """The words of a template that nobody could translate."""
    source = re.sub(r"{%\s*comment.*?endcomment\s*%}|{#.*?#}", " ", source, flags=re.DOTALL)
    source = re.sub(r"{%\s*blocktranslate.*?endblocktranslate\s*%}", " ", source, flags=re.DOTALL)
    source = re.sub(r"{%\s*translate .*?%}", " ", source)
    source = re.sub(r"<(svg|code|kbd)\b.*?</\1>", " ", source, flags=re.DOTALL)
    found: list[str] = []
    for tag in re.findall(r"{%\s*(?!block|if|elif|extends|load|url|static)(.*?)%}", source):
        literals = LITERAL.findall(re.sub(r'_\("[^"]*"\)', "", tag))
        found += [one for one in literals if re.search(r"[A-Z][a-z]|[a-z]{2,} [a-z]", one)]
    source = re.sub(r"{%\s*block page_class %}.*?{%\s*endblock\s*%}", " ", source)
    source = re.sub(r"{%.*?%}|{{.*?}}", " ", source, flags=re.DOTALL)
    found += READ_ALOUD.findall(source)
    found += re.sub(r"<[^>]*>", "\n", source, flags=re.DOTALL).split("\n")
    return [
        text.strip()
        for text in found
        if re.search(r"[A-Za-z]{2}", text) and text.strip(" –") != "Lentigo"
    ]


def test_every_sentence_of_a_template_is_marked() -> None:
    folder = ROOT / "templates"
    found = {}
    for path in sorted(folder.rglob("*.*")):
        name = path.relative_to(folder).as_posix()
        if not ENGLISH_ONLY.search(name):
            found[name] = unmarked(path.read_text(encoding="utf-8"))
    assert {name: texts for name, texts in found.items() if texts} == {}


@pytest.mark.parametrize(
    ("source", "left"),
    [
        ("<p>Hello there</p>", ["Hello there"]),
        ('<p>{% translate "Hello there" %}</p>', []),
        ('{% button "Log in" href=login %}', ["Log in"]),
        ('{% button _("Log in") href=login icon="camera" %}', []),
        ('<img alt="A photo">', ["A photo"]),
        ("{% blocktranslate %}Hello {{ name }}{% endblocktranslate %} Lentigo", []),
    ],
)
def test_the_search_for_unmarked_words_sees_them(source: str, left: list[str]) -> None:
    assert unmarked(source) == left
