"""Heatmap and similar cases on page and API: closed until the own reading, then gated like it."""

from __future__ import annotations

import io
import uuid
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from numpy.typing import NDArray
from PIL import Image
from pytest_django import Settings

from accounts import people
from accounts.models import AuditEntry, Clinic, Consent
from diagnoses import workflow
from diagnoses.models import Case, Photo, Prediction
from diagnoses.workflow import Answer, NewPhoto
from mlservice.engine.heatmap import GRID
from mlservice.models import ModelVersion
from mlservice.packs import load_pack
from mlservice.serving import Shelf
from tests.cases import NOT_SURE, a_model_version, photo, score_next, scored, submitted
from tests.cast import Cast

pytestmark = pytest.mark.usefixtures("media")
LABELS = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
READING = {"diagnosis": "nv", "confidence": "sure", "plan": "reassure"}


def heat(**corners: tuple[int, int]) -> dict[str, bytes]:
    """Where each label was found: a few cells around a place of the grid."""
    maps = np.zeros((len(LABELS), GRID, GRID), np.uint8)
    for label, (row, column) in corners.items():
        maps[LABELS.index(label), row : row + 3, column : column + 3] = 255
    return {"heat": maps.tobytes()}


def looks(degrees: float) -> dict[str, bytes]:
    angle = np.radians(degrees)
    return {"embedding": np.array([np.cos(angle), np.sin(angle), 0, 0], "<f4").tobytes()}


SEEN: dict[str, Any] = {
    **heat(nv=(1, 1), mel=(16, 16)),
    **looks(0),
    "receipt": {"r95": 0.1004, "r99": 0.0335},
}


@pytest.fixture(autouse=True)
def model(cast: Cast, settings: Settings) -> None:
    """Every signature is for good at once, and none is drawn to be read again."""
    Clinic.objects.update(double_reading_percent=0)
    settings.UNDO_SIGNATURE = timedelta(0)
    a_model_version(metrics={"ece": 0.0486, "n": 1004})


@pytest.fixture
def case(cast: Cast) -> Case:
    return scored(submitted(cast.ana), **SEEN)


@pytest.fixture
def neighbour(cast: Cast) -> Case:
    """A signed case of somebody else's that looks alike."""
    people.give_consent(cast.bo, Consent.Kind.COMPUTER_CHECK)
    other = scored(submitted(cast.bo, site="face"), **looks(12))
    workflow.read_first(other, cast.sam, **READING)
    workflow.sign(other, cast.sam, Answer(diagnosis="bkl", plan="see", advice="Come by."))
    return other


def read(case: Case, cast: Cast) -> None:
    workflow.read_first(case, cast.ruth, **READING)


def picture(case: Case, *, of: Photo | None = None, api: bool = False, label: str = "") -> str:
    shown = of or case.photos.first()
    assert shown is not None
    name = "api-heatmap" if api else "reading_heatmap"
    address = reverse(name, args=[case.pk, shown.pk])
    return f"{address}?label={label}" if label else address


def page(cast: Cast, case: Case, query: str = "") -> str:
    response = cast.client(cast.ruth).get(reverse("reading", args=[case.pk]) + query)
    assert response.status_code == 200
    return response.content.decode()


def pixels(response: Any) -> NDArray[np.uint8]:
    assert response.status_code == 200
    assert response["Content-Type"] == "image/png"
    with Image.open(io.BytesIO(response.content)) as image:
        return np.asarray(image.convert("RGBA"))


def weight(shown: NDArray[np.uint8]) -> tuple[float, float]:
    """Where the colour lies: row and column, as shares of the picture's height and width."""
    rows, columns = np.nonzero(shown[..., 3])
    return rows.mean() / shown.shape[0], columns.mean() / shown.shape[1]


# --- The gate ------------------------------------------------------------------------------------


def test_nothing_of_it_is_there_before_the_own_reading(
    cast: Cast, case: Case, neighbour: Case
) -> None:
    """Neither by its address nor in the page's source, nor for a colleague who has not read."""
    shown = neighbour.photos.get()
    for doctor in (cast.ruth, cast.sam):
        assert cast.client(doctor).get(picture(case)).status_code == 404
        assert cast.api(doctor).get(picture(case, api=True)).status_code == 404
        source = cast.client(doctor).get(reverse("reading", args=[case.pk])).content.decode()
        for leak in ("/heatmap/", 'id="heatmap"', "data-overlay=", str(shown.pk), "Signed cases"):
            assert leak not in source, leak
        told = cast.api(doctor).get(reverse("api-case", args=[case.pk])).json()
        assert told["computer_view"] is None
        assert "heatmap" not in str(told)
        read(case, cast)
    assert not AuditEntry.objects.filter(action__in=["heatmap.viewed", "similar.shown"]).exists()


