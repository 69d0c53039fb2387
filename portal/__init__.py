"""Wires the rooms together. No clinical logic lives here."""

from portal.celery import app as celery_app

__all__ = ["celery_app"]
