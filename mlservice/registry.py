"""Model versions: registered, activated, retired; every step audited.

Who may put which version into service is :mod:`mlservice.deciding`'s; this only does it.
"""

from __future__ import annotations

import json
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from accounts import audit
from accounts.models import User
from mlservice.engine import Bundle, BundleError
from mlservice.engine.bundle import MANIFEST, Manifest, file_sha256
from mlservice.engine.gate import frozen_set
from mlservice.models import Activation, ModelVersion, Override, Pause, Shadow
from mlservice.packs import Pack, PackError, available_packs, load_pack
from mlservice.packs.records import asked

BUNDLES = Path(__file__).parent / "bundles"
MOST_WORDS = 2 << 20  # bytes of a card, and of the numbers: both are read for a page
State = ModelVersion.State


def bundle_folder(version: ModelVersion) -> Path:
    """Where the version's files lie: shipped ones by name, a clinic's own by absolute path."""
    return BUNDLES / version.folder


def register(folder: Path, by: User | None = None) -> ModelVersion:
    """Enter a verified bundle; the same bundle again gives the version already there.

    Raises :class:`BundleError` when the bundle is damaged, has no card or no numbers, does not fit
    its pack, or calls itself as another one does. The network is not run: an admin's bundle
    comes through :mod:`mlservice.checks`, and every worker proves what it loads.
    """
    bundle = checked(folder)
    with transaction.atomic():
        lock(bundle.manifest.pack)  # two of one name come in turn
        _check_name(bundle)
        version, created = ModelVersion.objects.get_or_create(
            pack=bundle.manifest.pack,
            manifest_hash=bundle.manifest_hash,
            defaults={
                "weights_hash": bundle.weights_hash,
                "version": bundle.version,
                "folder": folder_name(folder),
                "preprocess_hash": bundle.manifest.preprocess_hash,
                "temperature": bundle.temperature,
                "threshold": bundle.threshold,
                "r95": bundle.r95,
                "r99": bundle.r99,
                "metrics": bundle.metrics,
                "frozen_set": frozen_set(bundle.manifest.training, bundle.metrics),
                "registered_by": by,
            },
        )
        if created:
            audit.record("model.registered", actor=by, about=about(version))
        elif not is_there(version):  # its files are back, in another place
            version.folder = folder_name(folder)
            ModelVersion.objects.filter(pk=version.pk).update(folder=version.folder)
            audit.record("model.found_again", actor=by, about=about(version))
    return version


def folder_name(folder: Path) -> str:
    """How a folder is written down: a shipped one by name, any other by its absolute path."""
    inside = folder.resolve().parent == BUNDLES.resolve()
    return folder.name if inside else str(folder.resolve())


def checked(folder: Path) -> Bundle:
    """The bundle in ``folder``, if it may be registered; else :class:`BundleError`."""
    bundle = Bundle.load(folder)
    _check_against_pack(bundle)
    _check_name(bundle)
    files = bundle.manifest.files
    for name, what in ((files.card, "model card"), (files.metrics, "file of metrics")):
        if name not in bundle.manifest.sha256:
            raise BundleError(f"The bundle has no {what}, or gives no hash for it.")
        if (folder / name).stat().st_size > MOST_WORDS:
            raise BundleError(f"The bundle's {what} is longer than {MOST_WORDS >> 20} MB.")
    try:
        if not bundle.card_path.read_text(encoding="utf-8").strip():
            raise BundleError("The model card is empty.")
        if not isinstance(bundle.metrics, dict) or not bundle.metrics:
            raise BundleError("The file of metrics holds no numbers.")
        if "\\u0000" in json.dumps(bundle.metrics, allow_nan=False):  # PostgreSQL keeps neither
            raise BundleError("The file of metrics holds a zero character.")
        if not 0 < bundle.threshold < 1:
            raise BundleError(f"The threshold {bundle.threshold} is not between 0 and 1.")
        if not bundle.golden_images:
            raise BundleError("The bundle has no golden pictures to check it by.")
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise BundleError(f"The bundle's card or numbers are not readable: {error}.") from error
    return bundle


def _check_against_pack(bundle: Bundle) -> None:
    try:
        pack = load_pack(bundle.manifest.pack)
    except PackError as error:
        raise BundleError(str(error)) from error
    known = {label.name for label in pack.labels}
    harmful = {label.name for label in pack.labels if label.harmful}
    if set(bundle.labels) != known or set(bundle.harmful) != harmful:
        raise BundleError(
            f"The bundle's labels {sorted(bundle.labels)} are not those of the pack {pack.name!r}."
        )
    _check_metadata(bundle, pack)
    if bundle.modality.value not in {kind.modality for kind in pack.photo_kinds if kind.scored}:
        raise BundleError(
            f"The bundle is for pictures of the kind {bundle.modality.value!r}, which nobody can "
            f"send in the pack {pack.name!r}."
        )


