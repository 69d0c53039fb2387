"""One of everything, all of it North's and mostly Ana's, and everybody who may try to get at it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from django.db.models.functions import Now

from accounts import care, people, tokens
from accounts.models import Consent, Relation, Role, Scope, SuspensionReason, User
from accounts.reminder_stop import Reminder
from diagnoses import drafts, workflow
from diagnoses.models import Alarm, Case, Draft, DraftPhoto, Nudge, TrainingExport
from diagnoses.workflow import Answer
from mlservice.models import BundleCheck, ModelVersion, Override, ThresholdChange
from mlservice.packs import load_pack
from notifications import invitations
from notifications.models import Message
from tests import cases
from tests.cast import PASSWORD, Cast
from tests.diagnoses import sharing

NOBODY = "nobody"  # who is not logged in
PENDING = "pia"  # a doctor of the case's clinic who gave the password, and no second factor yet
SUSPENDED = "zoe"  # whose browser was logged in until a moment ago


@dataclass
class World:
    """Who there is, by first name (``None``: not logged in), and what an address can name."""

    cast: Cast
    people: dict[str, User | None]
    things: dict[str, Any] = field(default_factory=dict)


def build(cast: Cast) -> World:
    """Call it in a database of its own, with an empty media folder."""
    north, south = {"clinic": cast.north}, {"clinic": cast.south}
    admin = {"role": Role.ADMIN, "is_staff": True}
    more = {
        "cora": User.objects.create_user("cora@example.org", PASSWORD, name="Cora Fry", **north),
        "eve": User.objects.create_user(
            "eve@example.org", PASSWORD, name="Eve Hart", **south, **admin
        ),
        PENDING: User.objects.create_user("pia@example.org", PASSWORD, name="Pia Wren"),
        SUSPENDED: User.objects.create_user("zoe@example.org", PASSWORD, name="Zoe Lim", **north),
    }
    world = World(cast, {NOBODY: None, **cast.everyone(), **more})
    people.make_doctor(more[PENDING], cast.north)
    people.verify_doctor(more[PENDING], cast.root)
    _models(world)
    _cases(world)
    _people(world, more["cora"])
    people.suspend(more[SUSPENDED], cast.root, SuspensionReason.ASKED)
    more[SUSPENDED].refresh_from_db()
    return world


def _models(world: World) -> None:
    active = cases.a_model_version()
    other = cases.a_model_version(version="other", state=ModelVersion.State.REGISTERED)
    root = world.cast.root
    check = BundleCheck.objects.create(
        name="skin-9", folder="nowhere", uploaded=False, manifest_hash="9" * 64, asked_by=root
    )
    asked = Override.objects.create(
        version=other, instead_of=active, reason="To be seen", asked_by=root
    )
    change = ThresholdChange.objects.create(
        version=active, before=0.8, after=0.7, reason="To be seen", asked_by=root
    )
    export = TrainingExport.objects.create(
        pack="skin", modality="dermoscopic", clinic=world.cast.north, asked_by=root
    )
    world.things |= {
        "version": active.pk,
        "network": active.manifest_hash,
        "other": other.pk,
        "check": check.pk,
        "override": asked.pk,
        "threshold": change.pk,
        "export": export.pk,
    }


def _cases(world: World) -> None:
    """One that waits, asked about by a colleague and elsewhere; one that is signed; a draft."""
    cast, pack = world.cast, load_pack("skin")
    case = sharing.a_case(cast)
    share = sharing.asked(cast, case)
    asked = workflow.ask_colleague(case, cast.sam, cast.ruth, "Would you?")
    workflow.ask(case, cast.ana, "Is it bad?", uuid.uuid4())
    signed = _signed(cast)
    letter = workflow.write_letter(
        signed, cast.ruth, addressee="Dr Noe", words="Please look.", with_photos=False
    )
    draft = Draft.objects.create(submit_key=uuid.uuid4(), patient=cast.ana, pack_name=pack.name)
    slot = drafts.slots(cast.ana, draft.submit_key, pack)["main"]
    drafts.receive(
        cast.ana, draft.submit_key, slot, cases.encoded(cases.beside(phone=True), "JPEG")
    )
    alarm = Alarm.objects.create(
        version_id=world.things["version"], kind=Alarm.Kind.MISSED, case=signed
    )
    nudge = Nudge.objects.get()
    visit = Nudge.objects.get()
    visit.pk, visit.kind = uuid.uuid4(), Reminder.SEE_DOCTOR
    visit.save(force_insert=True)
    Nudge.objects.update(state=Nudge.State.TOLD, told_at=Now())
    world.things |= {
        "alarm": alarm.pk,
        "case": case.pk,
        "case_check": f"{case.pk}-check",
        "case_said": f"{case.pk}-said-1",
        "photo": case.photos.get().pk,
        "lesion": case.lesion_id,
        "share": share.pk,
        "asked": asked.pk,
        "signed": signed.pk,
        "review": signed.reviews.get().pk,
        "letter": letter.pk,
        "draft": draft.submit_key,
        "draft_photo": DraftPhoto.objects.get().pk,
        "nudge": nudge.pk,
        "visit": visit.pk,
    }


def _signed(cast: Cast) -> Case:
    case = cases.scored(cases.submitted(cast.ana), **cases.AMBER)
    workflow.read_first(case, cast.ruth, diagnosis="nv", confidence="sure", plan="recheck")
    workflow.sign(case, cast.ruth, Answer("nv", "recheck", "Harmless.", recheck_days=90))
    case.reviews.get()
    return case


def _people(world: World, cora: User) -> None:
    cast = world.cast
    people.give_consent(cora, Consent.Kind.CARE)
    dee = care.look_after(cora, "Dee Fry", Relation.CHILD)
    invited = invitations.invite(
        name="Ivo Rey", clinic=cast.north, invited_by=cast.ada, email="ivo@example.org"
    )
    message = Message.objects.filter(recipient=cast.ana).first()
    assert message is not None
    world.things |= {
        "token": tokens.make(cast.ana, Scope)[0].public_id,
        "dee": dee.pk,
        "ana": cast.ana.pk,
        "ana_public": cast.ana.public_id,
        "number": cast.ana.numbers.get().pk,
        "clinic": cast.north.pk,
        "invitation": invited.pk,
        "message": message.pk,
    }
