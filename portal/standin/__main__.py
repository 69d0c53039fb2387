"""``python -m portal.standin``: Twilio's place in the demo."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from portal import demo
from portal.standin.api import Account
from portal.standin.server import StandIn


def main() -> None:
    folder = Path(os.environ.get("DATA_DIR", ".lentigo"))
    parser = argparse.ArgumentParser(prog="python -m portal.standin", description=__doc__)
    add = parser.add_argument
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=8002)
    add("--state", type=Path, default=folder / "phones.jsonl", help="messages kept as JSON lines")
    add("--mail", type=Path, default=folder / "mail", help="where Django's file backend writes")
    add("--callback", default=os.environ.get("PUBLIC_URL", "http://localhost:8000"),
        help="the portal's public address, where replies go")  # fmt: skip
    add("--control", action="store_true", help="let tests order faults at /_control")
    options = parser.parse_args()
    account = Account(
        sid=os.environ.get("TWILIO_ACCOUNT_SID", ""),
        token=os.environ.get("TWILIO_AUTH_TOKEN", ""),
        sender=os.environ.get("TWILIO_WHATSAPP_FROM", ""),
        sms=os.environ.get("TWILIO_SMS_FROM", ""),
    )
    if not (account.sid and account.token):
        parser.error("TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN name the account it plays")
    stand_in = StandIn(
        account,
        portal=options.callback,
        host=options.host,
        port=options.port,
        state=options.state,
        mail=options.mail,
        names={person.e164: person.name for person in demo.PEOPLE},
        control=options.control,
    )
    try:
        stand_in.serve()
    except KeyboardInterrupt:
        stand_in.stop()


if __name__ == "__main__":
    main()
