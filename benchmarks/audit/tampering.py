"""What can be done to the trail's tables with every right. Import once Django is set up."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection, transaction
from django.test.utils import override_settings

from accounts import audit, chain
from accounts.models import AuditEntry, AuditLink, User

AWAY: Final = 10**12  # a place nobody has


@dataclass(frozen=True, slots=True)
class Trail:
    """Lines by their keys, as they were linked, and the seals that are kept elsewhere."""

    keys: list[int]
    seals: list[chain.Seal]

    @classmethod
    def made(cls, lines: int) -> Trail:
        """A trail of ``lines`` more lines than there are, linked, and sealed half way and whole."""
        actors = [User.objects.create_user(f"a{n}@bench.lentigo", None, name="A") for n in range(5)]
        seals = []
        for half in (0, 1):
            for number in range(lines // 2):
                audit.record(
                    ("case.viewed", "photo.viewed", "case.signed")[number % 3],
                    actor=actors[number % len(actors)] if number % 7 else None,
                    about=f"case:{half}-{number}",
                    photo=number, share=0.1 + number, words=["é", None, True],
                )  # fmt: skip
            kept = chain.keep_seal()
            seals += [kept] if kept else []
        return cls(list(AuditEntry.objects.order_by("pk").values_list("pk", flat=True)), seals)

    def verdict(self) -> chain.Verdict:
        return chain.verify(self.seals)

    def tampered(self, name: str, dice: random.Random) -> bool:
        """Whether ``verify`` finds what ``KINDS[name]`` did. All of it is undone."""
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL session_replication_role = replica")  # no trigger fires
                KINDS[name](self, cursor, dice)
            found = bool(self.verdict().faults)
            transaction.set_rollback(True)
        return found

    def one(self, dice: random.Random) -> int:
        return dice.choice(self.keys)


def _set(column: str, value: Callable[[random.Random], Any]) -> Callable[..., None]:
    def tamper(trail: Trail, cursor: Any, dice: random.Random) -> None:
        cursor.execute(
            f"UPDATE accounts_auditentry SET {column} = %s WHERE id = %s",  # noqa: S608 - ours
            [value(dice), trail.one(dice)],
        )

    return tamper


def _shift(trail: Trail, cursor: Any, dice: random.Random) -> None:
    by = f"{dice.randint(1, 10**9)} microseconds"
    cursor.execute(
        "UPDATE accounts_auditentry SET at = at - %s::interval WHERE id = %s", [by, trail.one(dice)]
    )


def _swap(trail: Trail, cursor: Any, dice: random.Random) -> None:
    """Two lines change what they say, and keep their keys and places."""
    one, other = dice.sample(trail.keys, 2)
    cursor.execute(
        "UPDATE accounts_auditentry a SET about = b.about, detail = b.detail, action = b.action, "
        "actor_id = b.actor_id, at = b.at FROM accounts_auditentry b "
        "WHERE (a.id, b.id) IN ((%s, %s), (%s, %s))",
        [one, other, other, one],
    )


def _take_out(trail: Trail, cursor: Any, dice: random.Random) -> None:
    key = trail.one(dice)
    if dice.random() < 0.5:
        cursor.execute("DELETE FROM accounts_auditlink WHERE entry_id = %s", [key])
    cursor.execute("DELETE FROM accounts_auditentry WHERE id = %s", [key])


def _take_out_and_close_up(trail: Trail, cursor: Any, dice: random.Random) -> None:
    """And those after it move up, so that no place is empty."""
    key = trail.one(dice)
    cursor.execute("DELETE FROM accounts_auditlink WHERE entry_id = %s RETURNING position", [key])
    [place] = cursor.fetchone()
    cursor.execute("DELETE FROM accounts_auditentry WHERE id = %s", [key])
    cursor.execute(
        "UPDATE accounts_auditlink SET position = position + %s WHERE position > %s", [AWAY, place]
    )
    cursor.execute(
        "UPDATE accounts_auditlink SET position = position - %s - 1 WHERE position > %s",
        [AWAY, AWAY],
    )


def _cut_off(trail: Trail, cursor: Any, dice: random.Random) -> None:
    """The tail, lines and links: the chain that is left is whole."""
    cursor.execute(
        "DELETE FROM accounts_auditlink WHERE position > %s RETURNING entry_id",
        [dice.randrange(len(trail.keys))],
    )
    keys = [key for (key,) in cursor.fetchall()]
    cursor.execute("DELETE FROM accounts_auditentry WHERE id = ANY(%s)", [keys])


def _put_in(_trail: Trail, cursor: Any, dice: random.Random) -> None:
    """A line of another day, that nobody wrote."""
    cursor.execute(
        "INSERT INTO accounts_auditentry (at, action, about, detail) "
        "VALUES (now() - %s::interval, 'case.signed', 'case:1', '{}')",
        [f"{dice.randint(1, 10_000)} hours"],
    )


def _put_in_and_swept(trail: Trail, cursor: Any, dice: random.Random) -> None:
    """The same, and the sweep has linked it like any other line."""
    _put_in(trail, cursor, dice)
    chain.seal()


def _put_in_linked(trail: Trail, cursor: Any, dice: random.Random) -> None:
    """The same, with a place at the end of the chain and a digest that looks like one."""
    _put_in(trail, cursor, dice)
    cursor.execute(
        "INSERT INTO accounts_auditlink (position, entry_id, sealed_at, digest) "
        "SELECT (SELECT max(position) + 1 FROM accounts_auditlink), max(id), now(), %s "
        "FROM accounts_auditentry",
        [f"{dice.getrandbits(256):064x}"],
    )


def _another_digest(trail: Trail, cursor: Any, dice: random.Random) -> None:
    cursor.execute(
        "UPDATE accounts_auditlink SET digest = %s WHERE entry_id = %s",
        [f"{dice.getrandbits(256):064x}", trail.one(dice)],
    )


def _another_moment(trail: Trail, cursor: Any, dice: random.Random) -> None:
    by = f"{dice.randint(1, 10**6)} seconds"
    cursor.execute(
        "UPDATE accounts_auditlink SET sealed_at = sealed_at - %s::interval WHERE entry_id = %s",
        [by, trail.one(dice)],
    )


def _linked_anew(trail: Trail, cursor: Any, dice: random.Random) -> None:
    """A line is changed, and the chain made again from there on, with a key of their own."""
    key = trail.one(dice)
    cursor.execute("UPDATE accounts_auditentry SET about = 'case:2' WHERE id = %s", [key])
    link = AuditLink.objects.get(entry=key)
    before = AuditLink.objects.filter(position=link.position - 1).values_list("digest", flat=True)
    last = next(iter(before), "0" * 64)
    with override_settings(AUDIT_KEY=f"{dice.getrandbits(64)}"):
        for one in AuditLink.objects.filter(position__gte=link.position).select_related("entry"):
            last = chain.digest(one.entry, one.position, last, one.sealed_at)
            cursor.execute(
                "UPDATE accounts_auditlink SET digest = %s WHERE position = %s",
                [last, one.position],
            )


def _all_gone(_trail: Trail, cursor: Any, _dice: random.Random) -> None:
    cursor.execute("DELETE FROM accounts_auditlink")
    cursor.execute("DELETE FROM accounts_auditentry")


KINDS: Final[Mapping[str, Callable[[Trail, Any, random.Random], None]]] = {
    "another moment of a line": _shift,
    "another person": _set("actor_id", lambda dice: 10**6 + dice.randrange(10**6)),
    "another action": _set("action", lambda dice: f"case.other{dice.randrange(99)}"),
    "about something else": _set("about", lambda dice: f"case:x{dice.randrange(10**6)}"),
    "another detail": _set("detail", lambda dice: json.dumps({"photo": dice.random()})),
    "two lines change places": _swap,
    "a line taken out": _take_out,
    "a line taken out, and the chain closed up": _take_out_and_close_up,
    "the tail cut off": _cut_off,
    "a line of another day put in": _put_in,
    "a line of another day put in, and linked by the sweep": _put_in_and_swept,
    "a line put in, with a place": _put_in_linked,
    "another digest": _another_digest,
    "another moment of a link": _another_moment,
    "a line changed, and the chain made anew with another key": _linked_anew,
    "everything taken away": _all_gone,
}
