"""Whom there is to tell, and telling them: through the ledger, as the portal's rooms do.

What was told is kept here, apart from the database, and compared with it in the end. Import once
Django is set up.
"""

from __future__ import annotations

import random
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models.functions import Now

from accounts import people
from accounts.models import Clinic, Consent, ContactNumber, User
from benchmarks.messages import mix
from benchmarks.messages.mix import Deck
from notifications import again, invitations, ledger, verification
from notifications.errors import DAILY_LIMIT, NIGHT
from notifications.ledger import Notice
from notifications.models import Event, Message

TO_PATIENTS = (
    Event.CASE_CHECKED,
    Event.CASE_SIGNED,
    Event.CASE_AMENDED,
    Event.DOCTOR_WROTE,
    Event.RETAKE_ASKED,
    Event.REMIND_RECHECK,
)
TO_DOCTORS = (Event.CASE_TO_READ, Event.PATIENT_WROTE)
PATIENTS_SHARE, DOCTORS_SHARE = 10, 50  # one of so many messages
# Where it is fourteen hours later than here, and where it is as late.
FAR_AWAY, HERE = "Pacific/Kiritimati", "UTC"
State = Message.State
Telling = tuple[str, str, int | None]  # event, about, recipient


@dataclass
class Told:
    """What must become true: the one message of each of ``tellings``, and a code for ``codes``."""

    tellings: set[Telling] = field(default_factory=set)
    codes: set[str] = field(default_factory=set)  # numbers
    resent: Counter[str] = field(default_factory=Counter)
    abroad: set[str] = field(default_factory=set)  # numbers of who lives where it is night
    waited: int = 0  # messages that waited for the morning there
    morning: float = 0.0  # when it came, in seconds since 1970

    def __len__(self) -> int:
        return len(self.tellings) + len(self.codes)


class Teller:
    """Tells ``total`` things to people whom WhatsApp reaches."""

    def __init__(self, total: int, dice: random.Random) -> None:
        self.total = total
        self.told = Told()
        self._dice = dice
        self._deck = Deck(mix.TOLD, dice)
        self._numbers = 0
        self._tried: set[uuid.UUID] = set()
        self.clinic = people.default_clinic()
        self.admin = User.objects.create_superuser("admin@bench.lentigo")
        self.far = Clinic.objects.create(name="Far away", time_zone=FAR_AWAY)
        self.patients = [
            self._person(self.far if number % mix.ABROAD == 0 else None)
            for number in range(max(8, total // PATIENTS_SHARE))
        ]
        self.doctors = [self._doctor() for _ in range(max(4, total // DOCTORS_SHARE))]

    @property
    def done(self) -> bool:
        return len(self.told) >= self.total

    def _number(self) -> str:
        self._numbers += 1
        return f"+4477{self._numbers:08}"

    def _person(self, clinic: Clinic | None = None, *, confirmed: bool = True) -> User:
        number = self._number()
        language = self._dice.choice(("en-gb", "es"))
        person = User.objects.create_user(
            f"p{number.lstrip('+')}@bench.lentigo", clinic=clinic or self.clinic, language=language
        )
        people.give_consent(person, Consent.Kind.MESSAGES)
        if clinic == self.far:
            self.told.abroad.add(number)
        if confirmed:
            phone = people.add_number(person, number, opt_in=True)
            people.confirm_number(person, phone, ContactNumber.Proof.CODE)
        return person

    def _doctor(self) -> User:
        doctor = self._person()
        people.make_doctor(doctor, self.clinic)
        people.verify_doctor(doctor, by=self.admin)
        return doctor

    # --- Telling ----------------------------------------------------------------------------------
    def tell_some(self, count: int) -> None:
        """Tell up to ``count`` things, the news among them in one transaction."""
        notices: list[Notice] = []
        for _ in range(min(count, self.total - len(self.told))):
            drawn = self._deck.draw()
            if drawn == "invitation":
                self._invite()
            elif drawn.startswith("code"):
                self._send_code(awaited=drawn == "code_awaited")
            else:
                notices += [self._news()] * (2 if drawn == "twice" else 1)
        if not notices:
            return
        with transaction.atomic():
            ledger.tell(*notices)
        self.told.tellings |= {notice.key for notice in notices}
        if repeated := [notice for notice in notices if notices.count(notice) > 1]:
            with transaction.atomic():  # and pressed once more, later
                ledger.tell(*repeated)

    def _news(self) -> Notice:
        to_doctor = self._dice.random() < 0.3
        who = self._dice.choice(self.doctors if to_doctor else self.patients)
        event = self._dice.choice(TO_DOCTORS if to_doctor else TO_PATIENTS)
        case = uuid.UUID(int=self._dice.getrandbits(128))
        return Notice(event, who, f"case:{case}", f"/cases/{case}/")

    def _invite(self) -> None:
        made = invitations.invite(
            name="Dr New", clinic=self.clinic, invited_by=self.admin, e164=self._number()
        )
        self.told.tellings.add((Event.INVITATION, f"invitation:{made.pk}", None))

    def _send_code(self, *, awaited: bool) -> None:
        """To a number nobody has confirmed: sent by itself, or because its owner asked."""
        person, e164 = self._person(confirmed=False), self._number()
        number = people.add_number(person, e164, opt_in=awaited)
        if not awaited:
            verification.send(person, number)
        self.told.codes.add(e164)

    # --- Hours that go by -------------------------------------------------------------------------
    def rise(self) -> None:
        """Once half is told it becomes day far away, and a new one for who may send no more today:
        what waited for that is due."""
        if len(self.told) < self.total / 2:
            return
        waiting = Message.objects.unclaimed().filter(run_after__gt=Now())
        if not self.told.morning:
            self.told.waited = waiting.filter(error_code=NIGHT).count()
            self.told.morning = time.time()
            Clinic.objects.filter(pk=self.far.pk).update(time_zone=HERE)
        waiting.filter(error_code__in=(NIGHT, DAILY_LIMIT)).update(run_after=Now())

    # --- Telling again ----------------------------------------------------------------------------
    def resend_some(self) -> None:
        """Staff press "Send again" on what has failed, twice in a row; once for each message."""
        failed = Message.objects.filter(state=State.FAILED, code=None).exclude(pk__in=self._tried)
        for message in failed.select_related("link", "invitation", "recipient")[:5]:
            self._tried.add(message.pk)
            for _ in range(2):
                try:
                    again.resend(message, self.admin)
                except again.NotAgain:
                    self.told.resent["refused"] += 1
                else:
                    self.told.resent["sent again"] += 1
