"""The pages of model versions: who sees what, what the buttons do, and what a slip cannot hurt."""

from __future__ import annotations

import io
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import AuditEntry, Role, User
from mlservice import card, deciding, numbers, plots, registry, reports, uploads
from mlservice.engine import shipped
from mlservice.models import Activation, BundleCheck, ModelVersion, Override, Pause
from mlservice.serving import Shelf
from tests.cases import a_model_version
from tests.cast import Cast, logged_in
from tests.mlservice.bundles import both_shipped, prove_all, replace, resign, variant, zipped

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]
LIST = "/models/"


@pytest.fixture
def root(cast: Cast) -> Client:
    return cast.client(cast.root)


@pytest.fixture
def vera(cast: Cast) -> Client:
    who = User.objects.create_user(
        "vera@example.org", name="Vera Ek", role=Role.ADMIN, is_staff=True
    )
    return cast.client(who)


def text_of(page: Any, status: int = 200) -> str:
    """A page's words, without its tags."""
    assert page.status_code == status
    body = page.content.decode().partition("<main")[2]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def at(version: ModelVersion, what: str = "") -> str:
    return reverse("model_version", args=[version.pk]) + what


def serving(version: ModelVersion) -> ModelVersion:
    registry.activate(version, None)
    return version


# --- Who -----------------------------------------------------------------------------------------


def every_address(version: ModelVersion, check: BundleCheck, asked: Override) -> dict[str, str]:
    """Address -> who may open it: any admin, or one who decides."""
    return {
        LIST: "look",
        at(version): "look",
        at(version, "plots/roc.png"): "look",
        reverse("model_compare"): "look",
        at(version, "shadow/"): "look",
        at(version, "shadow/start/"): "decide",
        at(version, "shadow/stop/"): "decide",
        reverse("model_check", args=[check.pk]): "look",
        reverse("model_register"): "decide",
        at(version, "activate/"): "decide",
        at(version, "back/"): "decide",
        reverse("model_override", args=[asked.pk]): "decide",
        reverse("pack_pause", args=["skin"]): "decide",
        reverse("pack_resume", args=["skin"]): "decide",
    }


def test_every_admin_looks_and_only_those_of_no_clinic_decide(cast: Cast) -> None:
    old, new = both_shipped()
    serving(new)
    asked = deciding.ask_override(old, cast.root, new.pk, "Because")
    check = BundleCheck.objects.create(
        name="skin-9", folder="x", uploaded=False, manifest_hash="0" * 64, asked_by=cast.root
    )
    for address, who in every_address(new, check, asked).items():
        nobody = Client().get(address)
        assert nobody.status_code in (302, 405), address
        for person in (cast.ana, cast.ruth, cast.uma, cast.ada):
            client = cast.client(person)
            looks = person == cast.ada and who == "look"
            found = client.get(address).status_code
            assert found == (200 if looks else 405 if found == 405 else 404), address
            if who == "decide":
                data = {"reason": "Mine", "said": "yes", "instead_of": str(new.pk)}
                assert client.post(address, data).status_code == 404, address
    assert registry.active("skin") == new
    assert not Pause.objects.exists()
    theirs = AuditEntry.objects.filter(actor=cast.ada)
    assert not theirs.exclude(action="model.shadow_viewed").exists()


def test_an_admin_of_one_clinic_finds_no_buttons(cast: Cast, root: Client) -> None:
    serving(both_shipped()[1])
    theirs = cast.client(cast.ada).get(LIST).content.decode()
    assert "Register a bundle" not in theirs
    assert "Pause" not in theirs
    assert "admins who look after all clinics decide" in theirs
    assert "Pause the computer" in root.get(LIST).content.decode()
    assert 'href="/models/"' in cast.client(cast.ada).get("/messages/").content.decode()


# --- To look at ----------------------------------------------------------------------------------


def test_the_list_says_what_serves_since_when_and_by_whom(cast: Cast, root: Client) -> None:
    old, new = both_shipped()
    serving(old)
    deciding.promote(new, cast.root, old.pk)
    said = text_of(root.get(LIST))
    assert "skin 2.1 Active" in said
    assert "skin 1.1 Retired" in said
    assert "Back to skin 1.1" in said
    assert "0.764 (0.691–0.832)" in said
    assert re.search(r"skin 2.1 Active .*? Root 0\.764", said)