def _check_metadata(bundle: Bundle, pack: Pack) -> None:
    """What is heard beside the picture must be asked, by the same words: else it says nothing."""
    for kind, values in (bundle.manifest.metadata or {}).items():
        try:
            unasked = sorted(set(values) - asked(pack, kind))
        except PackError:
            unasked = sorted(values)
        if unasked:
            raise BundleError(
                f"The bundle hears of {kind!r:.40} what the pack {pack.name!r} never asks: "
                f"{unasked[0]!r:.40}."
            )


def _check_name(bundle: Bundle) -> None:
    """People tell versions apart by their names."""
    named = ModelVersion.objects.filter(pack=bundle.manifest.pack, version=bundle.version)
    if other := named.exclude(manifest_hash=bundle.manifest_hash).first():
        raise BundleError(
            f"Another bundle is registered as {str(other)!r}. Give this one a version of its own."
        )


def verified(version: ModelVersion) -> Bundle:
    """The version's bundle, if its files are still what was registered; else BundleError."""
    bundle = Bundle.load(bundle_folder(version))
    if bundle.manifest_hash != version.manifest_hash:
        raise BundleError(f"The files of {version} are not those that were registered.")
    return bundle


def manifest(version: ModelVersion) -> Manifest | None:
    """The registered manifest, if it is still on the disk; its other files are not looked at."""
    try:
        return Manifest.read(bundle_folder(version) / MANIFEST) if is_there(version) else None
    except BundleError:
        return None


def is_there(version: ModelVersion) -> bool:
    """Whether the registered manifest is still on the disk: a cheap look, for health checks."""
    try:
        return file_sha256(bundle_folder(version) / MANIFEST) == version.manifest_hash
    except OSError:
        return False


def active(pack_name: str) -> ModelVersion | None:
    """The version in service for the pack, if there is one, paused or not."""
    return ModelVersion.objects.filter(pack=pack_name, state=ModelVersion.State.ACTIVE).first()


def offered() -> list[str]:
    """The packs new cases may be asked in: the installation's own, which comes first and needs no
    version, and every other one that has a version in service."""
    others = (
        ModelVersion.objects.filter(state=State.ACTIVE)
        .exclude(pack=settings.PACK)
        .order_by("pack")
        .values_list("pack", flat=True)
    )
    there = set(available_packs())
    return [settings.PACK, *(name for name in others if name in there)]


def scoring(pack_name: str) -> ModelVersion | None:
    """The version that scores new cases of the pack: none while the computer is paused."""
    return None if pack_name in paused_packs() else active(pack_name)


def paused_packs() -> set[str]:
    """The packs for which the computer looks at nothing."""
    return set(Pause.objects.filter(ended_at=None).values_list("pack", flat=True))


def activate(version: ModelVersion, by: User | None, reason: str = "") -> None:
    """Make ``version`` the one that scores new cases; the one before is retired, not forgotten.

    For the command line and the installation: no gate. Raises :class:`BundleError` when its files
    are no longer what was registered.
    """
    verified(version)
    with transaction.atomic():
        current = lock(version.pack)
        if current != version:
            how = Activation.How.COMMAND
            put_into_service(version, current, Activation(how=how, by=by, reason=reason))
    version.refresh_from_db()


def lock(pack_name: str) -> ModelVersion | None:
    """Hold the pack's versions till the end of the transaction; the one in service now.

    Whoever decides about a pack goes through here, so that they come in turn.
    """
    rows = ModelVersion.objects.select_for_update().filter(pack=pack_name).order_by("pk")
    return next((row for row in rows if row.state == ModelVersion.State.ACTIVE), None)


def put_into_service(
    version: ModelVersion, current: ModelVersion | None, activation: Activation
) -> Activation:
    """``version`` in the place of ``current``, as ``activation`` says; the caller has the lock.

    What was still asked about the pack's versions is overtaken: it was about another to replace.
    Nor does a version go on looking in the shadow of itself.
    """
    if current is not None:
        ModelVersion.objects.filter(pk=current.pk).update(state=State.RETIRED)
    ModelVersion.objects.filter(pk=version.pk).update(state=State.ACTIVE, activated_at=Now())
    Override.objects.filter(version__pack=version.pack, outcome="").update(
        outcome=Override.Outcome.OVERTAKEN, decided_at=Now()
    )
    ran = Shadow.objects.filter(version=version, ended_at=None)
    if ran.update(ended_at=Now(), ended_by=activation.by, ended=Shadow.Ended.SERVES):
        audit.record("model.shadow_ended", actor=activation.by, about=about(version), how="serves")
    activation.version, activation.replaced = version, current
    activation.save()
    audit.record(
        "model.activated",
        actor=activation.by,
        about=about(version),
        how=activation.how,
        instead_of=current.pk if current else None,
        reason=activation.reason,
        **({"agreed_by": activation.agreed_by_id} if activation.agreed_by_id else {}),
    )
    return activation


def about(version: ModelVersion) -> str:
    return f"model:{version.pk}"
