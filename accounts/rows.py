"""How a person's row is changed: held while it is looked at, and nothing of it overwritten."""

from __future__ import annotations

from django.db.models import F
from django.utils.translation import gettext as _

from accounts.models import ApiToken, User


class PeopleError(Exception):
    """This may not be done; ``str(error)`` says why."""


def lock(user: User) -> User:
    """The row as it is now, held until the transaction ends; rows pointing at it stay free."""
    return User.objects.select_for_update(no_key=True).get(pk=user.pk)


def hold(by: User, user: User) -> tuple[User, User]:
    """Both rows as they are now, held until the transaction ends: who acts, and on whom.

    Raises :class:`PeopleError` unless ``by`` is, at this moment, an admin for ``user``. Two admins
    who act on each other wait for one another, in the order of their rows; the second one then
    finds what the first has made of them, so one of them is always left.
    """
    rows = User.objects.select_for_update(no_key=True).filter(pk__in=(by.pk, user.pk))
    held = {row.pk: row for row in rows.order_by("pk")}
    admin, person = held[by.pk], held[user.pk]
    if not manages(admin, person):
        raise PeopleError(_("You are not an admin for %(name)s.") % {"name": person})
    return admin, person


def manages(admin: User, person: User) -> bool:
    """``User.objects.managed_by`` for one person."""
    return admin.is_admin and admin.clinic_id in (None, person.clinic_id)


def change(user: User, **fields: object) -> None:
    """Update the row and the caller's copy, and no field the caller may have changed unsaved."""
    User.objects.get_queryset().filter(pk=user.pk).update(**fields)
    user.refresh_from_db(fields=list(fields))


def end_sessions(user: User) -> None:
    """Nobody who is logged in as ``user`` now is so any longer, by no session and by no token."""
    change(user, session_epoch=F("session_epoch") + 1)
    end_tokens(user)


def end_tokens(user: User) -> None:
    """No program goes on as ``user``: what they may do needs a second factor from now on."""
    ApiToken.objects.filter(user=user).delete()


def about(user: User) -> str:
    """How the audit trail calls them."""
    return f"user:{user.pk}"
