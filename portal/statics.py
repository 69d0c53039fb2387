"""How static files are published: compressed, and under names that change with their content."""

from __future__ import annotations

from whitenoise.storage import CompressedManifestStaticFilesStorage


class PublishedFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # ships no types
    """One module finds another under its published name, too: no browser mixes two versions."""

    support_js_module_import_aggregation = True
