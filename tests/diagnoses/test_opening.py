"""A photo is opened in a process that can do nothing else, and may end it and nothing else."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from PIL import Image

from diagnoses import intake
from diagnoses.opening import child, children, pixels
from mlservice.engine import poison
from tests.cases import encoded, jpeg

SAID = (
    b'{"width": %d, "height": %d, "quality": '
    b'{"focus": 9, "brightness": 9, "clipped": 0, "reasons": []}}'
)
linux = pytest.mark.skipif(sys.platform != "linux", reason="as the kernel of Linux limits")


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Iterator[children.Children]:
    """Children of this test's own, which :func:`intake.clean` asks."""
    found = children.Children()
    monkeypatch.setattr(children, "_ours", lambda: found)
    yield found
    found.close()


def poisoned(monkeypatch: pytest.MonkeyPatch, content: bytes, action: str) -> None:
    monkeypatch.setenv(poison.NAME, f"{hashlib.sha256(content).hexdigest()}:{action}")


def refused(content: bytes) -> str:
    with pytest.raises(intake.Refusal) as caught:
        intake.clean(io.BytesIO(content))
    return caught.value.code


def fork_of(parent: psutil.Process) -> psutil.Process:
    """The one that opens a photo just now, once it has done what it does first."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for fork in parent.children():
            if fork.rlimit(psutil.RLIMIT_FSIZE) == (0, 0):
                time.sleep(0.5)  # for what it does after that
                return fork
        time.sleep(0.01)
    pytest.fail("nothing was forked")


@linux
@pytest.mark.parametrize("action", ["crash", "loop", "memory"])
def test_a_decoder_that_ends_badly_is_a_refusal_and_the_next_photo_is_taken(
    own: children.Children, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    poisoned(monkeypatch, jpeg(2), action)
    assert intake.clean(io.BytesIO(jpeg(1))).width == 600
    first = own.pid
    started = time.monotonic()
    assert refused(jpeg(2)) == "over_limits"
    assert time.monotonic() - started < child.SECONDS + 2
    assert intake.clean(io.BytesIO(jpeg(3))).width == 600
    assert own.pid == first, "a fork ended, not the process it comes from"


def test_a_process_that_does_not_answer_is_not_waited_for(
    own: children.Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "SECONDS", 0.0)
    monkeypatch.setattr(children, "_GRACE", 0.5)
    own.warm_up()
    assert own.pid
    os.kill(own.pid, signal.SIGSTOP)
    try:
        assert refused(jpeg(2)) == "over_limits"
    finally:
        os.kill(own.pid, signal.SIGCONT)


def test_a_fork_that_sleeps_is_ended_when_its_time_is_over() -> None:
    """No limit on the processor ends it."""
    fork = os.fork()
    if not fork:
        time.sleep(60)
        os._exit(0)
    running = {fork: time.monotonic() + 0.3}
    child._bury(running)
    assert running, "its time is not over yet"
    time.sleep(0.4)
    deadline = time.monotonic() + 5
    while running and time.monotonic() < deadline:
        child._bury(running)
    assert not running


def test_a_process_that_is_gone_is_started_again(own: children.Children) -> None:
    assert intake.clean(io.BytesIO(jpeg(1))).width == 600
    assert own.pid
    psutil.Process(own.pid).kill()
    psutil.Process(own.pid).wait(5)
    assert intake.clean(io.BytesIO(jpeg(1))).width == 600


def test_where_none_can_be_started_people_are_told_to_come_again(
    own: children.Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert refused(jpeg(1)) == "not_now"
    monkeypatch.undo()


@linux
def test_what_opens_a_photo_can_open_nothing_else(
    own: children.Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its environment holds no key, and neither a file nor a socket is to be had."""
    poisoned(monkeypatch, jpeg(2), "loop")
    monkeypatch.setenv("SECRET_KEY", "PLANTED")
    own.warm_up()
    assert own.pid
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(refused, jpeg(2))
        fork = fork_of(psutil.Process(own.pid))
        assert "SECRET_KEY" not in fork.environ()
        assert not {name for name in fork.environ() if name.startswith(("DATABASE", "REDIS"))}
        taken = {int(path.name) for path in Path(f"/proc/{fork.pid}/fd").iterdir()}
        most, _hard = fork.rlimit(psutil.RLIMIT_NOFILE)
        assert set(range(most)) <= taken, "a number is free for another file"
        assert fork.rlimit(psutil.RLIMIT_FSIZE) == (0, 0)
        assert fork.rlimit(psutil.RLIMIT_CORE) == (0, 0)
        assert fork.rlimit(psutil.RLIMIT_CPU)[0] == child.PROCESSOR_SECONDS
        grown = fork.rlimit(psutil.RLIMIT_AS)[0] - fork.memory_info().vms
        assert 0 < grown <= child.MEMORY
        fork.kill()
        assert waiting.result(timeout=60) == "over_limits"


