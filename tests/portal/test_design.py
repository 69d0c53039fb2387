"""The design holds what it promises: legible in light and dark, no inline code, wired fields."""

from __future__ import annotations

import gzip
import json
import re
import uuid
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import accumulate
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.contrib.staticfiles import finders
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.template import Context, Template
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from pytest_django.fixtures import DjangoCaptureOnCommitCallbacks, Settings

from accounts import people
from accounts.models import User
from diagnoses.conversation import steps
from diagnoses.models import Case
from mlservice.packs import load_pack
from portal import styleguide, views
from portal.styleguide import Sample
from tests.cases import NOT_SURE, RED, a_model_version, scored, submitted
from tests.cast import Cast

ROOT = Path(django_settings.BASE_DIR)
STATIC = ROOT / "portal" / "static" / "portal"
CSS = (STATIC / "lentigo.css").read_text()
VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "path", "source"}


# --- Colours ----------------------------------------------------------------------------------

TEXT = [
    *[("ink", ground) for ground in ("paper", "surface", "sunken", "accent-soft")],
    *[("ink", ground) for ground in ("red-soft", "amber-soft", "green-soft")],
    *[("muted", ground) for ground in ("paper", "surface", "sunken", "accent-soft")],
    *[("accent", ground) for ground in ("paper", "surface", "accent-soft")],
    *[("accent-strong", ground) for ground in ("paper", "surface", "accent-soft")],
    *[("on-accent", ground) for ground in ("accent", "accent-strong")],
    *[
        (tier, g)
        for tier in ("red", "amber", "green")
        for g in ("paper", "surface", f"{tier}-soft")
    ],
    ("on-red", "red"),
    ("paper", "ink"),  # the toast
]
SHAPES = [(shape, g) for shape in ("edge", "focus") for g in ("paper", "surface", "sunken")]


def tokens() -> dict[str, dict[str, str]]:
    light, dark = re.findall(r":root \{(.*?)\n *\}", CSS, re.DOTALL)[:2]
    pairs = re.compile(r"--([a-z-]+): (#[0-9a-f]{6});")
    return {"light": dict(pairs.findall(light)), "dark": dict(pairs.findall(dark))}


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2.2, from "#rrggbb"."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted([luminance(one), luminance(other)])
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_computed_as_wcag_does() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_all_words_are_legible(mode: str) -> None:
    colours = tokens()[mode]
    faint = {
        f"{ink} on {ground}": round(ratio, 2)
        for ink, ground in TEXT
        if (ratio := contrast(colours[ink], colours[ground])) < 4.5
    }
    assert not faint


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_borders_of_fields_and_the_focus_ring_are_seen(mode: str) -> None:
    colours = tokens()[mode]
    faint = {
        f"{shape} on {ground}": round(ratio, 2)
        for shape, ground in SHAPES
        if (ratio := contrast(colours[shape], colours[ground])) < 3
    }
    assert not faint


def test_only_tokens_carry_colours() -> None:
    rules = CSS[CSS.index("/* --- Ground") : CSS.index("@media print")]
    assert not re.findall(r"#[0-9a-f]{3,8}\b", rules)


def test_the_admin_wears_the_same_colours() -> None:
    admin = (STATIC / "admin.css").read_text()
    light, dark = (set(re.findall(r"#[0-9a-f]{6}\b", part)) for part in admin.split("@media")[:2])
    assert light <= set(tokens()["light"].values())
    assert dark <= set(tokens()["dark"].values())


def test_the_focus_ring_is_three_pixels_and_never_lost() -> None:
    assert "outline: 3px solid var(--focus)" in CSS
    # Taken away only from what a script focuses, and from inputs whose card shows it instead.
    removed = re.findall(r"^(.*)\{ outline: none; \}", CSS, re.MULTILINE)
    assert [rule.strip() for rule in removed] == [
        '[tabindex="-1"]:focus',
        ".choice input:focus-visible",
    ]


