"""Workers killed with messages in their hands, and Valkey restarted, while messages are told."""

from __future__ import annotations

import random
from collections import Counter
from uuid import UUID

import redis
from django.db.models import QuerySet
from django.db.models.functions import Now

from benchmarks.faults.house import House
from notifications.errors import TURN
from notifications.models import Message
from notifications.waits import LEASE

WORKERS = ("io", "io-2")
ALL_THIRDS = 3  # every third time all of them at once


class Mishaps:
    """``turn`` lets happen what is due, after so many of ``total`` messages."""

    def __init__(
        self, house: House, dice: random.Random, *, total: int, kills: int, restarts: int
    ) -> None:
        self._house, self._dice = house, dice
        self._kills = [total * (number + 1) // (kills + 1) for number in range(kills)]
        self._restarts = [total * (number + 1) // (restarts + 1) for number in range(restarts)]
        self._watched: dict[UUID, UUID | None] = {}
        self.orphans: set[UUID] = set()
        self.proof: Counter[str] = Counter()

    def turn(self, told: int) -> None:
        self._count_orphans()
        if not self.proof["waited_their_turn"]:
            self.proof["waited_their_turn"] += Message.objects.filter(error_code=TURN).count()
        if self._kills and told >= self._kills[0] and _in_hand().exists():
            self._kills.pop(0)
            self._kill()
        if self._restarts and told >= self._restarts[0]:
            self._restarts.pop(0)
            server = self._house.rig.redis
            with redis.Redis.from_url(server.url()) as client:
                self.proof["keys_wiped"] += int(client.dbsize())
            self._house.kill(server.child)
            self.proof["valkey_restarted"] += 1

    def _kill(self) -> None:
        """SIGKILL. What they held is nobody's now: the lease has to run out."""
        every = self.proof["times_killed"] % ALL_THIRDS == 0
        self.proof["times_killed"] += 1
        for name in WORKERS if every else (self._dice.choice(WORKERS),):
            if self._house.rig.stack.children[name].running:
                self._house.kill(self._house.rig.stack.children[name])
                self.proof["workers_killed"] += 1
        held = dict(_in_hand().values_list("pk", "token"))
        if every:
            self.orphans |= set(held)
        else:
            self._watched |= held

    def _count_orphans(self) -> None:
        """Of what was in hand at a kill, what its worker has not settled long after it would have:
        no request takes three quarters of a lease."""
        late = _in_hand().filter(pk__in=self._watched, lease_until__lte=Now() + LEASE / 4)
        for pk, token in late.values_list("pk", "token"):
            if self._watched.pop(pk) == token:
                self.orphans.add(pk)


def _in_hand() -> QuerySet[Message]:
    """Claimed by a worker that is sending it, or should be."""
    return Message.objects.filter(token__isnull=False, state=Message.State.PENDING)
