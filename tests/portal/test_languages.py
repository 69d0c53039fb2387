"""Two languages: which one somebody reads, and that every sentence is there in both."""

from __future__ import annotations

from pathlib import Path

import pytest
from allauth.account.models import EmailAddress
from django.conf import settings
from django.core import mail
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import translation

from accounts import languages, people, wording
from accounts.models import AuditEntry, Consent, User
from diagnoses import everything, presenting
from mlservice.packs import load_pack
from notifications import invitations, ledger, texts
from notifications.ledger import Notice
from notifications.models import Event, Message
from portal import words
from tests import cases
from tests.cast import PASSWORD, Cast

CHOOSE = reverse("language")
SPANISH = {"HTTP_ACCEPT_LANGUAGE": "es-MX,es;q=0.9,en;q=0.5"}


def read(client: Client, path: str = "/accounts/login/", **headers: str) -> str:
    """The language a page says it is in."""
    content: str = client.get(path, **headers).content.decode()  # type: ignore[arg-type]
    return content.partition('<html lang="')[2].partition('"')[0]


# --- The catalogues ------------------------------------------------------------------------------


@pytest.mark.parametrize("language", words.languages())
def test_the_catalogue_holds_every_sentence_and_no_other(language: str) -> None:
    kept = words.catalogue_path(language).read_bytes()
    assert words.as_po(words.renewed(language)) == kept, "run: python -m portal.words"


@pytest.mark.parametrize("language", words.languages())
def test_every_sentence_is_translated_and_leaves_the_same_places_open(language: str) -> None:
    assert list(words.faults(words.kept(language))) == []


@pytest.mark.parametrize("language", words.languages())
def test_what_django_reads_is_what_people_wrote(language: str) -> None:
    path = words.catalogue_path(language)
    compiled = path.with_suffix(".mo").read_bytes()
    assert words.as_mo(path.read_bytes()) == compiled, "run: python -m portal.words"


def test_a_catalogue_with_faults_is_found_out() -> None:
    catalogue = words.renewed("es")
    first, second, third = [each for each in catalogue if "%(" in each.id][:3]
    first.string = second.string = third.string = "Hola"
    first.flags.add("fuzzy")
    second.string = ""
    found = list(words.faults(catalogue))
    assert any(fault.startswith("is only guessed") for fault in found)
    assert any(fault.startswith("is not translated") for fault in found)
    assert any("stand in" in fault for fault in found)


def test_words_are_collected_from_templates_and_from_python() -> None:
    found = words.collected()
    assert "Skip to the main part" in found  # {% translate %}
    assert any("%(n)s of %(of)s" in str(each.id) for each in found)  # {% blocktranslate %}
    assert "This is not your password." in found  # gettext_lazy


# --- Which language ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "answer"),
    [("es", "es"), ("es-AR, en;q=0.8", "es"), ("en-US", "en-gb"), ("fr", "en-gb"), ("", "en-gb")],
)
def test_at_first_the_browser_says_which(client: Client, asked: str, answer: str) -> None:
    assert read(client, HTTP_ACCEPT_LANGUAGE=asked) == answer


def test_a_visitor_chooses_on_any_page_and_comes_back_to_it(client: Client) -> None:
    here = "/learn/mel/?pack=skin"
    page = client.get(here).content.decode()
    assert f'<input type="hidden" name="next" value="{here}">' in page
    assert '<button class="tongue" name="language" value="es" lang="es">Español</button>' in page
    answer = client.post(CHOOSE, {"language": "es", "next": here})
    assert (answer.status_code, answer["Location"]) == (302, here)
    assert read(client, here) == "es"
    client.post(CHOOSE, {"language": "en-gb", "next": here})
    assert read(client, here, **SPANISH) == "en-gb", "what was chosen beats the browser"


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example", "", "javascript:x"])
def test_the_way_back_leads_nowhere_else(client: Client, back: str) -> None:
    answer = client.post(CHOOSE, {"language": "es", "next": back})
    assert answer["Location"] == "/"


