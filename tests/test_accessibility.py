"""Every page for everybody: axe-core finds nothing against WCAG 2.2 AA, on a phone and a desktop.

A machine finds about a third of what can be wrong. The rest is looked at, and the whole way is
gone by keyboard alone in tests/test_whole_way.py.
"""

from __future__ import annotations

import uuid
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page

from accounts import care, people
from accounts.models import Relation, User
from diagnoses import workflow
from diagnoses.conversation import steps
from diagnoses.models import (
    Case,
    ExportedPhoto,
    Nudge,
    SecondReading,
    TakenCopy,
    TrainingExport,
)
from diagnoses.workflow import Answer
from mlservice import deciding, registry, thresholds
from mlservice.models import BundleCheck
from mlservice.packs import load_pack
from notifications import invitations, ledger, links, optional
from notifications.ledger import Notice
from notifications.models import Channel, Event, Message
from portal.machine.stack import Stack
from tests.browser import DESKTOP, Opened, log_in
from tests.cases import (
    NOT_SURE,
    RED,
    a_model_version,
    claimed,
    in_the_shadow,
    prediction,
    scored,
    submitted,
)
from tests.cast import PASSWORD, Cast, build_cast
from tests.mlservice.bundles import SECOND

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NARROW = {"width": 320, "height": 640}
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
OPEN_PAGES = [
    "/",
    "/accounts/login/",
    "/accounts/signup/",
    "/accounts/password/reset/",
    "/learn/",
    "/learn/mel/",
    "/learn/no-disease/",
    "/learn/self-check/",
]


def against_wcag(page: Page) -> list[str]:
    """What axe-core finds, each with the first element it is about."""
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": WCAG}})
    return [
        f"{page.url}: {one['id']}: {one['nodes'][0]['html'][:160]}"
        for one in found.response["violations"]
    ]


def pages_of(cast: Cast) -> dict[User | None, list[str]]:
    """Every kind of page of every role, with something on it."""
    key = uuid.uuid4()
    red = scored(submitted(cast.ana), **RED)
    unsure = scored(submitted(cast.ana, lesion=red.lesion), **NOT_SURE)
    workflow.read_first(red, cast.sam, diagnosis="nv", confidence="sure", plan="reassure")
    workflow.request_retake(red, cast.sam, ["blurred", "covered"], "Sharper, please.", key)
    workflow.ask(red, cast.ana, "Does it matter that it itches?", uuid.uuid4())
    answered = scored(submitted(cast.ana), **RED)
    workflow.read_first(answered, cast.sam, diagnosis="nv", confidence="sure", plan="see")
    workflow.sign(answered, cast.sam, Answer(diagnosis="nv", plan="see", advice="Please show it."))
    urgent = scored(submitted(cast.ana), **RED)
    workflow.read_first(urgent, cast.sam, diagnosis="nv", confidence="sure", plan="see")
    workflow.sign(urgent, cast.sam, Answer("mel", "refer_urgent", "Please come this week."))
    visit = Nudge.objects.get(case=answered)
    Nudge.objects.update(state=Nudge.State.TOLD, told_at=timezone.now())
    number = people.add_number(cast.ana, "+447700900777", opt_in=True)
    asked = workflow.ask_colleague(unsure, cast.sam, cast.ruth, "What do you think?")
    waiting = workflow.share(red, cast.sam, cast.xu, "And what do you think?")
    workflow.agree_to_share(waiting, cast.ana)
    done = workflow.agree_to_share(workflow.share(unsure, cast.ruth, cast.xu, ""), cast.ana)
    read = SecondReading.objects.get(share=done)
    workflow.read_again(read, cast.xu, diagnosis="nv", confidence="sure", plan="see", words="So.")
    to_agree = scored(submitted(cast.ana), **RED)
    workflow.share(to_agree, cast.ruth, cast.xu, "")
    task, doubtful = messages_of(answered)
    screens = [f"/cases/new/{key}/{step.name}/" for step in steps(load_pack("skin"))]
    cases = [f"/cases/{case.pk}/" for case in (red, unsure, submitted(cast.ana), to_agree)]
    of_a_case = [f"{cases[0]}{what}/" for what in ("tell", "withdraw", "talk", "photo")]
    own = ["/lesions/", f"/lesions/{red.lesion_id}/", f"/lesions/{red.lesion_id}/name/", "/cases/"]
    mine = ["/account/", "/account/download/", "/account/looked/", "/account/erase/"]
    mine += ["/account/tokens/"]
    child = care.look_after(cast.ana, "Leo Duarte", Relation.CHILD)
    mine += ["/account/people/", f"/account/people/{child.pk}/", "/cases/new/?start"]
    mine += [f"/account/numbers/{number.pk}/confirm/", f"/reminders/{visit.pk}/"]
    second = "/accounts/2fa/"
    mine += [second, f"{second}totp/activate/", f"{second}webauthn/add/", "/accounts/sessions/"]
    of_staff = [f"{second}{what}/" for what in ("reauthenticate", "recovery-codes/generate")]
    of_staff += [second, f"{second}webauthn/", f"{second}totp/deactivate/"]
    return {
        None: [*OPEN_PAGES, *by_message(cast)],
        cast.ana: [*own, *mine, *cases, *of_a_case, *screens, ended_link(cast.ana)],
        cast.ruth: [
            *("/worklist/", f"/worklist/{red.pk}/", "/worklist/done/", "/account/"),
            *("/worklist/again/", f"/worklist/again/{asked.pk}/"),
            *("/worklist/?q=ana&site=back", "/worklist/?site=ear"),
            *of_staff,
        ],
        cast.ada: [
            *("/messages/", "/messages/?show=all", "/messages/?q=nobody"),
            *(f"/messages/{message.pk}/" for message in (task, doubtful)),
            *(f"/messages/{doubtful.pk}/again/", "/messages/setup/"),
        ],
        cast.root: [
            *(*manage_pages(cast), *pages_of_models(cast), *pages_of_learning(cast, red)),
            *("/operations/", "/operations/jobs/", f"/operations/jobs/?id={red.pk}"),
        ],
        cast.sam: [
            *(f"/worklist/{red.pk}/", f"/worklist/{red.pk}/ask/", "/worklist/numbers/"),
            *(f"/worklist/{answered.pk}/{what}/" for what in ("outcome", "letter")),
            *(f"/worklist/{answered.pk}/", f"/worklist/{urgent.pk}/"),
        ],
        cast.xu: [
            *("/worklist/again/", f"/worklist/again/{read.pk}/"),
            f"/worklist/again/{SecondReading.objects.get(share=waiting).pk}/",
        ],
    }