def test_a_versions_page_shows_its_numbers_with_n_and_intervals(root: Client) -> None:
    version = serving(both_shipped()[1])
    said = text_of(root.get(at(version)))
    assert "Balanced accuracy 0.764 (0.691–0.832) n = 1004" in said
    assert "Melanoma in RED 0.939 (0.879–0.990) n = 115" in said
    assert "Harmful pictures ending GREEN 1 (0.0–9.3) n = 202" in said
    assert "Basal cell carcinoma bcc, harmful 52 0.885 (0.791–0.965) 0.793 0.836" in said
    assert "nv 55 5 2 559 33 1 8" in said, "the confusion matrix, in the labels' order"
    assert version.weights_hash in said
    assert "No test picture was trained on" in said, "the card"
    assert "Release gate: passed ." in said


def test_the_numbers_on_the_page_are_those_of_the_card(root: Client) -> None:
    """The card writes them down beside the page's own, from the same file, by other code."""
    version = serving(both_shipped()[1])
    written = (shipped("skin") / "card.md").read_text()
    for number in numbers.rows(version):
        if number.interval and number.of != 202:  # those counts stand otherwise in its prose
            assert f"{number.value} ({number.interval})" in written, number.text


def test_a_plot_is_the_one_that_was_registered_or_is_not_shown(
    root: Client, tmp_path: Path
) -> None:
    folder = variant(tmp_path)
    version = registry.register(folder)
    answer = root.get(at(version, "plots/reliability.png"))
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/png")
    assert answer.content == (folder / "reliability.png").read_bytes()
    replace(folder / "reliability.png", b"<script>")
    assert root.get(at(version, "plots/reliability.png")).status_code == 404
    assert root.get(at(version, "plots/model.png")).status_code == 404


def test_the_reliability_is_drawn_from_its_numbers_where_they_are_there(
    root: Client, tmp_path: Path
) -> None:
    bins = [
        {"n": 100, "confidence": 0.5, "right": 0.4},
        {"n": 25, "confidence": 0.9, "right": 0.95},
    ]
    version = registry.register(variant(tmp_path, reliability=bins))
    page = root.get(at(version)).content.decode()
    assert '<circle class="plot-dot" cx="50.0" cy="60.0" r="4.0"/>' in page
    assert '<circle class="plot-dot" cx="90.0" cy="5.0" r="2.0"/>' in page
    assert "plots/reliability.png" not in page.partition('id="card"')[0]
    for wrong in ([{"n": 1}], [{"n": 1, "confidence": 7, "right": 0}], ["x"], "bins"):
        assert plots.reliability({"reliability": wrong}) == []
    older = root.get(at(both_shipped()[0])).content.decode()
    assert "plot-dot" not in older
    assert "plots/reliability.png" in older.partition('id="card"')[0]


def test_a_version_whose_files_are_gone_says_so_and_breaks_no_page(root: Client) -> None:
    version = a_model_version()
    said = text_of(root.get(at(version)))
    assert "Its files are gone" in said
    assert "skin by hand" in text_of(root.get(LIST))


def test_numbers_that_are_none_break_no_page(root: Client, tmp_path: Path) -> None:
    strange = {
        "bmca": "high", "classes": [1], "confusion": [["x"]], "recall": None,
        "n": "many", "ece_interval": [1], "auc": {"mel": "<b>"}, "melanoma_red": True,
    }  # fmt: skip
    version = registry.register(variant(tmp_path, **strange))
    said = text_of(root.get(at(version)))
    assert "Balanced accuracy –" in said
    root.get(at(version, "activate/"))
    assert text_of(root.get(LIST))


def test_a_card_is_shown_as_text_whatever_it_holds() -> None:
    written = card.as_html(
        '# Title\n\n## Bad <img src=x onerror="go()">\n\n- **bold** `code`\n  goes on\n\n'
        "| a | b |\n| --- | --- |\n| 1 | <i> |\n\n![ROC](roc.png)\n![Out](../../x.png)\n"
        "[link](javascript:go())\nand more",
        lambda name: f"/plots/{name}" if name == "roc" else "",
    )
    assert "<h3>Bad &lt;img src=x onerror=&quot;go()&quot;&gt;</h3>" in written
    assert "<li><strong>bold</strong> <code>code</code> goes on</li>" in written
    assert '<td data-label="b">&lt;i&gt;</td>' in written
    assert '<img src="/plots/roc" alt="ROC" loading="lazy">' in written
    assert "<p>![Out](../../x.png) [link](javascript:go()) and more</p>" in written
    assert "Title" not in written