def test_an_unknown_language_changes_nothing(cast: Cast) -> None:
    client = cast.client(cast.ana)
    client.post(CHOOSE, {"language": "tlh", "next": "/"})
    cast.ana.refresh_from_db()
    assert (cast.ana.language, read(client, "/account/")) == ("", "en-gb")


def test_what_someone_chose_is_theirs_in_every_browser(cast: Cast) -> None:
    cast.client(cast.ana).post(CHOOSE, {"language": "es", "next": "/account/"})
    cast.ana.refresh_from_db()
    assert cast.ana.language == "es"
    assert read(cast.client(cast.ana), "/account/", HTTP_ACCEPT_LANGUAGE="en") == "es"
    assert read(cast.client(cast.bo), "/account/", HTTP_ACCEPT_LANGUAGE="en") == "en-gb"
    entry = AuditEntry.objects.get(action="person.language_chosen")
    assert (entry.actor, entry.detail) == (cast.ana, {"language": "es"})


def log_in(client: Client, user: User, **headers: str) -> None:
    answer = client.post(
        reverse("account_login"),
        {"login": user.email, "password": PASSWORD},
        **headers,  # type: ignore[arg-type]
    )
    assert answer.status_code == 302


def test_the_first_login_keeps_the_browsers_language(cast: Cast, client: Client) -> None:
    log_in(client, cast.ana, **SPANISH)
    assert User.objects.get(pk=cast.ana.pk).language == "es"
    log_in(Client(), cast.ana, HTTP_ACCEPT_LANGUAGE="en")
    assert User.objects.get(pk=cast.ana.pk).language == "es", "only the first"


def test_a_choice_before_logging_in_is_kept_and_left_to_nobody_else(
    cast: Cast, client: Client
) -> None:
    people_before = User.objects.get(pk=cast.bo.pk).language
    client.post(CHOOSE, {"language": "es", "next": "/accounts/login/"})
    log_in(client, cast.ana)
    assert User.objects.get(pk=cast.ana.pk).language == "es"
    assert settings.LANGUAGE_COOKIE_NAME not in {
        name for name, cookie in client.cookies.items() if cookie.value
    }
    client.post(reverse("account_logout"))
    assert read(client) == "en-gb", "the next one at this computer begins anew"
    assert User.objects.get(pk=cast.bo.pk).language == people_before


def test_a_form_that_was_refused_leads_back_to_its_page(cast: Cast, client: Client) -> None:
    page = client.post(
        "/accounts/login/", {"login": "x"}, HTTP_REFERER="http://testserver/accounts/login/?next=/"
    ).content.decode()
    assert 'name="next" value="/accounts/login/?next=/"' in page


def test_the_switch_needs_no_token_and_a_page_without_a_request_has_none(client: Client) -> None:
    from portal.views import server_error

    strict = Client(enforce_csrf_checks=True)
    assert strict.post(CHOOSE, {"language": "es", "next": "/learn/"})["Location"] == "/learn/"
    assert "csrftoken" not in client.get("/learn/").content.decode()
    with translation.override("es"):
        page = server_error(RequestFactory().get("/learn/")).content.decode()
    assert 'lang="es"' in page
    assert 'name="language"' not in page


def test_a_kept_page_is_kept_for_one_language(client: Client) -> None:
    answer = client.get("/learn/")
    assert {"Accept-Language", "Cookie"} <= set(answer["Vary"].split(", "))


def test_the_admin_and_the_api_speak_english(cast: Cast) -> None:
    languages.choose(cast.root, "es")
    client = cast.client(cast.root)
    assert "Log out" in client.get("/admin/").content.decode()
    languages.choose(cast.ana, "es")
    answer = cast.client(cast.ana).post("/api/v1/cases", {}, **SPANISH)  # type: ignore[arg-type]
    assert "Spanish" not in answer.content.decode()
    assert "We need one to look at" in answer.content.decode() or "required" in str(answer.content)


# --- What is written to people -------------------------------------------------------------------


def told(user: User) -> Message:
    return ledger.tell(Notice(Event.CASE_SIGNED, user, "case:1", "/cases/"))[0]


