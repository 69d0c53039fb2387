"""What rests on a disk: with which keys it is sealed, and where the pictures lie."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured

from portal.settings.environment import env

# 32 bytes each, in base64: the first seals, all open. Empty: made of SECRET_KEY, for the demo.
DATA_KEYS = env.list("DATA_KEYS", default=[])

# "disk" under MEDIA_ROOT, or "s3": a bucket, at Amazon or wherever PHOTO_BUCKET_URL says. Without
# keys of its own it is asked as boto3 asks: by the machine's role, for example.
PHOTO_STORAGE = env.str("PHOTO_STORAGE", default="disk")
if PHOTO_STORAGE not in ("disk", "s3"):
    raise ImproperlyConfigured("PHOTO_STORAGE is disk or s3.")
_BUCKET = {
    "bucket_name": env.str("PHOTO_BUCKET", default=""),
    "location": env.str("PHOTO_BUCKET_PREFIX", default=""),
    "region_name": env.str("PHOTO_BUCKET_REGION", default="") or None,
    "endpoint_url": env.str("PHOTO_BUCKET_URL", default="") or None,
    "access_key": env.str("PHOTO_BUCKET_KEY", default="") or None,
    "secret_key": env.str("PHOTO_BUCKET_SECRET", default="") or None,
}
if PHOTO_STORAGE == "s3" and not _BUCKET["bucket_name"]:
    raise ImproperlyConfigured("PHOTO_STORAGE=s3 needs PHOTO_BUCKET.")
PICTURES = (
    {"BACKEND": "diagnoses.bucket.Bucket", "OPTIONS": _BUCKET}
    if PHOTO_STORAGE == "s3"
    else {"BACKEND": "diagnoses.places.Disk"}
)