def test_queries_do_not_grow_with_versions(cast: Cast, root: Client) -> None:
    def count() -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert root.get(LIST).status_code == 200
        return len(queries)

    first = a_model_version()
    few = count()
    before = first
    for number in range(20):
        ModelVersion.objects.filter(state="active").update(state="retired")
        new = a_model_version(version=str(number))
        Activation.objects.create(version=new, replaced=before, how="gate", by=cast.root)
        Override.objects.create(version=new, instead_of=before, reason="x", asked_by=cast.ada)
        before = new
    assert count() == few


# --- Two side by side ----------------------------------------------------------------------------


def test_two_versions_stand_side_by_side(root: Client) -> None:
    old, new = both_shipped()
    page = root.get(reverse("model_compare"), {"one": new.pk, "other": old.pk})
    said = text_of(page)
    assert "the same 1004 pictures of 745 lesions" in said
    assert "0.764 (0.691–0.832) n = 1004" in said
    assert "+0.044 skin 2.1 is better" in said, "balanced accuracy"
    assert "−1 skin 2.1 is better" in said, "harmful pictures ending GREEN"
    assert "+0.009 skin 2.1 is better" in said, "melanomas in RED"


def test_versions_of_different_pictures_say_why_they_are_not_compared(
    root: Client, tmp_path: Path
) -> None:
    new = both_shipped()[1]
    other = registry.register(variant(tmp_path, part="another"))
    said = text_of(root.get(reverse("model_compare"), {"one": new.pk, "other": other.pk}))
    assert "measured on different pictures" in said
    assert "0.764" not in said
    same = text_of(root.get(reverse("model_compare"), {"one": new.pk, "other": new.pk}))
    assert "the same version twice" in same
    assert root.get(reverse("model_compare"), {"one": "x", "other": "-1"}).status_code == 200


# --- Registering ---------------------------------------------------------------------------------


def test_from_the_file_to_the_registered_version(root: Client, tmp_path: Path) -> None:
    page = root.post(reverse("model_register"), {"file": zipped(variant(tmp_path))}, follow=True)
    said = text_of(page)
    assert "No inference worker is there" in said
    assert "Golden pictures happening now Registered still to come" in said
    reports.report(1, Shelf())
    check = BundleCheck.objects.get()
    address = reverse("model_check", args=[check.pk])
    assert "It waits for a worker" in text_of(root.get(address))
    assert check.name in text_of(root.get(LIST))
    prove_all()
    page = root.get(address)
    assert "it is registered" in text_of(page)
    version = ModelVersion.objects.get()
    assert at(version) in page.content.decode()
    again = root.post(reverse("model_register"), {"file": zipped(variant(tmp_path, "x3"))})
    assert again.status_code == 302


def test_a_bundle_that_is_refused_later_says_why(root: Client, tmp_path: Path) -> None:
    folder = variant(tmp_path)
    replace(folder / "golden.json", b'{"golden/mel.png": [0, 0, 0, 0, 0, 0, 0]}')
    resign(folder)
    page = root.post(reverse("model_register"), {"file": zipped(folder)}, follow=True)
    prove_all()
    said = text_of(root.get(page.request["PATH_INFO"]))
    assert "It is refused, and nothing was registered" in said
    assert "scores differently here" in said
    assert not ModelVersion.objects.exists()


def test_a_folder_on_the_server_is_chosen_from_a_list(root: Client) -> None:
    name = shipped("skin").name
    assert f'value="{name}"' in root.get(reverse("model_register")).content.decode()
    root.post(reverse("model_register"), {"folder": name})
    prove_all()
    assert ModelVersion.objects.get().folder == name
    assert f'value="{name}"' not in root.get(reverse("model_register")).content.decode()
    page = root.post(reverse("model_register"), {"folder": "../../secrets"})
    assert "Select a valid choice" in text_of(page, 422)


def test_neither_or_both_or_no_bundle_is_said_at_the_form(root: Client, tmp_path: Path) -> None:
    address, folder = reverse("model_register"), shipped("skin").name
    assert "one of the two" in text_of(root.post(address, {}), 422)
    both = {"file": zipped(variant(tmp_path)), "folder": folder}
    assert "one of the two" in text_of(root.post(address, both), 422)
    words = io.BytesIO(b"not a bundle")
    words.name = "bundle.zip"
    said = text_of(root.post(address, {"file": words}), 422)
    assert "not a .zip that can be read" in said
    assert "Nothing was registered" in said
    assert not BundleCheck.objects.exists()