def test_news_come_in_the_recipients_language(cast: Cast) -> None:
    languages.choose(cast.ana, "es")
    with translation.override("en-gb"):
        spanish, english = told(cast.ana), told(cast.bo)
        assert texts.render(spanish).text.startswith("Su clínica tiene novedades para usted: ")
    assert texts.render(english).text.startswith("Your clinic has an update for you: ")


def test_an_invitation_is_in_the_language_of_who_invites(cast: Cast) -> None:
    languages.choose(cast.ana, "es")
    made = invitations.invite(
        name="Dr Gil", clinic=cast.north, invited_by=cast.ana, email="gil@example.org"
    )
    assert "Una clínica" in texts.render(made.messages.get()).subject


def test_mail_about_the_account_is_in_the_language_of_its_owner(cast: Cast, client: Client) -> None:
    languages.choose(cast.ana, "es")
    EmailAddress.objects.create(user=cast.ana, email=cast.ana.email, primary=True)
    client.post(reverse("account_reset_password"), {"email": cast.ana.email})
    assert mail.outbox[0].subject == "Elija una contraseña nueva"


def test_an_erased_person_reads_nothing(cast: Cast) -> None:
    languages.choose(cast.ana, "es")
    people.erase(cast.ana)
    assert User.objects.get(pk=cast.ana.pk).language == ""


# --- The pack's words ----------------------------------------------------------------------------


def test_a_case_speaks_to_whoever_reads_it(cast: Cast, media: Path) -> None:
    cases.a_model_version()
    case = cases.scored(cases.submitted(cast.ana))
    with translation.override("es"):
        assert case.pack.site(case.site).text == load_pack("skin", "es").site(case.site).text
        assert "Esto no significa que todo esté bien." in presenting.patient_card(case).body
    assert "This is not an all-clear." in presenting.patient_card(case).body


def test_a_page_to_learn_from_is_there_in_both(client: Client) -> None:
    spanish = client.get("/learn/no-disease/", **SPANISH).content.decode()  # type: ignore[arg-type]
    assert "No significa que no haya nada." in spanish
    assert "It does not mean" in client.get("/learn/no-disease/").content.decode()


def test_a_doctors_template_is_in_the_language_of_the_patient(cast: Cast, media: Path) -> None:
    """Who reads English signs what somebody reads who has chosen Spanish, and is told so."""
    languages.choose(cast.ana, "es")
    cast.north.blind_reading = False
    cast.north.save()
    cases.a_model_version()
    case = cases.scored(cases.submitted(cast.ana))
    page = cast.client(cast.ruth).get(reverse("reading", args=[case.pk]) + "?template=sun_damage")
    text = page.content.decode()
    assert "Esto parece piel dañada por el sol." in text
    assert "Actinic keratosis, treat" in text
    assert "The patient reads Spanish." in text


# --- What somebody agreed to ---------------------------------------------------------------------


def test_a_consent_keeps_which_words_were_read_and_in_which_language(cast: Cast) -> None:
    learning = Consent.Kind.RESEARCH
    with translation.override("es"):
        given = people.give_consent(cast.bo, learning)
    assert (given.version, given.language) == (wording.version(learning), "es")
    assert AuditEntry.objects.filter(action="consent.given").latest("pk").detail["language"] == "es"
    assert people.has_consent(cast.bo, learning), "a translation is the same wording"
    assert people.give_consent(cast.bo, learning) == given
    told = {one["what"]: one for one in everything.gather(cast.bo).record["consents"]}
    assert told["care"]["words"].startswith("A doctor of the clinic may look")
    assert (told["research"]["language"], told["research"]["words"]) == (
        "es",
        "Mis fotos pueden ayudar a entrenar y probar la computadora.",
    )


def test_a_spanish_page_asks_in_spanish(client: Client, cast: Cast) -> None:
    page = client.get(reverse("account_signup"), **SPANISH).content.decode()  # type: ignore[arg-type]
    assert "Un médico de la clínica puede mirar mis fotos" in page
    assert "A doctor of the clinic" not in page