@linux
def test_not_even_a_number_that_was_given_back_is_free() -> None:
    """What a decoder that was taken over would try first."""
    fork = os.fork()
    if not fork:
        child._limit()
        os.close(0)
        taken = 0
        for take in (lambda: os.open("/", os.O_RDONLY), socket.socket, lambda: os.dup(1)):
            with suppress(OSError):
                take()
                taken += 1
        os._exit(taken)
    assert os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]) == 0


@linux
def test_forks_end_with_the_process_they_come_from(
    own: children.Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    poisoned(monkeypatch, jpeg(2), "loop")
    own.warm_up()
    assert own.pid
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(refused, jpeg(2))
        parent = psutil.Process(own.pid)
        fork = fork_of(parent)
        parent.kill()
        psutil.wait_procs([fork], timeout=30)
        assert not fork.is_running() or fork.status() == psutil.STATUS_ZOMBIE
        assert waiting.result(timeout=60) == "over_limits"


def test_large_pictures_are_opened_one_at_a_time_and_small_ones_wait_for_nobody() -> None:
    """Ten of 49 megapixels sent together once took ten gigabytes."""
    in_turn: list[str] = []

    class Turn:
        def __enter__(self) -> None:
            in_turn.append("began")

        def __exit__(self, *_: object) -> None:
            in_turn.append("ended")

    large = encoded(Image.new("RGB", (4200, 4200), "pink"), "JPEG").getvalue()
    assert pixels.opened(jpeg(1), turn=Turn).width == 600
    assert in_turn == []
    assert pixels.opened(large, turn=Turn).width == 4096
    assert in_turn == ["began", "ended"]


@linux
def test_a_turn_is_one_forks_at_a_time_and_ends_with_it(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as large:
        held, go = os.pipe()
        fork = os.fork()
        if not fork:
            with child._turn(large):
                os.write(go, b"!")
                time.sleep(60)
            os._exit(0)
        os.read(held, 1)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(lambda: child._turn(large).__enter__())
            time.sleep(0.3)
            assert not waiting.done()
            os.kill(fork, signal.SIGKILL)
            os.waitpid(fork, 0)
            waiting.result(timeout=5)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"no json\n",
        b"[]\n",
        b'{"width": 600, "height": 450}\n\xff\xd8\xff',
        SAID % (99999, 450) + b"\n\xff\xd8\xff",
        SAID % (600, 450) + b"\n<script>alert(1)</script>",
        b'{"width": "x", "height": 450, "quality": {}}\n\xff\xd8\xff',
        b'{"code": "__class__"}\n',
        b"[" * 100_000,
    ],
)
def test_an_answer_that_nobody_who_means_well_would_give_is_none(
    monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    monkeypatch.setattr(children, "_exchange", lambda *_: answer)
    assert refused(jpeg(1)) == "over_limits"


def test_a_question_and_its_answer_come_across_whole(tmp_path: Path) -> None:
    from mlservice.packs import load_pack

    glance = load_pack("skin").glance
    with (tmp_path / "large").open("wb") as large:
        answer = child.answer(child.asked(jpeg(1), glance), large)
    here = pixels.opened(jpeg(1), glance)
    there = children._understood(answer)
    assert (there.content, there.width, there.height) == (here.content, 600, 450)
    assert there.quality.as_dict() == here.quality.as_dict()
