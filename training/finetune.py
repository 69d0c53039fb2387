"""The second stage of fitting: the whole network, on random views, resumable by the epoch."""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
from sklearn.metrics import recall_score
from tqdm import tqdm

from mlservice.engine.types import Floats
from training.augment import WHOLE
from training.config import Config
from training.errors import TrainingError
from training.fit import (
    JIT,
    AdjustedCrossEntropy,
    Part,
    TaughtCrossEntropy,
    batches,
    drawing_shares,
)
from training.network import at_side, freeze, norms, settle_norms, walk

BACKUP = "backup"
HISTORY = "history.json"
BEST = "best.weights.h5"
DROPOUT = "dropout"
SETTLING = 64  # batches whose statistics the finished network keeps
# Of the running statistics. keras.applications' MobileNetV2 brings 0.999, made for millions of
# steps: with it the validation part is measured on statistics of an epoch ago.
MOMENTUM = 0.99


def fine_tune(
    network: keras.Model,
    part: Part,
    config: Config,
    run: Path,
    held: Part | None,
    teachers: Sequence[keras.Model] = (),
) -> None:
    """Train every layer after ``config.freeze_until``.

    What ``teachers`` say of a view is ``config.teach`` of its label.

    ``held``, the validation part, is looked at once an epoch and decides when to stop if
    ``config.patience`` says so. Killed and started again with the same ``run`` it goes on from
    the last whole epoch and ends with the same weights.
    """
    if config.patience and held is None:
        raise TrainingError("Stopping early needs a validation part that does not train.")
    shares = drawing_shares(part.targets, config.labels, config.balance)
    with _precision(config.precision):
        small = at_side(network, config.arch, len(config.labels), None)
        freeze(small, config.freeze_until)
        trainee = _trainee(small, config, teachers)
    steps = max(1, len(part.targets) // config.batch)
    trainee.compile(
        optimizer=_optimizer(config, steps),
        loss=(TaughtCrossEntropy if teachers else AdjustedCrossEntropy)(shares, config),
        jit_compile=JIT,
    )
    # Made inside the first step, the optimizer's variables would have that step traced twice.
    trainee.optimizer.build(trainee.trainable_variables)
    keep = keras.callbacks.BackupAndRestore(
        str(run / BACKUP),
        double_checkpoint=True,  # killed while it writes, the epoch before is still there
        delete_checkpoint=False,
    )
    if epochs_done(run):  # before anything counts them: a torn backup gives way to the one before
        keep.set_model(trainee)
        keep.on_train_begin()
    watch = _Watch(small, config, run, held)
    callbacks = [_Reseed(config.seed), watch, keep, _Bar(config.epochs, steps)]
    for side, last in _stages(config):
        done = epochs_done(run)
        if done >= last or watch.stopped:
            continue
        trainee.fit(
            batches(part, shares, config, side, first=done * steps),
            steps_per_epoch=steps,
            shuffle=False,
            epochs=last,
            callbacks=callbacks,
            verbose=0,
        )
    trainee.optimizer.finalize_variable_values(trainee.trainable_variables)
    if config.patience:
        small.load_weights(run / BEST)
    network.set_weights(small.get_weights())
    if config.norms == "batch":  # in full precision, as it will be served
        freeze(network, config.freeze_until)
        _reseed(network, config.seed, config.epochs)
        settle_norms(network, _settling(part, shares, config))


def _stages(config: Config) -> Iterator[tuple[int, int]]:
    """``(side, epoch after the last)`` for each run of epochs with views of one side."""
    epochs = range(config.epochs)
    for side, run in itertools.groupby(epochs, config.train_side):
        yield side, max(run) + 1


def _settling(part: Part, shares: Floats, config: Config) -> Iterator[Floats]:
    """Views of the size and the field that are served, unblended, classes drawn as in training.

    Nearer views would tell of larger marks than the network trained on (smaller pictures) or will
    see.
    """
    plain = replace(config, mix=0.0)
    views = batches(part, shares, plain, config.side, first=2**31, field=WHOLE)
    return (pictures for pictures, _ in itertools.islice(views, SETTLING))


@contextmanager
def _precision(policy: str) -> Iterator[None]:
    """Layers made inside compute by ``policy``, one of Keras's: `mixed_bfloat16` suits GPUs."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _trainee(network: keras.Model, config: Config, teachers: Sequence[keras.Model]) -> keras.Model:
    """Pictures of any side -> logits, with dropout before the dense layer.

    With ``teachers`` their mean logits follow, ``(n, 2c)``.
    """
    pixels = keras.Input((None, None, 3))
    for layer in norms(network):
        layer.momentum = MOMENTUM
    mode = {"batch": None, "held": False}[config.norms]
    pooled = network(pixels, training=mode)["embedding"]
    pooled = keras.layers.Dropout(config.dropout, seed=config.seed, name=DROPOUT)(pooled)
    own = network.get_layer("logits")(pooled)
    if not teachers:
        return keras.Model(pixels, own)
    said = [_asked(teacher, number)(pixels) for number, teacher in enumerate(teachers)]
    taught = keras.ops.mean(keras.ops.stack(said), 0) / config.teach_temperature
    return keras.Model(pixels, keras.ops.concatenate([own, taught], -1))


def _asked(teacher: keras.Model, number: int) -> keras.Model:
    """A teacher as it serves, for views of any side, its logits alone.

    Under a name of its own: one may be of the same architecture as another.
    """
    labels = teacher.output["logits"].shape[-1]
    whole = at_side(teacher, teacher.name, labels, None)
    whole.trainable = False
    pixels = keras.Input((None, None, 3))
    return keras.Model(pixels, whole(pixels, training=False)["logits"], name=f"teacher_{number}")


def _optimizer(config: Config, steps: int) -> keras.optimizers.Optimizer:
    """AdamW on a cosine after a warm-up, keeping a running average of the weights."""
    warmup = round(config.warmup_epochs * steps)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0,
        max(1, config.epochs * steps - warmup),
        warmup_target=config.learning_rate,
        warmup_steps=max(1, warmup),
        alpha=0.01,
    )
    return keras.optimizers.AdamW(
        schedule,
        weight_decay=config.weight_decay,
        use_ema=True,
        ema_momentum=config.ema,
        global_clipnorm=1.0,
    )


def epochs_done(run: Path) -> int:
    """What Keras's own backup says, so that a resumed run draws the pictures it would have."""
    try:
        noted = json.loads((run / BACKUP / "training_metadata.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return 0
    return int(noted["epoch"])


class _Reseed(keras.callbacks.Callback):  # type: ignore[misc]  # keras ships no types
    """Starts every epoch's dropout from its number: Keras's backup does not keep the seed."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._seed = seed

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002 - Keras's signature
        _reseed(self.model, self._seed, epoch)


def _reseed(trainee: keras.Model, seed: int, epoch: int) -> None:
    """Give every dropout, those inside the backbone too, the state it starts ``epoch`` with."""
    kind = keras.layers.Dropout
    for number, layer in enumerate(x for x in walk(trainee) if isinstance(x, kind)):
        own = seed if layer.name == DROPOUT else seed + number + 1
        layer.seed_generator.state.assign((own, epoch * 1_000_000))


class _Bar(keras.callbacks.Callback):  # type: ignore[misc]  # keras ships no types
    """A progress bar for each epoch, with the time it still takes."""

    def __init__(self, epochs: int, steps: int) -> None:
        super().__init__()
        self._epochs, self._steps = epochs, steps

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002 - Keras's signature
        name = f"epoch {epoch + 1}/{self._epochs}"
        self._bar = tqdm(total=self._steps, desc=name, leave=False, file=sys.stderr)

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002 - Keras's signature
        self._bar.update()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002 - Keras's signature
        self._bar.close()


class _Watch(keras.callbacks.Callback):  # type: ignore[misc]  # keras ships no types
    """Notes every epoch; measures the averaged weights on the validation part and may stop."""

    def __init__(self, small: keras.Model, config: Config, run: Path, held: Part | None) -> None:
        super().__init__()
        self._small, self._config, self._held, self._run = small, config, held, run
        self._logits = keras.Model(small.input, small.output["logits"])
        self._path = run / HISTORY
        self._history: list[dict[str, Any]] = []
        if self._path.exists():
            noted = json.loads(self._path.read_text(encoding="utf-8"))
            self._history = noted[: epochs_done(run)]

    @property
    def stopped(self) -> bool:
        """Whether ``patience`` epochs have passed without a better one."""
        patience = self._config.patience
        if not patience:
            return False
        scores = [entry["bmca"] for entry in self._history]
        return len(scores) - 1 - _best(scores) >= patience

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002 - Keras's signature
        self._start = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        seconds = time.monotonic() - self._start
        entry = {
            "epoch": epoch + 1,
            "side": self._config.train_side(epoch),
            "loss": float((logs or {}).get("loss", float("nan"))),
            "seconds": round(seconds, 1),
        }
        if self._held is not None:
            entry["bmca"] = self._measure(self._held)
        self._history = [*self._history[:epoch], entry]
        self._path.write_text(json.dumps(self._history, indent=1), encoding="utf-8")
        left = seconds * (self._config.epochs - epoch - 1) / 60
        said = f", validation bmca {entry['bmca']:.4f}" if "bmca" in entry else ""
        print(
            f"epoch {epoch + 1}/{self._config.epochs}: loss {entry['loss']:.4f}{said}, "
            f"{seconds:.0f} s, about {left:.0f} min left",
            flush=True,
        )
        self.model.stop_training = self.stopped

    def _measure(self, held: Part) -> float:
        """Balanced accuracy, upright, of the averaged weights; kept if it is the best so far."""
        now = self.model.get_weights()
        self.model.optimizer.finalize_variable_values(self.model.trainable_variables)
        # Copies: JAX frees what `predict` was given, and the optimizer still needs its averages.
        self.model.set_weights(self.model.get_weights())
        guesses = self._logits.predict(held.pictures, batch_size=64, verbose=0).argmax(1)
        score = float(recall_score(held.targets, guesses, average="macro", zero_division=0))
        best = max((entry["bmca"] for entry in self._history), default=-1.0)
        if self._config.patience and score > best:
            self._small.save_weights(self._run / BEST)
        self.model.set_weights(now)
        return score


def _best(scores: list[float]) -> int:
    return scores.index(max(scores)) if scores else -1
