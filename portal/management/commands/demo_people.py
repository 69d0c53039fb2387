"""The demo's people. Refuses to run outside of the demo: everyone there has the same password."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from accounts import care, people, second_factor
from accounts.models import Clinic, Consent, ContactNumber, Relation, Role, User
from portal import demo


class Command(BaseCommand):
    help = "Make the demo's clinics and people. Running it again changes nothing."

    def handle(self, *_: Any, verbosity: int, **__: Any) -> None:
        if not settings.DEMO:
            raise CommandError(
                "These people all have a published password, so they are made only in the demo "
                "(DEMO=1). Use createsuperuser and invitations instead."
            )
        make_people()
        if verbosity:
            for person in demo.LOGINS:
                self.stdout.write(
                    f"{person.what:<26}{person.name:<17}{person.email:<23}{demo.PASSWORD}"
                )


@transaction.atomic
def make_people() -> None:
    """Everyone of `portal.demo.PEOPLE`: made where missing, otherwise left as they are."""
    clinics = {
        name: Clinic.objects.get_or_create(name=name)[0]
        for name in (demo.CLINIC, demo.SECOND_CLINIC)
    }
    for person in sorted(demo.PEOPLE, key=lambda who: who.role != Role.ADMIN):
        if not User.objects.filter(email=person.email).exists():
            _make(person, clinics[person.clinic])
    for user in User.objects.filter(email__in=[who.email for who in demo.LOGINS]):
        if second_factor.must_have(user):
            second_factor.give_app(user, demo.SECRET)
    child = care.look_after(User.objects.get(email=demo.PATIENT.email), demo.CHILD, Relation.CHILD)
    for kind in (Consent.Kind.CARE, Consent.Kind.COMPUTER_CHECK):
        people.give_consent(child, kind)


def _make(person: demo.Person, clinic: Clinic) -> None:
    if person.role == Role.ADMIN:
        user = User.objects.create_superuser(person.email, demo.PASSWORD, name=person.name)
    else:
        user = User.objects.create_user(person.email, demo.PASSWORD, name=person.name)
    agreed = [Consent.Kind.MESSAGES]
    if person.role == Role.PATIENT:
        User.objects.filter(pk=user.pk).update(clinic=clinic)
        agreed += [Consent.Kind.CARE, Consent.Kind.COMPUTER_CHECK]
        if person in demo.RESEARCHED:
            agreed.append(Consent.Kind.RESEARCH)
    elif person.role == Role.DOCTOR:
        people.make_doctor(user, clinic)
        people.verify_doctor(user, by=User.objects.get(email=demo.ADMIN.email))
    for kind in agreed:
        people.give_consent(user, kind)
    number = people.add_number(user, person.e164, opt_in=True)
    people.confirm_number(user, number, ContactNumber.Proof.CODE)
