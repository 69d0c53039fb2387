"""The people, logins and answers of the demo: made-up, never made outside of it (``DEMO=1``).

The telephone numbers are of the range Ofcom keeps for films and plays. No Django here: the
supervisor prints the logins too.
"""

from __future__ import annotations

from dataclasses import dataclass

PASSWORD = "lentigo-demo"  # noqa: S105 - printed at every start, and refused without DEMO=1
# Of the second step of the demo's staff, all of them: the page that asks for a code shows it.
SECRET = "LENTIGODEMOLENTIGODEMOLENTIGODEM"  # noqa: S105 - published as the password is
CLINIC = "Lentigo Demo Clinic"
SECOND_CLINIC = "Harbour Skin Clinic"


@dataclass(frozen=True, slots=True)
class Person:
    """``role`` is one of accounts' roles; ``clinic`` is empty for a patient without one yet."""

    name: str
    email: str
    e164: str
    role: str = "patient"
    clinic: str = CLINIC
    what: str = ""  # beside the login, where it is printed


ADMIN = Person("Noor Haddad", "admin@demo.lentigo", "+447700900010", "admin", what="Admin")
DOCTOR = Person("Dr Ruth Okafor", "doctor@demo.lentigo", "+447700900001", "doctor", what="Doctor")
PATIENT = Person("Ana Duarte", "patient@demo.lentigo", "+447700900101", what="Patient")
SECOND_DOCTOR = Person(
    "Dr Tomas Lind", "second@demo.lentigo", "+447700900002", "doctor", what="Second doctor"
)
OTHER_DOCTOR = Person(
    "Dr Mei Tan",
    "harbour@demo.lentigo",
    "+447700900003",
    "doctor",
    SECOND_CLINIC,
    "Doctor of another clinic",
)
# Those whose logins are shown; the others fill the worklist.
LOGINS = (PATIENT, DOCTOR, SECOND_DOCTOR, ADMIN, OTHER_DOCTOR)
OTHER_PATIENTS = tuple(
    Person(name, f"{name.split(' ', maxsplit=1)[0].lower()}@demo.lentigo", f"+4477009002{n:02}")
    for n, name in enumerate(
        ("Bilal Khan", "Chloe Martin", "Dev Patel", "Elena Rossi", "Femi Adeyemi", "Grace Lee"), 1
    )
)
PEOPLE = (*LOGINS, *OTHER_PATIENTS)
# They agree that the next model learns from their pictures.
RESEARCHED = OTHER_PATIENTS[::2]
# Without a login of their own: the patient looks after them.
CHILD = "Leo Duarte"
# What the sender of the case with this number asks.
QUESTIONS = {4: "It has bled twice since Sunday. Should I come in before you answer?"}
# In the data folder while the demo's past waits to be signed (portal/past.py).
PAST_WAITS = "past-waits"

# What people answer, from nothing at all to the signs that make a case urgent.
CALM = {
    "duration": "always",
    "change_size": "no",
    "irregular_shape": "no",
    "irregular_colour": "no",
    "diameter": "no",
    "inflamed": "no",
    "bleeding": "no",
    "sensation": "no",
    "skin_type": "iii",
}
ANSWERS: tuple[dict[str, str], ...] = (
    CALM,
    CALM | {"duration": "over_year", "own_history": "no", "family_history": "yes"},
    {},
    CALM | {"sensation": "yes", "duration": "under_year", "skin_type": "ii"},
    CALM | {"change_size": "yes", "irregular_colour": "yes", "bleeding": "oozes"},
    CALM | {"skin_type": "v", "change_size": "not_sure"},
)
OTHER_ANSWERS = {
    "chest": {
        "age": "one_to_five",
        "lips": "no",
        "breathing": "usual",
        "drinking": "usual",
        "fever": "some",
        "days_ill": "three_to_seven",
        "at_risk": "no",
    },
}
SITES = ("back", "lower_extremity", "face", "upper_extremity", "chest", "abdomen", "hand")