def manage_pages(cast: Cast) -> list[str]:
    """Of an admin of all clinics, who has every page there is."""
    asked = invitations.invite(
        name="Vera Novak", clinic=cast.north, invited_by=cast.root, email="vera@example.org"
    )
    people_of = [f"/manage/people/{who.pk}/" for who in (cast.ana, cast.uma, cast.root)]
    asking = [f"/manage/people/{cast.ruth.pk}/{deed}/" for deed in ("suspend", "move", "unverify")]
    invited = f"/manage/invitations/{asked.pk}/"
    return [
        *("/manage/", "/manage/trail/", "/manage/trail/?q=nobody"),
        *("/manage/people/", "/manage/people/?q=nobody", *people_of, *asking),
        *("/manage/clinics/", "/manage/clinics/new/", f"/manage/clinics/{cast.north.pk}/"),
        *("/manage/invitations/", "/manage/invitations/new/", invited),
        *(f"{invited}again/", f"{invited}withdraw/"),
    ]


def by_message(cast: Cast) -> list[str]:
    """What a message leads to without a login."""
    reminder = Message(event=Event.REMIND_RECHECK, recipient=cast.ana)
    invited = invitations.invite(
        name="Dr New", clinic=cast.north, invited_by=cast.ada, e164="+447700900778"
    )
    return [
        urlsplit(optional.address_to_stop(reminder)).path,
        reverse("invitation", args=[invited.token]),
        reverse("invitation", args=["no-such-invitation"]),
    ]


def ended_link(person: User) -> str:
    link = links.make(person, "/cases/")
    address = urlsplit(links.address(link)).path
    links.revoke([link.pk])
    return address


