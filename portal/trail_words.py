"""What the lines of the audit trail are called; the people's own stand in ``accounts.history``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts import history

Words = str | Promise

# Somebody saw something, or took it along; all else changed something.
LOOKS: Final[Mapping[str, Words]] = {
    "case.viewed": _("Opened a case"),
    "photo.viewed": _("Looked at a photo"),
    "heatmap.viewed": _("Looked at where the computer looked"),
    "similar.shown": _("Was shown similar cases"),
    "case.report": _("Saved a case as a PDF"),
    "case.exported": _("Took a copy of a case along"),
    "case.letter_printed": _("Printed a letter"),
    "lesion.viewed": _("Looked at a mark over time"),
    "link.opened": _("Opened a link from a message"),
    "message.viewed": _("Opened a message’s page"),
    "invitation.viewed": _("Opened an invitation’s page"),
    "job.viewed": _("Looked at the story of a job"),
    "model.shadow_viewed": _("Looked at a version in the shadow"),
    "export.taken": _("Downloaded an export for training"),
    "export.withdrawn_listed": _("Listed pictures to be deleted"),
    "person.exported": history.ACTIONS["person.exported"],
    history.READ: _("Read who a patient is"),
    history.VIEWED: _("Opened a person’s page"),
}
CHANGES: Final[Mapping[str, Words]] = {
    **{name: words for name, words in history.ACTIONS.items() if name not in LOOKS},
    "admin.invited": _("Invited an admin"),
    "doctor.invited": _("Invited a doctor"),
    "case.letter_written": _("Wrote a letter"),
    "case.opinion_asked": _("Asked a colleague"),
    "case.outcome_recorded": _("Recorded what it turned out to be"),
    "case.imported": _("Brought a case here from another portal"),
    "case.held": _("A case is on hold: nothing of it is deleted"),
    "case.photos_purged": _("Photos of a case were deleted: their time is over"),
    "case.question_closed": _("Closed a question"),
    "case.released": _("A case is no longer on hold"),
    "case.read_again": _("Read a case a second time"),
    "case.requeued": _("Sent a case to the computer again"),
    "case.retake_asked": _("Asked for a new photo"),
    "case.retaken": _("Sent a new photo"),
    "case.share_agreed": _("Agreed to share a case"),
    "case.share_asked": _("Asked to share a case"),
    "case.share_ended": _("Ended the sharing of a case"),
    "case.share_missed": _("Asked to share with nobody we know"),
    "case.signed": _("Signed a case"),
    "case.submitted": _("Sent a case"),
    "case.told_in_person": _("Told an answer in person"),
    "case.visit_told": _("Told whether they saw the doctor"),
    "case.wrote": _("Wrote about a case"),
    "clinic.added": _("Added a clinic"),
    "clinic.changed": _("Changed how a clinic works"),
    "export.asked": _("Asked for an export for training"),
    "export.cleaned": _("Said that a copy is clean"),
    "export.deleted": _("An export was deleted"),
    "retention.purged": _("What is no longer kept was deleted"),
    "keys.rotated": _("Sealed everything with a new key"),
    "invitation.accepted": _("Accepted an invitation"),
    "invitation.resent": _("Sent an invitation again"),
    "invitation.revoked": _("Took back an invitation"),
    "lesion.named": _("Named a mark"),
    "message.resent": _("Sent a message again"),
    "message.told_by_hand": _("Told somebody by hand"),
    "messages.checked": _("Checked how messages are set up"),
    "messages.tested": _("Sent a test message"),
    "model.activated": _("Put a version into service"),
    "model.alarm_seen": _("Looked at an alarm"),
    "model.check_asked": _("Had a bundle checked"),
    "model.found_again": _("A bundle’s files are there again"),
    "model.override_asked": _("Asked to pass the gate"),
    "model.override_decided": _("Decided about passing the gate"),
    "model.paused": _("Paused the computer"),
    "model.refused": _("A bundle was refused"),
    "model.registered": _("Registered a version"),
    "model.resumed": _("Let the computer look again"),
    "model.shadow_ended": _("Ended a shadow"),
    "model.shadow_started": _("Let a version look along"),
    "model.threshold_asked": _("Asked for another threshold"),
    "model.threshold_changed": _("Changed the threshold"),
    "model.threshold_refused": _("Refused another threshold"),
}
ACTIONS: Final[Mapping[str, Words]] = {**CHANGES, **LOOKS}