def test_the_own_reading_opens_it_for_its_doctor_alone(cast: Cast, case: Case) -> None:
    read(case, cast)
    for api in (False, True):
        seen = {
            name: (cast.api(who) if api else cast.client(who)).get(picture(case, api=api))
            for name, who in cast.everyone().items()
        }
        codes = {name: answer.status_code for name, answer in seen.items()}
        assert codes.pop("ruth") == 200
        assert codes.pop("uma") == (404 if api else 403)
        assert set(codes.values()) == {404}, codes
    assert cast.client().get(picture(case)).status_code == 302
    assert cast.api().get(picture(case, api=True)).status_code == 401


def test_where_a_clinic_does_not_read_blind_it_is_open_at_once(cast: Cast, case: Case) -> None:
    Clinic.objects.filter(pk=cast.north.pk).update(blind_reading=False)
    assert cast.client(cast.sam).get(picture(case)).status_code == 200
    assert cast.client(cast.ana).get(picture(case)).status_code == 404
    assert cast.client(cast.xu).get(picture(case)).status_code == 404


def test_a_photo_of_another_case_is_not_reached_through_this_one(cast: Cast, case: Case) -> None:
    read(case, cast)
    other = scored(submitted(cast.ana), **SEEN)
    assert cast.client(cast.ruth).get(picture(case, of=other.photos.first())).status_code == 404


def test_each_look_is_written_down_and_kept_by_no_cache(cast: Cast, case: Case) -> None:
    read(case, cast)
    for client, api in ((cast.client(cast.ruth), False), (cast.api(cast.ruth), True)):
        response = client.get(picture(case, api=api, label="mel"))
        assert {"private", "no-store"} <= set(response["Cache-Control"].split(", "))
        entry = AuditEntry.objects.filter(action="heatmap.viewed").latest("pk")
        assert (entry.actor, entry.about) == (cast.ruth, f"case:{case.pk}")
        assert entry.detail == {
            "photo": str(case.photos.get().pk),
            "label": "mel",
            "where": "api" if api else "page",
        }


# --- The heatmap ---------------------------------------------------------------------------------


def test_the_overlay_lies_where_the_label_was_found(cast: Cast, case: Case) -> None:
    """The middle square of a 4:3 photo begins an eighth of its width in."""
    read(case, cast)
    client, shown = cast.client(cast.ruth), case.photos.get()
    assert (shown.width, shown.height) == (600, 450)
    place = (2.5 / GRID, (75 + 450 * 2.5 / GRID) / 600)
    assert weight(pixels(client.get(picture(case)))) == pytest.approx(place, abs=0.01)
    place = (17.5 / GRID, (75 + 450 * 17.5 / GRID) / 600)
    found = weight(pixels(client.get(picture(case, label="mel"))))
    assert found == pytest.approx(place, abs=0.01)
    assert not pixels(client.get(picture(case, label="df")))[..., 3].any()
    assert client.get(picture(case, label="unheard_of")).status_code == 404


def test_it_is_the_likeliest_labels_where_none_is_named(cast: Cast) -> None:
    case = scored(submitted(cast.ana), **SEEN, **NOT_SURE)
    read(case, cast)
    shown = page(cast, case)
    assert "Shown for <strong>Melanocytic naevus</strong>" in shown
    assert "label=nv" in shown


def test_the_page_shows_the_heatmap_of_the_class_that_was_chosen(cast: Cast, case: Case) -> None:
    read(case, cast)
    closed = page(cast, case)
    assert '<details class="fold" id="heatmap">' in closed, "off until asked for"
    assert "Where the computer looked is not where the disease is." in closed
    chosen = page(cast, case, "?show=mine&heat=mel")
    assert '<details class="fold" id="heatmap" open>' in chosen
    assert "Shown for <strong>Melanoma</strong>" in chosen
    assert picture(case, label="mel") in chosen
    assert "?show=mine&amp;heat=bcc#heatmap" in chosen
    assert "No place in this photo speaks much for" not in chosen
    assert "No place in this photo speaks much for Dermatofibroma" in page(cast, case, "?heat=df")
    assert "Shown for <strong>Melanocytic naevus</strong>" in page(cast, case, "?heat=unheard_of")


