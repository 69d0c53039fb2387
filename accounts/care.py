"""Looking after somebody without a login: a child, an older relative. Their carer acts for them.

They are a patient like any other, with cases, marks and consents of their own; whatever is done for
them is written down as done by the carer, and what is written to them goes to the carer.
"""

from __future__ import annotations

import uuid

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.audit import record
from accounts.models import NO_LOGIN_DOMAIN, Relation, User
from accounts.people import PeopleError

# More than a family: by then it is a house that should be a clinic of its own.
MOST = 10


def people_of(carer: User) -> list[User]:
    """Whom ``carer`` looks after, in the order they were written down."""
    return list(carer.cared_for.select_related("carer", "clinic").order_by("pk"))


@transaction.atomic
def look_after(carer: User, name: str, relation: Relation) -> User:
    """Write down somebody whom ``carer`` decides for. The same name again is the same person.

    Raises :class:`PeopleError` where there are :data:`MOST` already, or one may not do this.
    """
    held = User.objects.get_queryset().select_for_update(no_key=True).get(pk=carer.pk)
    if not held.is_patient or held.carer_id is not None:
        raise PeopleError(_("Only patients look after somebody here."))
    known = held.cared_for.filter(name__iexact=name).first()
    if known is not None:
        return known
    if held.cared_for.count() >= MOST:
        raise PeopleError(_("You can look after %(most)s people at most.") % {"most": MOST})
    person = User.objects.create_user(
        f"{uuid.uuid4()}@{NO_LOGIN_DOMAIN}",
        name=name,
        carer=held,
        relation=relation,
        clinic=held.clinic,
    )
    record("person.looked_after", actor=carer, about=f"user:{person.pk}", relation=relation.value)
    return person


@transaction.atomic
def describe(person: User, name: str, relation: Relation) -> None:
    """Mend the name or the relation of somebody who is looked after."""
    changed = User.objects.get_queryset().filter(pk=person.pk).exclude(name=name, relation=relation)
    if changed.update(name=name, relation=relation):
        person.refresh_from_db(fields=["name", "relation"])
        record("person.described", actor=person, about=f"user:{person.pk}")
