"""What beat asks for, and how often, in seconds. What is late by a whole turn is not asked for."""

from __future__ import annotations

from typing import Any, Final

EVERY: Final[dict[str, dict[str, Any]]] = {
    "sweep the cases": {"task": "diagnoses.sweep", "schedule": 10.0, "options": {"expires": 10}},
    "forget forms nobody sent": {"task": "diagnoses.sweep_drafts", "schedule": 3600.0},
    "erase whose days are over": {"task": "diagnoses.sweep_erasures", "schedule": 3600.0},
    "make training exports": {"task": "diagnoses.make_exports", "schedule": 30.0},
    "sweep the reminders": {
        "task": "diagnoses.sweep_reminders",
        "schedule": 300.0,
        "options": {"expires": 300},
    },
    "tell of what waits too long": {
        "task": "diagnoses.sweep_escalations",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "raise alarms": {"task": "diagnoses.look_out", "schedule": 60.0, "options": {"expires": 60}},
    "measure the storage": {
        "task": "portal.measure_storage",
        "schedule": 600.0,
        "options": {"expires": 600},
    },
    "sweep the messages": {
        "task": "notifications.deliver_due",
        "schedule": 5.0,
        "options": {"expires": 5},
    },
    "link the audit trail": {
        "task": "accounts.seal_trail",
        "schedule": 10.0,
        "options": {"expires": 10},
    },
    "forget sessions that are over": {"task": "accounts.sweep_sessions", "schedule": 3600.0},
    "keep a seal of the audit trail": {"task": "accounts.keep_seal", "schedule": 3600.0},
}