@pytest.mark.parametrize("kept", [None, b"", b"\x01\x02\x03"])
def test_a_view_without_a_heatmap_says_so(cast: Cast, kept: bytes | None) -> None:
    case = scored(submitted(cast.ana), **(SEEN | {"heat": kept}))
    read(case, cast)
    shown = page(cast, case)
    assert "No heatmap was kept with this view" in shown
    assert 'id="heatmap"' not in shown
    assert cast.client(cast.ruth).get(picture(case)).status_code == 404


def test_of_a_photo_that_cannot_be_judged_there_is_none(cast: Cast) -> None:
    case = scored(submitted(cast.ana), **SEEN, modality="not_skin", label="")
    read(case, cast)
    shown = page(cast, case)
    assert "Its numbers are kept for the record and mean nothing" in shown
    for word in ('id="heatmap"', "No heatmap", "Signed cases"):
        assert word not in shown
    assert cast.client(cast.ruth).get(picture(case)).status_code == 404


def test_a_new_photo_has_a_heatmap_of_its_own(cast: Cast, case: Case) -> None:
    read(case, cast)
    workflow.retake(case, cast.ana, [NewPhoto("dermoscopic", photo(8))], uuid.uuid4())
    newer = case.photos.order_by("created_at").last()
    assert newer is not None
    client = cast.client(cast.ruth)
    assert client.get(picture(case, of=newer)).status_code == 404
    scored(case, **(SEEN | heat(nv=(16, 1))), photo=newer)
    shown = page(cast, case)
    assert picture(case, of=newer, label="nv") in shown
    older = case.photos.first()
    assert picture(case, of=older) not in shown
    first, second = (weight(pixels(client.get(picture(case, of=one)))) for one in (older, newer))
    assert first[0] < 0.2
    assert second[0] > 0.8


def test_the_figure_of_the_judged_photo_carries_the_overlay(cast: Cast, case: Case) -> None:
    """What the viewer lays over the picture."""
    read(case, cast)
    response = cast.client(cast.ruth).get(reverse("reading", args=[case.pk]))
    [shown] = response.context["photos"]
    assert shown.overlay == picture(case, label="nv")
    response = cast.client(cast.sam).get(reverse("reading", args=[case.pk]))
    [closed] = response.context["photos"]
    assert closed.overlay == ""


def test_a_real_worker_keeps_the_heatmap_of_the_network(cast: Cast) -> None:
    """From the same forward pass as the scores, filed with them."""
    ModelVersion.objects.update(state=ModelVersion.State.RETIRED)
    call_command("register_model", verbosity=0)
    case = submitted(cast.ana, photos=[NewPhoto("dermoscopic", photo(3, kind="mel"))])
    assert score_next(Shelf()) == 1
    case.refresh_from_db()
    view = Prediction.objects.get(case=case)
    assert view.heat is not None
    maps = np.frombuffer(bytes(view.heat), np.uint8).reshape(len(LABELS), GRID, GRID)
    assert maps.max() == 255
    assert sorted(view.probabilities) == list(LABELS)
    strongest = maps[LABELS.index(view.top_label)].astype(float)
    middle = strongest[5:15, 5:15].sum()  # a quarter of the square, and the drawn mark
    assert middle > 0.5 * strongest.sum()
    read(case, cast)
    assert pixels(cast.client(cast.ruth).get(picture(case)))[..., 3].any()


# --- Similar cases -------------------------------------------------------------------------------


def test_similar_cases_stand_there_without_a_name(cast: Cast, case: Case, neighbour: Case) -> None:
    read(case, cast)
    shown = page(cast, case)
    section = shown.split('id="similar-title"')[1].split("</section>")[0]
    assert "Benign keratosis</strong>" in section
    assert "See in person" in section
    assert "Face" in section
    assert "Very alike" in section
    assert "0.97" in section
    assert str(neighbour.photos.get().pk) in section
    for name in (cast.bo.name, "Bo ", str(neighbour.pk), neighbour.reference):
        assert name not in section, name
    entry = AuditEntry.objects.get(action="similar.shown")
    assert (entry.actor, entry.about) == (cast.ruth, f"case:{case.pk}")
    assert entry.detail == {"cases": [str(neighbour.pk)], "where": "page"}


