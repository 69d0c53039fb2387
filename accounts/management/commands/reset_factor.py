"""``manage.py reset_factor``: the way back in for an only admin who has lost their second step."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import second_factor
from accounts.models import ResetReason, User


class Command(BaseCommand):
    help = (
        "Take somebody's second step away. They set up a new one when they log in next; every "
        "session and token of theirs ends, and they are told by e-mail."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")

    def handle(self, *_args: Any, email: str, **_options: Any) -> None:
        user = User.objects.filter(email=email.strip().lower()).first()
        if user is None:
            raise CommandError("Nobody logs in with this address.")
        if not second_factor.forget(user, None, ResetReason.LOST):
            raise CommandError("They have no second step.")
        self.stdout.write("Done. They set up a new one when they log in next.")
