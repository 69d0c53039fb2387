"""A whole portal to measure: servers with fsync on, people, pictures, and processes to start.

The benchmark process sets Django up on the same database, so that it can fill the queue and read
what became of it; the web server and the workers are processes of their own, as in production.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from uuid import uuid4

import psutil
from PIL import Image

from mlservice.packs.skin.drawing import draw
from portal.machine import processes
from portal.machine.servers import Postgres, Redis
from portal.machine.stack import Stack

SMALL, LARGE = (600, 450), (4000, 3000)  # HAM10000's, and a phone's 12 megapixels
KINDS = ("nv", "mel", "bkl", "vasc", "bcc", "df", "akiec")
PASSWORD = "benchmarks-only-0"  # noqa: S105 - of people that live as long as the benchmark


def drawn(count: int, size: tuple[int, int] = SMALL, quality: int = 90) -> list[bytes]:
    """``count`` different JPEGs of drawn marks, of ``size`` pixels, sharp enough to be taken."""
    files = []
    for number in range(count):
        buffer = io.BytesIO()
        picture = draw(number + 1, kind=KINDS[number % len(KINDS)], size=(1200, 900))
        picture.resize(size, Image.Resampling.LANCZOS).save(buffer, "JPEG", quality=quality)
        files.append(buffer.getvalue())
    return files


@dataclass(frozen=True, slots=True)
class Sender:
    """A patient who submits, with the token for it."""

    email: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Token {self.token}"}


class Rig:
    """A context manager. ``with Rig() as rig: rig.stack.start("web", "inference")``."""

    def __init__(self, **env: str) -> None:
        """``env`` goes on top of the environment that every benchmark has."""
        self._env = env
        self.folder = Path(tempfile.mkdtemp(prefix="lentigo-bench-"))
        self.logs = self.folder / "logs"
        self.postgres = Postgres(self.folder / "pg", self.logs)
        self.redis = Redis(self.folder / "redis", self.logs)
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        self._closing.callback(shutil.rmtree, self.folder, ignore_errors=True)
        for server in (self.postgres, self.redis):
            self._closing.callback(server.stop)
            server.start()
        env = self._environment()
        os.environ.update(env)
        self._prepare()
        self.stack = Stack(self.logs, env)
        self._closing.callback(self.stack.stop)
        return self

    def __exit__(self, *_: object) -> None:
        from django.db import connections

        connections.close_all()
        self._closing.close()

    def _environment(self) -> dict[str, str]:
        return {
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "PYTHONUNBUFFERED": "1",
            "DEBUG": "0",
            "SECRET_KEY": "of-a-benchmark-that-nobody-else-can-reach-0123456789",
            "DATABASE_URL": self.postgres.url(),
            "REDIS_URL": self.redis.url(),
            "DATA_DIR": str(self.folder),
            "MEDIA_ROOT": str(self.folder / "media"),
            "STATIC_ROOT": str(self.folder / "static"),
            "EMAIL_URL": f"filemail:///{self.folder / 'mail'}",
            "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
            "TWILIO_AUTH_TOKEN": "0" * 32,
            "TWILIO_WHATSAPP_FROM": "+15005550006",
            "QUIET_HOURS": "",
            "UPLOADS_PER_DAY": "0",  # few senders stand for many
            "UPLOAD_MB_PER_DAY": "0",
            **self._env,
        }

    def _prepare(self) -> None:
        import django

        for step in (("migrate",), ("createcachetable",), ("collectstatic",), ("register_model",)):
            more = ("--noinput",) if step[0] in {"migrate", "collectstatic"} else ()
            subprocess.run(processes.command(("django", *step, *more, "--verbosity=0")), check=True)
        django.setup()

    def senders(self, count: int) -> list[Sender]:
        """New patients who agreed to everything. Many, because each may send 120 cases a minute."""
        from accounts import people, tokens
        from accounts.models import Scope, User
        from accounts.wording import ASKED_ON_SENDING

        found = []
        clinic = people.default_clinic()
        first = User.objects.count()
        for number in range(first, first + count):
            email = f"sender{number}@bench.lentigo"
            user = User.objects.create_user(email=email, password=PASSWORD, clinic=clinic)
            for kind in ASKED_ON_SENDING:
                people.give_consent(user, kind)
            found.append(Sender(email, tokens.make(user, Scope)[1]))
        return found

    def queue(
        self,
        sender: Sender,
        photos: Sequence[bytes],
        count: int,
        answers: Callable[[int], Mapping[str, str]] = lambda _number: {},
    ) -> list[str]:
        """Submit ``count`` cases of one dermoscopic photo each, in turn; the paths of the same
        photos as they are, for a loop that opens nothing sealed.

        ``answers`` are those of each case, by its number. Through the workflow, not over HTTP:
        what is measured begins with a filled queue.
        """
        from accounts.models import User
        from diagnoses import intake, workflow
        from mlservice.packs import load_pack

        patient = User.objects.get(email=sender.email)
        glance = load_pack("skin").glance
        clean = [intake.clean(io.BytesIO(content), glance) for content in photos]
        raw, paths = self.folder / "raw", []
        raw.mkdir(exist_ok=True)
        for number in range(count):
            photo = workflow.NewPhoto("dermoscopic", clean[number % len(clean)])
            submission = workflow.Submission(
                pack_name="skin",
                site="back",
                photos=[photo],
                answers=answers(number),
                submit_key=uuid4(),
            )
            case = workflow.submit(patient, submission)
            paths.append(str(raw / f"{case.pk}.jpg"))
            Path(paths[-1]).write_bytes(photo.photo.content)
        return paths

    def processor_seconds(self) -> dict[str, float]:
        """Processor time used so far by each part: what a throughput is made of."""
        parts = {name: child for name, child in self.stack.children.items() if child.running}
        parts["postgres"] = self.postgres.child
        found: dict[str, float] = {}
        for name, child in parts.items():
            process = psutil.Process(child.pid)
            found[name] = _used(process)
            inside = "backends" if name == "postgres" else "decoders"
            found[f"{name} {inside}"] = sum(_used(one) for one in process.children(recursive=True))
        return found


def _used(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:  # it ended between two looks
        return 0.0
    return float(times.user + times.system)


class RawLoop:
    """The reference: decode, resize, the same forwards for each picture, and nothing around them.

    No Django, no PostgreSQL, no Celery; in this process, on all cores.
    """

    def __init__(self) -> None:
        from mlservice.engine import Bundle, open_predictor, shipped

        self.bundle = Bundle.load(shipped("skin"))
        self.predictor = open_predictor(self.bundle, "cpu")

    def seconds(self, paths: Sequence[str]) -> float:
        """How long it takes for these files, one after the other."""
        from mlservice.engine import prepare
        from mlservice.engine.assess import views

        started = time.perf_counter()
        for path in paths:
            picture = prepare(Path(path), self.bundle.side)
            self.predictor.predict(views([picture], self.bundle.fields))
        return time.perf_counter() - started


def committed() -> int:
    """How many predictions there are."""
    from diagnoses.models import Prediction

    return Prediction.objects.count()


def seconds_until(predictions: int, limit: float = 600.0) -> float:
    """Wait until that many predictions are committed; how long it took, to a twentieth.

    Asked more often, the asking itself would take a twentieth of a core from what is measured.
    """
    started = time.perf_counter()
    while committed() < predictions:
        if time.perf_counter() - started > limit:
            raise TimeoutError(f"{committed()} of {predictions} predictions in {limit:.0f} s")
        time.sleep(0.05)
    return time.perf_counter() - started