def test_what_it_turned_out_to_be_is_shown_with_it(cast: Cast, case: Case, neighbour: Case) -> None:
    workflow.record_outcome(
        neighbour,
        cast.sam,
        source="histology",
        diagnosis="mel",
        words="",
        found_on=timezone.localdate(),
    )
    read(case, cast)
    section = page(cast, case).split('id="similar-title"')[1].split("</section>")[0]
    assert "Benign keratosis</strong>" in section, "what was signed stays"
    assert "Histology: Melanoma" in section
    view = cast.api(cast.ruth).get(reverse("api-case", args=[case.pk])).json()["computer_view"]
    assert view["similar"][0]["outcome"] == {"source": "histology", "diagnosis": "mel"}


def test_the_patients_own_case_can_be_opened_from_there(cast: Cast, case: Case) -> None:
    own = scored(submitted(cast.ana), **looks(3))
    workflow.read_first(own, cast.sam, **READING)
    workflow.sign(own, cast.sam, Answer(diagnosis="nv", plan="see", advice="Come by."))
    read(case, cast)
    section = page(cast, case).split('id="similar-title"')[1].split("</section>")[0]
    assert reverse("reading", args=[own.pk]) in section
    assert "This patient’s own" in section


def test_where_there_are_none_it_is_said(cast: Cast, case: Case) -> None:
    read(case, cast)
    assert "None yet. The cases your clinic signs" in page(cast, case)
    assert not AuditEntry.objects.filter(action="similar.shown").exists()


def test_signing_and_refused_forms_look_nothing_up_twice(
    cast: Cast, case: Case, neighbour: Case
) -> None:
    read(case, cast)
    client = cast.client(cast.ruth)
    answer = {"diagnosis": "nv", "plan": "reassure", "advice": "Well.", "agrees": "yes"}
    assert client.post(reverse("reading_sign", args=[case.pk]), answer).status_code == 302
    assert not AuditEntry.objects.filter(action="similar.shown").exists()


def test_the_page_costs_the_same_however_many_there_are(cast: Cast, case: Case) -> None:
    people.give_consent(cast.bo, Consent.Kind.COMPUTER_CHECK)
    read(case, cast)

    def another(degrees: float) -> None:
        other = scored(submitted(cast.bo), **looks(degrees))
        workflow.read_first(other, cast.sam, **READING)
        workflow.sign(other, cast.sam, Answer(diagnosis="bkl", plan="see", advice="Come by."))

    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            page(cast, case)
        return len(captured)

    another(3)
    few = statements()
    for degrees in range(4, 12):
        another(degrees)
    assert statements() == few


def test_the_api_says_the_same(cast: Cast, case: Case, neighbour: Case) -> None:
    read(case, cast)
    client = cast.api(cast.ruth)
    view = client.get(reverse("api-case", args=[case.pk])).json()["computer_view"]
    shown = case.photos.get()
    assert view["heatmap"] == {
        "photo": str(shown.pk),
        "label": "nv",
        "url": f"http://testserver{picture(case, api=True)}",
    }
    assert pixels(client.get(view["heatmap"]["url"])).any()
    [one] = view["similar"]
    likeness = one.pop("likeness")
    assert likeness == pytest.approx(np.cos(np.radians(12)), abs=1e-3)
    [theirs] = neighbour.photos.all()
    address = reverse("api-photo", args=[neighbour.pk, theirs.pk])
    when = one.pop("submitted_at")
    assert when.startswith(neighbour.submitted_at.date().isoformat()[:7])
    assert one == {
        "photo_url": f"http://testserver{address}",
        "site": "face",
        "diagnosis": "bkl",
        "plan": "see",
        "outcome": None,
        "same_patient": False,
    }
    assert client.get(one["photo_url"]).status_code == 200
    assert cast.bo.name not in str(view)
    assert AuditEntry.objects.get(action="similar.shown").detail["where"] == "api"


def test_the_api_document_tells_of_both(cast: Cast) -> None:
    document = cast.api().get(reverse("api-schema"), {"format": "json"}).json()
    parts = document["components"]["schemas"]
    assert {"photo", "label", "url"} == set(parts["Heatmap"]["properties"])
    assert "likeness" in parts["Similar"]["properties"]
    assert {"heatmap", "similar"} <= set(parts["ComputerView"]["properties"])
    assert "/api/v1/cases/{id}/photos/{photo}/heatmap" in document["paths"]


# --- The panel -----------------------------------------------------------------------------------


def test_the_panel_says_how_far_its_numbers_can_be_trusted(cast: Cast, case: Case) -> None:
    read(case, cast)
    shown = page(cast, case)
    assert "by 4.9 points on average, on 1,004 test pictures" in shown
    assert "red together from 10.0 %, amber from 3.3 %" in shown
    assert "Harmful classes together" in shown
    assert load_pack("skin").modalities["dermoscopic"] in shown
