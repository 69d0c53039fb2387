"""The network answers each picture for itself, or not at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mlservice.engine import Bundle, Picture, PredictError, Predictor, open_predictor
from mlservice.engine.reading import Doubles, calibrated

ROOT = Path(__file__).resolve().parents[2]


def shares(predictor: Predictor, batch: Picture) -> Doubles:
    logits = np.stack([raw.logits for raw in predictor.predict(batch)]).astype(np.float64)
    return calibrated(logits, 1.0)


def test_as_many_answers_as_questions(predictor: Predictor, pictures: list[Picture]) -> None:
    for count in (1, 3, 7):
        assert len(predictor.predict(np.stack(pictures[:count]))) == count


def test_a_picture_scores_the_same_whatever_else_is_in_its_batch(
    predictor: Predictor, pictures: list[Picture]
) -> None:
    alone = shares(predictor, pictures[0][None])[0]
    glare = np.full_like(pictures[0], 255)
    for mates in ([glare], pictures[1:], [pictures[0], glare, glare]):
        together = shares(predictor, np.stack([*mates, pictures[0]]))[-1]
        assert np.abs(together - alone).max() <= 1e-5


def test_the_answer_outlives_the_next_batch(predictor: Predictor, pictures: list[Picture]) -> None:
    """Scores are copies, not windows on a buffer that the next picture overwrites."""
    first = predictor.predict(pictures[0][None])[0]
    logits, embedding = first.logits.copy(), first.embedding.copy()
    predictor.predict(np.stack(pictures[1:]))
    assert np.array_equal(first.logits, logits)
    assert np.array_equal(first.embedding, embedding)


@pytest.mark.parametrize(
    "batch",
    [
        np.zeros((1, 192, 192, 3), np.uint8),
        np.zeros((224, 224, 3), np.uint8),
        np.zeros((1, 224, 224, 1), np.uint8),
        np.zeros((1, 224, 224, 3), np.float32),
        np.zeros((0, 224, 224, 3), np.uint8),
    ],
    ids=["size", "no batch", "grey", "floats", "empty"],
)
def test_a_batch_of_another_kind_is_refused(predictor: Predictor, batch: Picture) -> None:
    with pytest.raises(PredictError):
        predictor.predict(batch)


def test_threads_do_not_change_the_answer(bundle: Bundle, pictures: list[Picture]) -> None:
    batch = np.stack(pictures[:2])
    one, two = (shares(open_predictor(bundle, "cpu", threads=n), batch) for n in (1, 2))
    assert np.abs(one - two).max() <= 1e-5


def test_keras_and_litert_agree(
    bundle: Bundle, predictor: Predictor, pictures: list[Picture]
) -> None:
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed here")
    reference = open_predictor(bundle, "gpu")
    batch = np.stack(pictures)
    assert np.abs(shares(reference, batch) - shares(predictor, batch)).max() <= 1e-5
    assert "tensorflow" in reference.name


SERVE = """
import sys
from mlservice.engine import *
from mlservice.packs.skin.drawing import draw
bundle = Bundle.load(shipped("skin"))
predictor = open_predictor(bundle)
check_golden(bundle, predictor)
assess(predictor, bundle, [prepare(draw(1))], [Modality.PHONE])
loaded = {name.partition(".")[0] for name in sys.modules}
assert "ai_edge_litert" in loaded
print(sorted(loaded & {"tensorflow", "keras", "torch", "jax", "django", "training"}))
"""


def test_serving_on_a_cpu_imports_neither_tensorflow_nor_django() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SERVE], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_importing_the_engine_loads_no_network_library() -> None:
    """The web process imports the engine's words; they must cost it nothing."""
    code = "import sys, mlservice.engine; print('ai_edge_litert' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