def test_scripts_stay_small() -> None:
    scripts = b"".join(path.read_bytes() for path in STATIC.glob("*.js"))
    assert len(gzip.compress(scripts)) <= 10_000


# --- Pages ------------------------------------------------------------------------------------


@dataclass
class Page(HTMLParser):
    """What matters of a page: its elements with their attributes, and which are open around."""

    source: str
    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attrs for name, attrs in self.elements if name == tag]

    def ids(self) -> list[str]:
        return [attrs["id"] for _, attrs in self.elements if "id" in attrs]

    def inline_code(self) -> list[str]:
        """Whatever the Content-Security-Policy would block."""
        found = [f"<{tag} style>" for tag, attrs in self.elements if "style" in attrs]
        found += [f"<{tag} {a}>" for tag, attrs in self.elements for a in attrs if a[:2] == "on"]
        found += ["<style>"] * len(self.all("style"))
        found += ["<script> without src" for attrs in self.all("script") if "src" not in attrs]
        return found

    def foreign(self) -> list[str]:
        """Anything loaded from another server."""
        loading = [attrs.get("src", "") for _, attrs in self.elements]
        loading += [attrs.get("href", "") for attrs in self.all("link")]
        return [address for address in loading if re.match(r"(https?:)?//", address)]

    def nested_forms(self) -> int:
        depths = accumulate(1 if tag == "form" else -1 for tag in self._forms())
        return sum(depth > 1 for depth in depths)

    def _forms(self) -> list[str]:
        return re.findall(r"<(/?form)\b", self.source)

    def dangling(self) -> list[str]:
        """Labels, descriptions and jumps that lead to nothing."""
        ids = set(self.ids())
        wanted = [attrs["for"] for attrs in self.all("label") if "for" in attrs]
        wanted += [attrs["href"][1:] for attrs in self.all("a") if attrs["href"][:1] == "#"]
        for _, attrs in self.elements:
            for name in ("aria-describedby", "aria-labelledby", "data-opens"):
                wanted += attrs.get(name, "").split()
        return [target for target in wanted if target not in ids]


OPEN_PAGES = [
    "/",
    "/styleguide/",
    "/learn/",
    "/learn/mel/",
    "/learn/no-disease/",
    "/learn/self-check/",
    "/learn/self-check/big-signs/",
    "/learn/self-check/try-shape/?reply=several&check=1",
    "/learn/self-check/try-shape/?check=1",
    "/accounts/login/",
    "/accounts/signup/",
    "/accounts/password/reset/",
    "/accounts/password/reset/done/",
    "/accounts/password/reset/key/1-nonsense/",
    "/accounts/confirm-email/",
    "/accounts/confirm-email/nonsense/",
    "/accounts/inactive/",
    "/nothing-here/",
]
OWN_PAGES = [
    *("/accounts/password/change/", "/accounts/email/", "/accounts/logout/"),
    *("/account/", "/account/download/", "/account/erase/"),
]
ERRORS = ["400.html", "403.html", "403_csrf.html", "404.html", "500.html", "503.html"]


def hold_to_the_house_rules(source: str) -> None:
    page = Page(source)
    assert page.inline_code() == []
    assert page.foreign() == []
    assert page.dangling() == []
    assert len(page.ids()) == len(set(page.ids())), "an id is used twice"
    assert all("alt" in attrs for attrs in page.all("img"))
    assert page.nested_forms() == 0, "the browser would end the outer one there"
    assert len(page.all("h1")) >= 1
    assert len(page.all("main")) == 1
    first_link = page.all("a")[0]
    assert (first_link["class"], first_link["href"]) == ("skip", "#main")
    labelled = {attrs.get("for") for attrs in page.all("label")}
    assert all(attrs.get("alt") for attrs in page.all("input") if attrs.get("type") == "image")
    typed = [a for a in page.all("input") if a.get("type") not in {"hidden", "submit", "image"}]
    assert [a["name"] for a in typed if a.get("id") not in labelled] == []


