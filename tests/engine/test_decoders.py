"""A picture can end the child that prepares it, and nothing else."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mlservice.engine import PictureError, prepare
from mlservice.engine.decoders import Decoders
from mlservice.packs.skin.drawing import draw

SIDE = 224


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Three different photos."""
    paths = [tmp_path / f"{number}.jpg" for number in range(3)]
    for number, path in enumerate(paths):
        draw(number).save(path, "JPEG")
    return paths


@pytest.fixture
def decoders() -> Iterator[Decoders]:
    pool = Decoders(processes=1, seconds=2)
    yield pool
    pool.close()


def poisoned(monkeypatch: pytest.MonkeyPatch, path: Path, action: str) -> None:
    content = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setenv("DECODE_POISON", f"{content}:{action}")


def test_children_prepare_exactly_what_training_saw(decoders: Decoders, files: list[Path]) -> None:
    for pending, path in [(decoders.prepare(path.read_bytes(), SIDE), path) for path in files]:
        np.testing.assert_array_equal(pending.result(), prepare(path, SIDE))


@pytest.mark.parametrize(
    ("action", "sentence"),
    [
        ("crash", "ended the process"),
        ("loop", "took more than 2 seconds"),
        ("memory", "took more than 512 MB"),
    ],
)
def test_a_hostile_picture_costs_one_child(
    files: list[Path], monkeypatch: pytest.MonkeyPatch, action: str, sentence: str
) -> None:
    poisoned(monkeypatch, files[1], action)
    decoders = Decoders(processes=1, seconds=2)
    try:
        before, hostile, after = [decoders.prepare(path.read_bytes(), SIDE) for path in files]
        with pytest.raises(PictureError, match=sentence):
            hostile.result()
        for pending in (before, after):
            assert pending.result().shape == (SIDE, SIDE, 3)
    finally:
        decoders.close()


def test_a_pool_that_gave_up_is_made_anew(decoders: Decoders, files: list[Path]) -> None:
    decoders.prepare(files[0].read_bytes(), SIDE).result()
    decoders._pool.stop()  # type: ignore[no-untyped-call]  # pebble's; as it does by itself then
    assert decoders.prepare(files[1].read_bytes(), SIDE).result().shape == (SIDE, SIDE, 3)


def test_what_is_no_picture_is_told_in_a_sentence(decoders: Decoders) -> None:
    with pytest.raises(PictureError, match="cannot be read"):
        decoders.prepare(b"\xff\xd8 and no more", SIDE).result()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends the children on Linux")
def test_children_do_not_outlive_a_killed_worker(tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text(
        "import time\n"
        "from mlservice.engine.decoders import Decoders\n"
        "if __name__ == '__main__':\n"
        "    import os\n"
        "    decoders = Decoders(processes=1)\n"
        "    print(decoders._pool.schedule(os.getpid).result(), flush=True)\n"
        "    time.sleep(60)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    command = [sys.executable, str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as worker:
        assert worker.stdout is not None
        child = int(worker.stdout.readline())
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
    deadline = time.monotonic() + 10
    while _alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive(child)


def _alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
