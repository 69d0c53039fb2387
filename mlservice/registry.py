"""Model versions: registered, activated, retired; every step audited."""

from __future__ import annotations

from pathlib import Path

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.models import User
from mlservice.engine import Bundle, BundleError
from mlservice.engine.bundle import MANIFEST, file_sha256
from mlservice.models import ModelVersion
from mlservice.packs import PackError, load_pack

BUNDLES = Path(__file__).parent / "bundles"


def bundle_folder(version: ModelVersion) -> Path:
    """Where the version's files lie: shipped ones by name, a clinic's own by absolute path."""
    return BUNDLES / version.folder


def register(folder: Path, by: User | None = None) -> ModelVersion:
    """Enter a verified bundle; the same bundle again gives the version already there.

    Raises :class:`BundleError` when the bundle is damaged or does not fit its pack.
    """
    bundle = Bundle.load(folder)
    _check_against_pack(bundle)
    inside = folder.resolve().parent == BUNDLES.resolve()
    with transaction.atomic():
        version, created = ModelVersion.objects.get_or_create(
            pack=bundle.manifest.pack,
            manifest_hash=bundle.manifest_hash,
            defaults={
                "weights_hash": bundle.weights_hash,
                "version": bundle.version,
                "folder": folder.name if inside else str(folder.resolve()),
                "preprocess_hash": bundle.manifest.preprocess_hash,
                "temperature": bundle.temperature,
                "threshold": bundle.threshold,
                "r95": bundle.r95,
                "r99": bundle.r99,
                "metrics": bundle.metrics,
                "registered_by": by,
            },
        )
        if created:
            audit.record("model.registered", actor=by, about=_about(version))
    return version


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


def verified(version: ModelVersion) -> Bundle:
    """The version's bundle, if its files are still what was registered; else BundleError."""
    bundle = Bundle.load(bundle_folder(version))
    if bundle.manifest_hash != version.manifest_hash:
        raise BundleError(f"The files of {version} are not those that were registered.")
    return bundle


def is_there(version: ModelVersion) -> bool:
    """Whether the registered manifest is still on the disk: a cheap look, for health checks."""
    try:
        return file_sha256(bundle_folder(version) / MANIFEST) == version.manifest_hash
    except OSError:
        return False


def active(pack_name: str) -> ModelVersion | None:
    """The version that scores new cases of the pack, if there is one."""
    return ModelVersion.objects.filter(pack=pack_name, state=ModelVersion.State.ACTIVE).first()


def activate(version: ModelVersion, by: User | None, reason: str = "") -> None:
    """Make ``version`` the one that scores new cases; the one before is retired, not forgotten.

    Raises :class:`BundleError` when its files are no longer what was registered.
    """
    verified(version)
    with transaction.atomic():
        State = ModelVersion.State  # noqa: N806 - a class
        others = ModelVersion.objects.select_for_update().filter(pack=version.pack)
        others.filter(state=State.ACTIVE).exclude(pk=version.pk).update(state=State.RETIRED)
        others.filter(pk=version.pk).update(state=State.ACTIVE, activated_at=timezone.now())
        audit.record("model.activated", actor=by, about=_about(version), reason=reason)
    version.refresh_from_db()


def set_threshold(version: ModelVersion, value: float, by: User, reason: str) -> None:
    """Change the 80 % rule's threshold for one version. Needs a reason; never touches the past."""
    if not reason.strip():
        raise ValueError("Changing the threshold needs a reason.")
    if not 0 < value < 1:
        raise ValueError("The threshold is a share between 0 and 1.")
    with transaction.atomic():
        before = ModelVersion.objects.select_for_update().get(pk=version.pk).threshold
        ModelVersion.objects.filter(pk=version.pk).update(threshold=value)
        audit.record(
            "model.threshold",
            actor=by,
            about=_about(version),
            before=before,
            after=value,
            reason=reason,
        )


def _about(version: ModelVersion) -> str:
    return f"model:{version.pk}"