@pytest.mark.django_db
@pytest.mark.parametrize("address", OPEN_PAGES)
def test_every_open_page_keeps_the_house_rules(
    address: str, cast: Cast, settings: Settings
) -> None:
    settings.DEMO = True
    hold_to_the_house_rules(cast.client().get(address).content.decode())


@pytest.mark.parametrize("address", OWN_PAGES)
def test_every_page_of_ones_account_keeps_the_house_rules(address: str, cast: Cast) -> None:
    response = cast.client(cast.ana).get(address, follow=True)
    assert response.status_code == 200
    hold_to_the_house_rules(response.content.decode())


def screens(about: Case | None = None) -> list[str]:
    """Every question of a new form, about a mark asked about before or another."""
    key, query = uuid.uuid4(), f"?about={about.pk}" if about else ""
    return [f"/cases/new/{key}/{step.name}/{query}" for step in steps(load_pack("skin"))]


@pytest.mark.parametrize("computers_view", [RED, NOT_SURE], ids=["red", "not sure"])
def test_every_page_of_a_case_keeps_the_house_rules(
    computers_view: dict[str, object],
    cast: Cast,
    media: Path,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    a_model_version()
    with django_capture_on_commit_callbacks():
        case = scored(submitted(cast.ana), **computers_view)
    again = submitted(cast.ana, lesion=case.lesion)
    own = [f"/lesions/{again.lesion_id}/", f"/lesions/{again.lesion_id}/name/"]
    own += [f"/cases/{case.pk}/", f"/cases/{case.pk}/tell/", f"/cases/{case.pk}/withdraw/"]
    number = people.add_number(cast.ana, "+447700900777", opt_in=True)
    own.append(f"/account/numbers/{number.pk}/confirm/")
    pages = {
        cast.ana: ["/lesions/", "/cases/", "/account/", *own, *screens(case)],
        cast.bo: ["/lesions/", "/cases/", *screens()],
        cast.ruth: ["/worklist/", "/worklist/done/", f"/worklist/{case.pk}/", "/account/"],
        cast.xu: ["/worklist/", "/worklist/done/"],
        cast.uma: ["/"],
    }
    for person, addresses in pages.items():
        for address in addresses:
            response = cast.client(person).get(address)
            assert response.status_code == 200, f"{person} at {address}"
            hold_to_the_house_rules(response.content.decode())


@pytest.mark.parametrize("template", ERRORS)
def test_error_pages_need_neither_request_nor_database(template: str) -> None:
    page = render_to_string(template)
    hold_to_the_house_rules(page)
    assert "Log in" not in page, "whoever reads it may be logged in"


@pytest.mark.django_db
def test_the_policy_that_forbids_inline_code_is_sent(client: Client) -> None:
    policy = client.get("/")["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "style-src 'self'" in policy
    assert "unsafe" not in policy


def test_the_admin_stands_in_the_same_frame(cast: Cast) -> None:
    page = Page(cast.client(cast.root).get("/admin/").content.decode())
    assert page.inline_code() == []
    assert page.foreign() == []
    sheets = [attrs["href"] for attrs in page.all("link") if attrs["rel"] == "stylesheet"]
    assert "/static/portal/admin.css" in sheets


@pytest.mark.django_db
def test_library_sentences_come_in_the_language_of_the_page(client: Client) -> None:
    page = client.post("/accounts/login/", {}, headers={"Accept-Language": "de,fr;q=0.5"})
    assert "This is needed." in page.content.decode()
    page = client.post("/accounts/login/", {}, headers={"Accept-Language": "de,es;q=0.5"})
    assert "Esto es necesario." in page.content.decode()


@pytest.mark.django_db
def test_the_style_guide_is_not_there_in_production(client: Client) -> None:
    assert client.get("/styleguide/").status_code == 404


@pytest.mark.django_db
def test_the_style_guide_shows_every_piece(client: Client, settings: Settings) -> None:
    settings.DEMO = True
    shown = {t.name for t in client.get("/styleguide/").templates}
    pieces = {f"components/{p.name}" for p in (ROOT / "templates" / "components").glob("*.html")}
    assert pieces - shown == set()


@pytest.mark.django_db
def test_the_demo_shows_its_logins_and_nothing_else_does(
    client: Client, settings: Settings
) -> None:
    assert "Logins of this demo" not in client.get("/accounts/login/").content.decode()
    settings.DEMO_LOGINS = [
        {"who": "A patient", "email": "mara@example.org", "password": "a demo's"}
    ]
    assert "mara@example.org" in client.get("/accounts/login/").content.decode()


# --- The front door ---------------------------------------------------------------------------


def test_everyone_is_led_to_the_page_they_came_for(cast: Cast) -> None:
    def led(person: User) -> str:
        return cast.client(person).get("/").headers.get("Location", "")

    assert led(cast.ana) == "/lesions/"
    assert led(cast.ruth) == "/worklist/"
    assert led(cast.root) == "/manage/"


def test_a_doctor_nobody_verified_is_told_to_wait(cast: Cast) -> None:
    response = cast.client(cast.uma).get("/")
    assert response.status_code == 200
    page = response.content.decode()
    assert "We are checking who you are" in page
    assert "Worklist" not in page


def test_the_header_leads_each_role_to_their_own_pages(cast: Cast) -> None:
    def links(person: User) -> str:
        page = cast.client(person).get("/accounts/logout/").content.decode()
        return page[page.index("<header") : page.index("</header>")]

    assert 'href="/lesions/"' in links(cast.ana)
    assert 'href="/worklist/"' not in links(cast.ana)
    assert 'href="/worklist/"' in links(cast.ruth)
    assert 'href="/lesions/"' not in links(cast.ruth)
    assert 'href="/manage/"' in links(cast.root)
    assert 'href="/manage/' not in links(cast.ruth)


@pytest.mark.django_db
def test_the_manifest_names_icons_that_exist(client: Client) -> None:
    response = client.get("/manifest.webmanifest")
    assert response["Content-Type"] == "application/manifest+json"
    icons = json.loads(response.content)["icons"]
    assert [
        icon["src"] for icon in icons if not finders.find(icon["src"].split("static/")[1])
    ] == []


# --- Errors -----------------------------------------------------------------------------------


def test_what_is_missing_and_what_is_not_yours_read_the_same(rf: RequestFactory) -> None:
    missing = views.page_not_found(rf.get("/cases/1/"), Http404("no such route"))
    secret = views.page_not_found(rf.get("/cases/1/"), Http404("case 1 of Ana"))
    assert missing.status_code == 404
    assert missing.content == secret.content


def test_refusals_say_nothing_of_their_cause(rf: RequestFactory) -> None:
    page = views.permission_denied(rf.get("/"), PermissionDenied("Ana's case")).content.decode()
    assert "Ana" not in page
    page = views.csrf_failure(rf.post("/"), reason="CSRF cookie not set.").content.decode()
    assert "CSRF" not in page
    assert "so we did nothing with it" in page


def test_a_database_out_of_reach_is_said_to_pass(rf: RequestFactory) -> None:
    response = _after(OperationalError("connection refused"), rf.get("/"))
    assert response.status_code == 503
    assert response["Retry-After"] == "5"
    assert "connection refused" not in response.content.decode()


def test_anything_else_is_our_fault(rf: RequestFactory) -> None:
    response = _after(KeyError("secret"), rf.get("/"))
    assert response.status_code == 500
    assert "It was not your doing" in response.content.decode()


def _after(error: Exception, request: HttpRequest) -> HttpResponse:
    try:
        raise error
    except type(error):
        return views.server_error(request)


# --- Fields -----------------------------------------------------------------------------------


def render(source: str, **context: object) -> str:
    return Template(source).render(Context(context))


def test_a_wrong_field_names_its_error_and_its_hint_to_a_screen_reader() -> None:
    form = Sample({"number": ""})
    page = Page(render("{% field form.name hint='As on your passport' %}", form=form))
    box = page.all("input")[0]
    assert box["aria-invalid"] == "true"
    assert box["aria-describedby"] == "id_name_helptext id_name_error"
    assert {"id_name_helptext", "id_name_error"} <= set(page.ids())


def test_a_group_of_choices_names_its_error_once_for_all() -> None:
    page = Page(render("{% field form.since %}", form=Sample({})))
    assert page.all("fieldset")[0]["aria-describedby"] == "id_since_error"
    assert len(page.all("legend")) == 1
    assert [attrs["for"] for attrs in page.all("label")] == [f"id_since_{n}" for n in range(3)]


def test_the_summary_of_errors_leads_to_the_fields() -> None:
    page = Page(render("{{ form }}", form=Sample({"site": "face"})))
    leads = [attrs["href"] for attrs in page.all("a")]
    assert leads == ["#id_name", "#id_since_0", "#id_photo", "#id_agree"]
    assert page.dangling() == []


def test_the_summary_names_a_librarys_fields_in_our_words(cast: Cast) -> None:
    page = cast.client(cast.ana).post("/accounts/password/change/", {}).content.decode()
    assert "Your password now: This is needed." in page
    assert "Current Password" not in page


def test_optional_fields_say_so() -> None:
    assert "(optional)" in render("{% field form.number %}", form=Sample())
    assert "(optional)" not in render("{% field form.name %}", form=Sample())


def test_what_people_type_is_never_markup() -> None:
    bad = "<script>alert(1)</script>"
    page = render("{% field form.name %}", form=Sample({"name": bad * 3}))
    page += render(
        "{% answer said %}{{ said }}{% endanswer %}{% fold said %}x{% endfold %}", said=bad
    )
    page += render("{% button said %}", said=bad)
    page += render_to_string("components/message.html", {"text": bad})
    assert "<script" not in page


def test_a_button_says_what_it_is_doing() -> None:
    [button] = Page(render('{% button "Send" busy="Sending “it”…" %}')).all("button")
    assert button["data-busy"] == "Sending “it”…"


def test_a_photo_field_takes_a_photo_without_any_script() -> None:
    page = Page(render("{% field form.photo %}", form=Sample()))
    picker = page.all("input")[0]
    assert (picker["type"], picker["accept"]) == ("file", "image/*")
    script_only = [attrs for attrs in page.all("label") if "data-pick" in attrs]
    assert ["hidden" in attrs for attrs in script_only] == [True]


@pytest.mark.parametrize(
    ("tier", "word"), [("red", "Red"), ("amber", "Amber"), ("green", "Green"), (None, "Not scored")]
)
def test_a_tier_is_a_word_and_a_shape_beside_its_colour(tier: str | None, word: str) -> None:
    badge = render_to_string("components/tier.html", {"tier": tier})
    assert word in badge
    assert "<svg" in badge


def test_the_shapes_of_the_tiers_differ() -> None:
    shapes = {
        re.search(r"<svg.*</svg>", render_to_string("components/tier.html", {"tier": tier}))[0]  # type: ignore[index]  # there is one
        for tier in ("red", "amber", "green", None)
    }
    assert len(shapes) == 4


def test_the_timeline_tells_where_one_is() -> None:
    journey = styleguide.context()["journeys"][1]  # type: ignore[index]  # a list
    page = Page(render_to_string("components/steps.html", {"steps": journey}))
    assert [attrs["class"] for attrs in page.all("li")] == ["done", "done", "now", "todo"]
    assert [i for i, attrs in enumerate(page.all("li")) if "aria-current" in attrs] == [2]


def test_an_unknown_icon_is_an_error_and_not_a_gap() -> None:
    with pytest.raises(KeyError):
        render("{% icon 'no-such' %}")