def pages_of_models(cast: Cast) -> list[str]:
    """Two versions, one of them in service and paused; something asked, refused and waiting."""
    active = registry.active("skin")
    assert active is not None
    other = registry.register(SECOND)
    bins = [{"n": 9, "confidence": 0.7, "right": 0.6}]  # as newer bundles have it
    other.metrics = other.metrics | {"reliability": bins}
    other.save(update_fields=["metrics"])
    asked = deciding.ask_override(other, cast.root, active.pk, "It sorts our photos better.")
    in_the_shadow(other, cast.root)
    row = claimed(scored(submitted(cast.ana), **RED))
    workflow.attach((row, prediction(row)))
    third = a_model_version(version="3", state="registered")
    change = thresholds.ask(active, cast.root, seen=0.8, after=0.7, reason="Too few get a name.")
    deciding.pause("skin", cast.root, "It is looked into.")
    fields = {"uploaded": False, "asked_by": cast.root, "manifest_hash": "0" * 64}
    waits = BundleCheck.objects.create(name="skin-9", folder="nowhere", **fields)
    refused = BundleCheck.objects.create(
        name="skin-8", folder="nowhere", state="refused", refusal="It is not whole.",
        settled_at=timezone.now(), **fields,
    )  # fmt: skip
    return [
        *("/models/", "/models/register/", "/models/packs/skin/pause/"),
        *(f"/models/{version.pk}/" for version in (active, other)),
        *(f"/models/{active.pk}/monitoring/{part}?period=all" for part in ("", "truth/")),
        f"/models/{other.pk}/monitoring/",
        *(f"/models/{other.pk}/activate/", f"/models/asked/{asked.pk}/"),
        *(f"/models/checks/{check.pk}/" for check in (waits, refused)),
        f"/models/compare/?one={active.pk}&other={other.pk}",
        *(f"/models/{other.pk}/shadow/", f"/models/{third.pk}/shadow/start/"),
        *(f"/models/{version.pk}/rule/?at=0.65" for version in (active, other)),
        *(f"/models/thresholds/{change.pk}/", "/models/data/"),
    ]


def pages_of_learning(cast: Cast, case: Case) -> list[str]:
    """An export that is being made, and one of which a copy holds what was taken back since."""
    fields = {"pack": "skin", "modality": "dermoscopic", "asked_by": cast.root}
    waits = TrainingExport.objects.create(total=9, done=4, **fields)
    number = {"pictures": 1, "lesions": 1, "patients": 1}
    counts = number | {"labels": {"mel": number}, "sources": {"signed": 1}}
    over = TrainingExport.objects.create(state="over", counts=counts, table_hash="0" * 64, **fields)
    TakenCopy.objects.create(export=over, by=cast.root)
    photo = case.photos.get()
    held = {"photo": photo, "withdrawn_at": timezone.now(), "why": "consent"}
    ExportedPhoto.objects.create(export=over, name="p0", **held)
    return ["/learning/", f"/learning/{waits.pk}/", f"/learning/{over.pk}/"]


def messages_of(answered: Case) -> list[Message]:
    """A task for staff, and a message nobody knows the fate of."""
    about, patient = f"case:{answered.pk}", answered.patient
    events = {Event.URGENT_CALL: Channel.STAFF, Event.CASE_SIGNED: Channel.EMAIL}
    with transaction.atomic():
        found = ledger.tell(
            *(
                Notice(event, patient, about, "/cases/", channel=channel)
                for event, channel in events.items()
            )
        )
    doubtful = Message.objects.filter(pk=found[1].pk)
    doubtful.update(state=Message.State.UNKNOWN, run_after=None, error="Twilio never got it.")
    return found


@pytest.mark.parametrize(
    ("viewport", "colours"),
    [(NARROW, "light"), (DESKTOP, "dark")],
    ids=["phone, light", "desktop, dark"],
)
def test_axe_finds_nothing(
    live_stack: Stack, open_browser: Opened, viewport: dict[str, int], colours: str
) -> None:
    live_stack.start("web")
    found = []
    for person, paths in pages_of(build_cast()).items():
        page = open_browser(viewport, color_scheme=colours)
        if person is not None:
            log_in(page, live_stack.url, person.email, PASSWORD)
        else:
            found += of_signing_up(page, live_stack)
        for path in paths:
            page.goto(live_stack.url + path)
            found += against_wcag(page)
    assert found == []


def of_signing_up(page: Page, stack: Stack) -> list[str]:
    """The page that asks for the code of the letter, and what it says of a wrong one."""
    page.goto(f"{stack.url}/accounts/signup/")
    page.get_by_label("Your name").fill("Eva Novak")
    page.get_by_label("E-mail").fill("eva@example.org")
    page.locator("input[type=password]").first.fill(PASSWORD)
    page.get_by_label("Your clinic", exact=True).select_option(label="North")
    page.locator("input[name=care]").check()
    page.locator("main button[type=submit]").click()
    page.wait_for_url("**/signup/code/")
    found = against_wcag(page)
    page.get_by_label("Code").fill("ABCD-EFGH")
    page.get_by_role("button", name="Make my account").click()
    page.get_by_role("alert").wait_for()
    return found + against_wcag(page)
