"""Bundles on their way into the registry: files first, then the golden pictures, then a row.

A web process never runs a network. It checks the files, and writes a row; an inference worker
leases it and has the golden pictures scored by a child process with an end to its memory and time
(:mod:`mlservice.engine.prove`). What is refused leaves a sentence, and no files of ours.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO

from django.db import DataError, IntegrityError, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from accounts import audit
from accounts.models import User
from mlservice import registry, uploads
from mlservice.engine import BundleError
from mlservice.models import BundleCheck, ModelVersion

logger = logging.getLogger(__name__)

SECONDS = 60.0  # for one proof; on two busy cores it takes three
LEASE = timedelta(seconds=SECONDS + 30)
ATTEMPTS = 3
CHILD_KNOWS = {"PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR"}
State = BundleCheck.State


def begin(folder: Path, by: User, *, uploaded: bool) -> BundleCheck | ModelVersion:
    """Have the bundle in ``folder`` proved; the version, where it is registered already.

    A second click gives the check that waits. Raises :class:`BundleError` when the files are not
    whole or do not fit their pack; of an uploaded bundle they are gone then.
    """
    try:
        bundle = registry.checked(folder)
    except BundleError:
        if uploaded:
            uploads.forget(folder)
        raise
    known = ModelVersion.objects.filter(
        pack=bundle.manifest.pack, manifest_hash=bundle.manifest_hash
    ).first()
    if known is not None and registry.is_there(known):
        if uploaded and registry.bundle_folder(known).resolve() != folder.resolve():
            uploads.forget(folder)
        return known
    try:
        with transaction.atomic():
            check = BundleCheck.objects.create(
                name=f"{bundle.name}-{bundle.version}"[:120],
                folder=registry.folder_name(folder),
                uploaded=uploaded,
                manifest_hash=bundle.manifest_hash,
                asked_by=by,
            )
            audit.record("model.check_asked", actor=by, about=_about(check), name=check.name)
    except IntegrityError:
        return BundleCheck.objects.get(manifest_hash=bundle.manifest_hash, state=State.WAITING)
    return check


# --- In the worker -------------------------------------------------------------------------------


def claim() -> BundleCheck | None:
    """Lease the check that waits longest, if there is one."""
    with transaction.atomic():
        free = Q(lease_until=None) | Q(lease_until__lt=Now())
        rows = BundleCheck.objects.select_for_update(skip_locked=True).filter(
            free, state=State.WAITING
        )
        check = rows.order_by("pk").first()
        if check is None:
            return None
        check.token = uuid.uuid4()
        BundleCheck.objects.filter(pk=check.pk).update(
            token=check.token, lease_until=Now() + LEASE, attempts=F("attempts") + 1
        )
        check.attempts += 1
    if check.attempts > ATTEMPTS:
        settle(check, "Three times the trial of its golden pictures came to no end.")
        return None
    return check


def settle(check: BundleCheck, refusal: str) -> None:
    """The proof's end: the version is registered, or the bundle refused; all of it or nothing.

    Nothing happens where the lease ran out and somebody else has the row.
    """
    folder = registry.BUNDLES / check.folder
    with transaction.atomic():
        rows = BundleCheck.objects.select_for_update().select_related("asked_by")
        ours = rows.filter(pk=check.pk, token=check.token, state=State.WAITING).first()
        if ours is None:
            return
        version = None
        if not refusal:
            try:
                with transaction.atomic():
                    version = registry.register(folder, by=ours.asked_by)
            except BundleError as error:
                refusal = str(error)
            except (DataError, IntegrityError, ValueError, TypeError, AttributeError) as error:
                refusal = f"Its files say what cannot be kept: {error!r}."
        BundleCheck.objects.filter(pk=check.pk).update(
            state=State.PASSED if version else State.REFUSED,
            version=version,
            refusal=refusal,
            settled_at=Now(),
            token=None,
            lease_until=None,
        )
        if not version:
            audit.record("model.refused", actor=ours.asked_by, about=_about(check))
    if refusal:
        logger.warning("The bundle %s is refused: %s", check.name, refusal)
        if check.uploaded:
            uploads.forget(folder)


@dataclass(frozen=True, slots=True)
class _Proof:
    check: BundleCheck
    child: subprocess.Popen[bytes]
    said: IO[bytes]
    ends: float  # monotonic


class Prover:
    """Proves one bundle at a time beside a worker's other work; :meth:`turn` never waits."""

    def __init__(self) -> None:
        self._proof: _Proof | None = None

    @property
    def busy(self) -> bool:
        return self._proof is not None

    def turn(self) -> None:
        """Begin with the next bundle, or look how the one in hand is getting on."""
        if self._proof is None:
            if check := claim():
                self._proof = _begin(check)
            return
        proof, over = self._proof, time.monotonic() > self._proof.ends
        if proof.child.poll() is None and not over:
            return
        # Out of hand first: where the database is away now, the lease brings the row back.
        self._proof = None
        settle(proof.check, _verdict(proof, over=over))

    def leave(self) -> None:
        """Give back what is in hand: no attempt was made, so none is counted."""
        if self._proof is None:
            return
        _end(self._proof)
        mine = BundleCheck.objects.filter(pk=self._proof.check.pk, token=self._proof.check.token)
        mine.update(token=None, lease_until=None, attempts=F("attempts") - 1)
        self._proof = None


def _begin(check: BundleCheck) -> _Proof:
    folder = registry.BUNDLES / check.folder
    said = tempfile.TemporaryFile()  # noqa: SIM115 - read when the child has ended
    child = subprocess.Popen(  # noqa: S603 - our own module; the folder is no option of it
        [sys.executable, "-m", "mlservice.engine.prove", str(folder.resolve())],
        stdin=subprocess.DEVNULL,
        stdout=said,
        stderr=subprocess.DEVNULL,
        cwd=registry.BUNDLES.parents[1],
        # Foreign code gets none of the worker's secrets.
        env={name: value for name, value in os.environ.items() if name in CHILD_KNOWS},
    )
    return _Proof(check, child, said, time.monotonic() + SECONDS)


def _verdict(proof: _Proof, *, over: bool) -> str:
    """Why the bundle is refused; "" when its golden pictures came out right."""
    unfinished = over and proof.child.poll() is None
    _end(proof)
    if unfinished:
        return f"Scoring the golden pictures took more than {SECONDS:.0f} seconds."
    proof.said.seek(0)
    try:
        lines = proof.said.read().splitlines()
        return str(json.loads(lines[-1])["refused"])
    except (ValueError, KeyError, IndexError, TypeError):
        code = proof.child.returncode
        return f"The network ended the process that tried it out (exit code {code})."
    finally:
        proof.said.close()


def _end(proof: _Proof) -> None:
    if proof.child.poll() is None:
        proof.child.kill()
    proof.child.wait()


def _about(check: BundleCheck) -> str:
    return f"bundle:{check.manifest_hash[:16]}"
