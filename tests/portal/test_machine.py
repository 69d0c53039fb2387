"""``make demo`` for real: started, used, refused a second time, stopped, started again, killed."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest
import requests

from portal import demo
from portal.machine import house, processes
from portal.machine.child import Child, StartError
from portal.machine.servers import free_port, wait_until
from portal.machine.supervisor import Supervisor
from tests.cases import jpeg
from tests.factor import code_with
from tests.plugin import OUTSIDE
from tests.stack import eventually, get

ROOT = Path(__file__).resolve().parents[2]
READY = "Ctrl-C stops everything"


class Demo:
    """One run of the command, and what it printed."""

    def __init__(self, folder: Path, port: int, *more: str) -> None:
        self.folder = folder
        self.output = folder.parent / f"output-{time.monotonic_ns()}"
        own = {"DATABASE_URL", "REDIS_URL", "TWILIO_ACCOUNT_SID", "EMAIL_URL", "SECRET_KEY"}
        environment = {k: v for k, v in OUTSIDE.items() if k not in own}
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                processes.command(("portal.machine", "up", "--port", str(port), *more)),
                env=environment | {"DATA_DIR": str(folder)},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self.output.read_text()

    def wait_until_running(self) -> str:
        """Its address, once it says that it is running."""
        eventually(lambda: READY in self.said or self.process.poll() is not None, 120, "starting")
        assert READY in self.said, self.said
        return self.said.split("Open", 1)[1].split()[0]

    def end(self) -> None:
        """However the test went, nothing of it goes on."""
        self.process.terminate()
        self.process.wait(60)

    def left_behind(self) -> list[str]:
        """Every process that was given this demo's folder and is still there."""
        found = []
        for process in psutil.process_iter():
            try:
                alive = process.status() != psutil.STATUS_ZOMBIE
                if alive and str(self.folder) in " ".join(
                    [process.environ().get("DATA_DIR", ""), *process.cmdline()]
                ):
                    found.append(" ".join(process.cmdline()))
            except psutil.Error:
                continue
        return found


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    """Start a demo with its data in ``tmp_path / "data"``; ended with the test."""
    with ExitStack() as stack:

        def start(port: int, *more: str) -> Demo:
            started = Demo(tmp_path / "data", port, *more)
            stack.callback(started.end)
            return started

        yield start


def test_a_demo_starts_is_used_stops_and_starts_again_with_its_data(
    tmp_path: Path, run: Callable[..., Demo]
) -> None:
    folder, port = tmp_path / "data", free_port()
    first = run(port, "--cases", "2")
    address = first.wait_until_running()
    assert address == f"http://localhost:{port}"
    assert get(f"{address}/").status_code == 200
    ready = get(f"{address}/readyz").json()
    assert (ready["status"], ready["reasons"], ready["broker"]) == ("ready", [], "answers")
    eventually(lambda: get(f"{address}/readyz").json()["inference_workers"] == 2)
    assert demo.PATIENT.email in first.said
    # Those asked for, the mark with a past, then and now, the one to be reminded of, the child's
    # mark and two X-rays.
    token = _token_of_the_doctor(address)
    assert _cases_of_the_doctor(address, token) == 11
    said = _submit(folder, tmp_path)
    assert re.search(r"accepted \d+ ms  predicted \d+ ms  messages sent \d+ ms", said), said
    assert _cases_of_the_doctor(address, token) == 12

    second = run(port)
    assert second.process.wait(30) == 1
    assert f"running already, at {address}" in second.said

    first.process.send_signal(signal.SIGINT)
    assert first.process.wait(60) == 0, first.said
    assert first.said.rstrip().endswith(f"The data stays in {folder}.")
    assert first.left_behind() == []

    with socket.socket() as other_program:
        other_program.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # its last talks linger
        other_program.bind(("127.0.0.1", port))
        other_program.listen()
        again = run(port, "--cases", "2")
        address = again.wait_until_running()
    assert f"Port {port} is taken" in again.said
    assert address != f"http://localhost:{port}"
    assert _cases_of_the_doctor(address, token) == 12

    _kill_child(again, "postgres")
    eventually(lambda: _is_ready(address), 60, "coming back after the database was killed")
    assert _cases_of_the_doctor(address, token) == 12

    again.process.kill()
    again.process.wait(10)
    if sys.platform == "linux":  # elsewhere no kernel tells a child that its parent died
        eventually(lambda: not again.left_behind(), 30, "ending what a killed demo leaves")


