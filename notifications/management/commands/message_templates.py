"""The templates to be made at Twilio and approved by WhatsApp, word for word."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from accounts.models import Clinic
from notifications.setup import templates


class Command(BaseCommand):
    help = "Print the templates to have approved, with their exact words; it asks nobody."

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        add("--full", action="store_true", help="with those that carry a doctor's answer whole")
        add("--missing", action="store_true", help="only those TWILIO_CONTENT_SIDS does not name")
        add("--json", action="store_true", help="one request for Twilio's Content API a line")

    def handle(self, *_: Any, full: bool, missing: bool, **options: Any) -> None:
        whole = full or Clinic.objects.filter(full_report=True).exists()
        for one in templates.wanted(whole=whole):
            if missing and one.sid and not one.shared:
                continue
            if options["json"]:
                self.stdout.write(json.dumps(one.request(), ensure_ascii=False))
            else:
                self.stdout.write(f"{one.key} ({one.category}, {one.language})\n{one.text}\n\n")