def test_a_file_that_is_too_large_is_not_kept(
    root: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MOST_PACKED", 100_000)
    content = zipped(variant(tmp_path))
    said = text_of(root.post(reverse("model_register"), {"file": content}), 422)
    assert "The file is larger than" in said
    content.seek(0)
    monkeypatch.setattr(uploads, "MOST_MANIFEST", 1 << 30)  # as if its length had not been told
    said = text_of(root.post(reverse("model_register"), {"file": content}), 422)
    assert "The file is larger than" in said
    assert not uploads.home().exists()


def test_registering_needs_the_forms_own_token(cast: Cast, tmp_path: Path) -> None:
    strict = logged_in(cast.root, enforce_csrf_checks=True)
    answer = strict.post(reverse("model_register"), {"folder": shipped("skin").name})
    assert answer.status_code == 403
    assert not BundleCheck.objects.exists()


# --- Deciding ------------------------------------------------------------------------------------


def test_into_service_and_back_in_one_press(root: Client) -> None:
    old, new = both_shipped()
    serving(old)
    asked = text_of(root.get(at(new, "activate/")))
    assert "The gate lets it pass" in asked
    assert "Balanced accuracy 0.764 0.720 at least 0.700: no worse by more than 0.020 met" in asked
    assert "one press brings it back" in asked
    page = root.post(at(new, "activate/"), {"instead_of": old.pk}, follow=True)
    assert "skin 2.1 scores new cases now." in text_of(page)
    page = root.post(at(new, "back/"), follow=True)
    assert "skin 1.1 scores new cases again." in text_of(page)
    assert registry.active("skin") == old


def test_a_worse_version_is_refused_and_a_second_admin_may_let_it_pass(
    cast: Cast, root: Client, vera: Client
) -> None:
    old, new = both_shipped()
    serving(new)
    asked = text_of(root.get(at(old, "activate/")))
    assert "The gate does not let it pass" in asked
    assert (
        "Balanced accuracy 0.720 0.764 at least 0.744: no worse by more than 0.020 not met" in asked
    )
    tried = root.post(at(old, "activate/"), {"instead_of": new.pk})
    assert "does not let skin 1.1 pass" in text_of(tried, 409)
    empty = {"instead_of": new.pk, "override": "yes", "reason": " "}
    assert "Please give a reason." in text_of(root.post(at(old, "activate/"), empty), 409)
    page = root.post(at(old, "activate/"), empty | {"reason": "It sorts ours better"}, follow=True)
    said = text_of(page)
    assert "A second admin is needed now. Nothing has changed yet." in said
    assert "Agree" not in said
    address = page.request["PATH_INFO"]
    assert "You asked for it yourself" in text_of(root.post(address, {"said": "yes"}, follow=True))
    assert registry.active("skin") == new
    assert "It sorts ours better" in text_of(vera.get(address))
    assert "A second admin is needed" in text_of(vera.get(LIST))
    assert "scores new cases now" in text_of(vera.post(address, {"said": "yes"}, follow=True))
    assert registry.active("skin") == old
    assert "Past the gate, by two admins" in text_of(root.get(at(old)))
    again = text_of(vera.post(address, {"said": "no"}, follow=True))
    assert "decided already: Agreed" in again


def test_who_presses_on_an_old_page_is_told_and_nothing_happens(root: Client) -> None:
    old, new = both_shipped()
    serving(old)
    said = text_of(root.post(at(new, "activate/"), {"instead_of": ""}), 409)
    assert "was put into service in the meantime" in said
    assert registry.active("skin") == old


def test_a_pause_is_asked_once_needs_a_reason_and_ends(root: Client) -> None:
    serving(both_shipped()[1])
    address = reverse("pack_pause", args=["skin"])
    assert "go straight to the doctors" in text_of(root.get(address))
    assert "Please give a reason." in text_of(root.post(address, {"reason": ""}), 409)
    page = root.post(address, {"reason": "All naevi"}, follow=True)
    said = text_of(page)
    assert "The computer is paused" in said
    assert "All naevi" in said
    resumed = root.post(reverse("pack_resume", args=["skin"]), follow=True)
    assert "The computer looks at new cases again." in text_of(resumed)
    assert root.get(reverse("pack_pause", args=["nowhere"])).status_code == 404


def test_the_pages_speak_spanish(cast: Cast) -> None:
    User.objects.filter(pk=cast.root.pk).update(language="es")
    client = cast.client(cast.root)
    old, new = both_shipped()
    serving(old)
    said = text_of(client.get(at(new, "activate/")))
    assert "Exactitud equilibrada 0,764 0,720" in said
    assert "Balanced" not in said
