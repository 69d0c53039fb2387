"""What runs by the clock for people and the audit trail."""

from __future__ import annotations

from celery import shared_task

from accounts import chain, sessions


@shared_task(name="accounts.seal_trail")
def seal_trail() -> None:
    """Give the audit trail's new lines their places in the chain."""
    chain.seal()


@shared_task(name="accounts.keep_seal")
def keep_seal() -> None:
    """Write the chain's newest place where the database's owner cannot change it."""
    chain.keep_seal()


@shared_task(name="accounts.sweep_sessions")
def sweep_sessions() -> None:
    """Delete the sessions that nobody can come back to."""
    sessions.sweep()
