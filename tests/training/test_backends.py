"""Training runs wherever Keras does: the same commands on every backend that is installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
# One that is not installed is not collected: a test skipped in CI is a test forgotten.
BACKENDS = [name for name in ("tensorflow", "torch", "jax") if find_spec(name)]

# Trains; trains again, stopped in the second epoch, and goes on; scores a grey picture by both.
STORY = """
import json, sys
from pathlib import Path

import keras, numpy as np

from training import finetune
from training.cli import main
from training.config import Config
from training.earlier import load_network

data, work = sys.argv[1:]
finetune.SETTLING = 3
fit = ["fit", data, "--work", work, "--arch", "tiny", "--side", "32", "--train-side", "32"]
fit += ["--epochs", "2", "--batch", "16", "--patience", "5"]


def die_in_the_second_epoch(self, epoch, logs=None):
    alive(self, epoch, logs)  # the best weights are kept before, the backup is made after
    if epoch == 1:
        raise KeyboardInterrupt


assert main(["split", data, "--work", work]) == 0
assert main([*fit, "--run", f"{work}/whole"]) == 0
alive = finetune._Watch.on_epoch_end
finetune._Watch.on_epoch_end = die_in_the_second_epoch
try:
    main([*fit, "--run", f"{work}/killed"])
except KeyboardInterrupt:
    finetune._Watch.on_epoch_end = alive
assert not Path(work, "killed", "network.weights.h5").exists()
assert main([*fit, "--run", f"{work}/killed"]) == 0
runs = [Path(work, name) for name in ("whole", "killed")]
whole, killed = (load_network(run, Config.load(run)) for run in runs)
gaps = [np.abs(a - b).max() for a, b in zip(whole.get_weights(), killed.get_weights())]
scores = whole.predict_on_batch(np.full((1, 32, 32, 3), 127, np.float32))["logits"]
found = {"backend": keras.config.backend(), "gap": max(gaps), "logits": scores[0]}
Path(work, "found.json").write_text(json.dumps(found, default=lambda x: np.asarray(x).tolist()))
"""


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_run_killed_and_continued_ends_the_same_and_loads_here(
    backend: str, drawn: Path, tmp_path: Path
) -> None:
    """The weights are then read by the backend of this process, as an export would."""
    done = subprocess.run(
        [sys.executable, "-c", STORY, str(drawn), str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["backend"] == backend
    assert found["gap"] <= 1e-6
    from training.config import Config
    from training.earlier import load_network

    run = tmp_path / "whole"
    grey = np.full((1, 32, 32, 3), 127, np.float32)
    here = load_network(run, Config.load(run)).predict_on_batch(grey)["logits"][0]
    np.testing.assert_allclose(here, found["logits"], atol=1e-4)
