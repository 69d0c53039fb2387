"""A refusal as Twilio words it."""

from __future__ import annotations

from typing import Any


class Refused(Exception):
    """A request Twilio would refuse, with its HTTP status and its own code."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    def body(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "message": str(self),
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }


def not_found() -> Refused:
    return Refused(404, 20404, "The requested resource was not found")
