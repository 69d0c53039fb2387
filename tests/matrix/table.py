"""Who may open what: every address of ours, and who is let in. What is not here fails the build.

A row gives the first names of those for whom the address exists (see :mod:`tests.cast`, and Cora,
who looks after a child; Eve, the admin of the other clinic; Zoe, suspended) and what the address
names. Everybody else must be refused by every method. Pia, who has given her password and no second
factor, is let in where ``WHILE_PENDING`` says, and nowhere else, whatever a row says of doctors.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.matrix.world import NOBODY, SUSPENDED

PATIENTS = frozenset({"ana", "bo", "cora"})
DOCTORS = frozenset({"ruth", "sam", "xu"})  # verified; Uma is told that she waits
UNVERIFIED = frozenset({"uma"})
ADMINS = frozenset({"ada", "eve", "root"})
LOGGED_IN = PATIENTS | DOCTORS | UNVERIFIED | ADMINS
EVERYBODY = LOGGED_IN | {NOBODY, SUSPENDED}
ANA = frozenset({"ana"})
CORA = frozenset({"cora"})
READERS = frozenset({"ruth", "sam"})  # verified doctors of the case's clinic
HERE = frozenset({"ada", "root"})  # admins who look after North
DECIDERS = frozenset({"root"})  # admins of no clinic


@dataclass(frozen=True, slots=True)
class Row:
    """``to`` are let in; ``names`` fills the address, by the keys of ``World.things`` or as is."""

    to: frozenset[str]
    names: tuple[object, ...] = ()
    api: bool = False


def _row(to: frozenset[str], *names: object) -> Row:
    return Row(to, names)


def _api(to: frozenset[str], *names: object) -> Row:
    return Row(to, names, api=True)


OPEN = {
    name: _row(EVERYBODY)
    for name in (
        *("home", "health_live", "health_ready", "healthz", "readyz", "manifest", "language"),
        *("learn", "learn_lesson"),
        *("account_login", "account_logout", "account_inactive"),
        *("account_signup", "account_signup_code"),
        *("account_reset_password", "account_reset_password_done"),
        *("account_reset_password_from_key_done", "account_email_verification_sent"),
        *("api-schema", "api-docs"),
    )
} | {
    "learn_step": _row(EVERYBODY, "asymmetry"),
    "learn_condition": _row(EVERYBODY, "mel"),
    "account_confirm_email": _row(EVERYBODY, "no-such-key"),
    "account_reset_password_from_key": _row(EVERYBODY, "1", "no-such-key"),
}
WHILE_PENDING = frozenset(
    {
        *("account_logout", "language", "manifest", "security_txt"),
        *("health_live", "health_ready", "healthz", "readyz"),
        *("mfa_index", "mfa_activate_totp", "mfa_add_webauthn", "account_reauthenticate"),
    }
)
# Each names a secret or is signed: without it nobody is let in, whoever they are.
SECRET = {
    "link": _row(frozenset(), "no-such-token"),
    "invitation": _row(frozenset(), "no-such-token"),
    "email_stop": _row(frozenset(), "no-such-token"),
    "twilio_status": _row(frozenset(), "message", 1),
    "twilio_inbound": _row(frozenset()),
    "twilio_check": _row(frozenset()),
    "metrics": _row(frozenset()),
    "security_txt": _row(frozenset()),  # nobody is named here
}
ACCOUNT = {
    name: _row(LOGGED_IN)
    for name in (
        "account_confirm_login_code",
        *("account", "account_end_sessions", "account_email", "account_reauthenticate"),
        "account_tokens",
        *("account_change_password", "account_set_password", "account_number_add"),
        *("mfa_index", "mfa_reauthenticate", "mfa_reauthenticate_webauthn", "mfa_list_webauthn"),
        *("mfa_activate_totp", "mfa_add_webauthn", "mfa_generate_recovery_codes"),
        "usersessions_list",
    )
} | {
    "account_token": _row(ANA, "token"),
    "mfa_login_webauthn": _row(LOGGED_IN),  # asked by a script; a page is led on
    "mfa_authenticate": _row(LOGGED_IN),  # who is in already is led on
    # First asked whether it is still them: tests/accounts/test_second_factor.py goes further.
    "mfa_remove_webauthn": _row(LOGGED_IN, 1),
    "mfa_edit_webauthn": _row(LOGGED_IN, 1),
    # What somebody has set up: nobody here has.
    "mfa_deactivate_totp": _row(frozenset()),
    "mfa_view_recovery_codes": _row(frozenset()),
    "mfa_download_recovery_codes": _row(frozenset()),
    "account_session_end": _row(LOGGED_IN, 1),
    "account_download": _row(PATIENTS),
    "account_looked": _row(PATIENTS),
    "person_looked": _row(CORA, "dee"),
    "person_add": _row(PATIENTS),
    "account_number": _row(ANA, "number"),
    "number_confirm": _row(ANA, "number"),
    "account_reminder": _row(PATIENTS, "recheck"),
    "account_consent": _row(PATIENTS, "research"),
    "account_erase": _row(PATIENTS),
    "account_keep": _row(PATIENTS),
    "person": _row(CORA, "dee"),
    "person_consent": _row(CORA, "dee", "research"),
    "person_download": _row(CORA, "dee"),
    "person_erase": _row(CORA, "dee"),
    "person_keep": _row(CORA, "dee"),
}
PATIENT = {
    "case_list": _row(PATIENTS),
    "case_new": _row(PATIENTS),
    "draft_photo": _row(PATIENTS),
    "lesion_list": _row(PATIENTS),
    "draft_thumb": _row(ANA, "draft_photo"),
    "case_drop": _row(ANA, "draft"),
    "case_step": _row(PATIENTS, "draft", "doctor"),  # a form of their own, under any key
    **{
        name: _row(ANA, "case")
        for name in (
            *("case", "case_state", "case_tell", "case_talk", "case_photo", "case_withdraw"),
        )
    },
    "case_share": _row(ANA, "case", "share"),
    "lesion": _row(ANA, "lesion"),
    "lesion_name": _row(ANA, "lesion"),
    "reminder": _row(ANA, "nudge"),
    "case_report": _row(ANA | READERS, "signed"),
    "case_archive": _row(ANA | READERS, "case"),
    "photo": _row(ANA | READERS, "photo"),
}
DOCTOR = {
    **{
        name: _row(DOCTORS)
        for name in ("worklist", "worklist_done", "worklist_state", "worklist_again")
    },
    "worklist_numbers": _row(DOCTORS),
    "again": _row(READERS, "asked"),  # who asked is led to the case
    "letter_paper": _row(READERS, "letter"),
    "reading_amend": _row(READERS, "signed"),
    "reading_outcome": _row(READERS, "signed"),
    "reading_letter": _row(READERS, "signed"),
    "reading_undo": _row(READERS, "signed"),
    "reading_told": _row(READERS, "signed"),
    **{
        name: _row(READERS, "case")
        for name in (
            *("reading", "reading_ask", "reading_open", "reading_first", "reading_sign"),
            *("reading_talk", "reading_retake", "reading_no_answer"),
        )
    },
    "reading_share": _row(READERS, "case", "share"),
    "reading_heatmap": _row(frozenset({"ruth"}), "case", "photo"),  # who has read it
}
ADMIN = {
    **{
        name: _row(ADMINS)
        for name in (
            "manage_trail",
            *("manage", "manage_people", "manage_clinics", "manage_invitations", "manage_invite"),
            *("staff_messages", "message_setup", "models", "model_compare", "model_data"),
            "learning",
        )
    },
    **{
        name: _row(ADMINS, "version")
        for name in ("model_version", "model_monitoring", "model_truth", "model_rule")
    },
    "model_shadow": _row(ADMINS, "version"),
    "shadow_start": _row(DECIDERS, "other"),
    "shadow_stop": _row(DECIDERS, "other"),
    "model_threshold": _row(DECIDERS, "threshold"),
    "alarm_seen": _row(DECIDERS, "alarm"),
    "operations": _row(DECIDERS),
    "operation_job": _row(ADMINS),
    "learning_export": _row(HERE, "export"),
    "learning_download": _row(HERE, "export"),
    "learning_withdrawn": _row(HERE, "export"),
    "learning_cleaned": _row(HERE, "export"),
    "message_setup_check": _row(ADMINS, "mail"),
    "manage_clinic_new": _row(DECIDERS),
    "manage_clinic": _row(HERE, "clinic"),
    "manage_person": _row(HERE, "ana"),
    "manage_deed": _row(HERE, "ana", "suspend"),
    "staff_message": _row(HERE, "message"),
    "staff_again": _row(HERE, "message"),
    "staff_told": _row(HERE, "message"),
    "manage_invitation": _row(HERE, "invitation"),
    "manage_invitation_withdraw": _row(HERE, "invitation"),
    "manage_invitation_again": _row(HERE, "invitation"),
    "model_plot": _row(frozenset(), "version", "roc"),  # of a version made by hand there is none
    "model_register": _row(DECIDERS),
    "model_check": _row(ADMINS, "check"),
    "model_override": _row(DECIDERS, "override"),
    "pack_pause": _row(DECIDERS, "skin"),
    "pack_resume": _row(DECIDERS, "skin"),
    "model_activate": _row(DECIDERS, "version"),
    "model_back": _row(DECIDERS, "version"),
}
API = {
    "api-token": _api(EVERYBODY),
    "api-nowhere": _api(frozenset()),
    "api-cases": _api(LOGGED_IN),
    "api-people": _api(PATIENTS),
    "api-case": _api(ANA | READERS, "case"),
    "api-photo": _api(ANA | READERS, "case", "photo"),
    "api-heatmap": _api(frozenset({"ruth"}), "case", "photo"),
    "api-messages": _api(ANA | READERS, "case"),
    "api-new-photo": _api(ANA, "case"),
    "api-news": _api(ANA, "case"),
    "api-withdraw": _api(ANA, "case"),
    "api-report": _api(ANA | READERS, "signed"),
    "api-archive": _api(ANA | READERS, "case"),
    "api-import": _api(DOCTORS),
    "api-claim": _api(READERS, "case"),
    "api-reading": _api(READERS, "case"),
    "api-reviews": _api(READERS, "case"),
    "api-review": _api(frozenset({"ruth"}), "signed", "review"),  # whose signature it is
    "api-worklist": _api(DOCTORS),
    "api-packs": _api(LOGGED_IN),
    "api-account": _api(LOGGED_IN),
    "api-consent": _api(LOGGED_IN, "messages"),
    "api-notices": _api(LOGGED_IN),
    "api-export": _api(PATIENTS),
    "api-numbers": _api(LOGGED_IN),
    **{f"api-number{part}": _api(ANA, "number") for part in ("", "-messages", "-code", "-confirm")},
    "api-reminder-kinds": _api(LOGGED_IN),
    "api-reminder-kind": _api(PATIENTS, "recheck"),
    "api-reminders": _api(PATIENTS),
    "api-reminder": _api(ANA, "nudge"),
    "api-visit": _api(ANA, "visit"),
    "api-lesions": _api(PATIENTS),
    "api-lesion": _api(ANA, "lesion"),
    "api-lesion-name": _api(ANA, "lesion"),
    "api-opinions": _api(READERS, "case"),
    "api-shares": _api(ANA | READERS, "case"),
    "api-share": _api(ANA | READERS, "case", "share"),
    "api-outcomes": _api(READERS, "signed"),
    "api-letters": _api(READERS, "signed"),
    "api-letter": _api(READERS, "letter"),
    "api-colleagues": _api(DOCTORS),
    "api-asked": _api(DOCTORS),
    "api-opinion": _api(READERS, "asked"),  # who asked is told that they cannot answer it
    "api-person": _api(CORA, "dee"),
    "api-person-consent": _api(CORA, "dee", "research"),
    "api-person-export": _api(CORA, "dee"),
}
# Lists are open to whoever is logged in, and hold what is theirs.
FHIR = {
    "api-fhir-metadata": _api(EVERYBODY),
    "api-fhir-nowhere": _api(frozenset()),
    "api-fhir-bundle": _api(ANA | READERS, "case"),
    "api-fhir-patient": _api(ANA | READERS, "ana_public"),
    "api-fhir-servicerequest": _api(ANA | READERS, "case"),
    "api-fhir-diagnosticreport": _api(ANA | READERS, "case"),
    "api-fhir-observation": _api(ANA | frozenset({"ruth"}), "case_check"),  # who has read it
    "api-fhir-media": _api(ANA | READERS, "photo"),
    "api-fhir-bodystructure": _api(ANA | READERS, "lesion"),
    "api-fhir-device": _api(ANA | READERS, "network"),
    "api-fhir-communication": _api(ANA | READERS, "case_said"),
    **{
        f"api-fhir-{kind}-list": _api(LOGGED_IN)
        for kind in (
            *("patient", "servicerequest", "diagnosticreport", "observation", "media"),
            *("bodystructure", "device", "communication"),
        )
    },
}
# For who develops Lentigo: there with DEBUG alone.
NOT_SERVED = {"styleguide": _row(frozenset()), "sample_photo": _row(frozenset(), 1)}

PARTS = {
    "open": OPEN,
    "secret": SECRET,
    "account": ACCOUNT,
    "patient": PATIENT,
    "doctor": DOCTOR,
    "admin": ADMIN,
    "api": API,
    "fhir": FHIR,
    "not served": NOT_SERVED,
}
TABLE = {name: row for part in PARTS.values() for name, row in part.items()}