def _submit(folder: Path, place: Path) -> str:
    """``manage.py submit`` beside the running demo, which it finds by its data folder."""
    photo = place / "mark.jpg"
    photo.write_bytes(jpeg(3))
    environment = {k: v for k, v in OUTSIDE.items() if k != "DATABASE_URL"}
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "submit", str(photo), "--as", demo.PATIENT.email],
        env=environment | {"DATA_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _kill_child(run: Demo, name: str) -> None:
    """SIGKILL to a server of the demo's, and see that the portal notices."""
    children = psutil.Process(run.process.pid).children()
    next(child for child in children if child.name().startswith(name)).kill()
    eventually(lambda: f"{name} ended" in run.said, 10, "noticing")


def _is_ready(address: str) -> bool:
    with suppress(requests.RequestException):
        return get(f"{address}/readyz").ok
    return False


def _token_of_the_doctor(address: str) -> str:
    """As a doctor's own program would get one, with the code that the demo's page shows."""
    code = code_with(demo.SECRET)
    login = {"email": demo.DOCTOR.email, "password": demo.PASSWORD, "code": code}
    token = requests.post(f"{address}/api/v1/auth/token/", json=login, timeout=10)
    assert token.status_code == 200, token.text
    given: str = token.json()["token"]
    return given


def _cases_of_the_doctor(address: str, token: str) -> int:
    """Through the API."""
    head = {"Authorization": f"Token {token}"}
    answer = requests.get(f"{address}/api/v1/cases", headers=head, timeout=10)
    assert answer.status_code == 200, answer.text
    return len(answer.json()["results"])


def test_a_folder_that_is_not_there_is_said_before_anything_starts(
    tmp_path: Path, run: Callable[..., Demo]
) -> None:
    refused = run(free_port(), "--photos", str(tmp_path / "nowhere"))
    assert refused.process.wait(30) == 2
    assert "nowhere is not a folder" in refused.said
    assert not (tmp_path / "data").exists()


def test_an_address_of_another_machine_is_refused_with_a_sentence() -> None:
    with pytest.raises(StartError, match="not an address of this machine"):
        house.choose_addresses("192.0.2.7", free_port(), asked=True)


def test_a_secret_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    secret = house.kept_secret(tmp_path, "secret-key")
    assert house.kept_secret(tmp_path, "secret-key") == secret
    assert len(secret) >= 50
    assert (tmp_path / "secret-key").stat().st_mode & 0o077 == 0


def test_real_twilio_credentials_leave_no_room_for_the_stand_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses = house.Addresses("127.0.0.1", 8000, 8001)
    monkeypatch.delenv("TWILIO_ACCOUNT_SID")
    local = house.environment(tmp_path, addresses, "postgresql:///x", "redis://x")
    assert local["TWILIO_API_BASE"] == "http://127.0.0.1:8001"
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", "AC1")
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "token")
    real = house.environment(tmp_path, addresses, "postgresql:///x", "redis://x")
    assert not any(name.startswith("TWILIO_") for name in real)


def test_the_supervisor_starts_a_dead_child_again_and_a_broken_one_ever_more_slowly(
    tmp_path: Path,
) -> None:
    lines: list[str] = []
    steady = Child("steady", ["sleep", "60"], tmp_path / "steady.log")
    broken = Child("broken", ["false"], tmp_path / "broken.log")
    supervisor = Supervisor(lines.append)
    supervisor.add(steady, broken)
    first = steady.pid
    assert first
    os.kill(first, signal.SIGKILL)

    def both_seen() -> bool:
        supervisor.look()
        waits = [line for line in lines if "broken" in line]
        return steady.running and steady.pid != first and any("1.0 s" in line for line in waits)

    eventually(both_seen, what="starting them again")
    supervisor.stop()
    assert not steady.running
    assert [line for line in lines if "steady" in line] == [
        f"steady ended (exit -9) and is started again. See {steady.log}"
    ]


def test_a_child_that_ends_while_starting_is_quoted(tmp_path: Path) -> None:
    child = Child("talker", ["sh", "-c", "echo no disk left; exit 3"], tmp_path / "talker.log")
    child.start()
    with pytest.raises(StartError, match="talker ended while starting:\nno disk left"):
        wait_until(lambda: False, child)


def test_a_child_that_does_not_listen_is_killed_with_its_own_children(tmp_path: Path) -> None:
    script = "trap '' TERM; sleep 60 & echo started; wait; wait"
    child = Child("deaf", ["sh", "-c", script], tmp_path / "deaf.log")
    child.start()
    eventually(lambda: "started" in child.last_words(), what="starting")
    grandchildren = psutil.Process(child.pid).children(recursive=True)
    child.stop(seconds=0.3)
    assert not child.running
    assert psutil.wait_procs(grandchildren, timeout=5)[1] == []
