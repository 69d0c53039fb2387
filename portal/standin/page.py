"""The page with everyone's phone, and the e-mails beside them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from itertools import groupby

from portal.standin.mailbox import Mail
from portal.standin.store import Message

_URL = re.compile(r"https?://[^\s<>\"]+")
STATUS = {
    "received": "",
    "queued": "on its way",
    "sent": "sent",
    "delivered": "delivered",
    "read": "read",
    "failed": "did not arrive",
    "undelivered": "did not arrive",
}

# What a message's sender sees of its way, as phones show it.
TICKS = {"sent": "✓", "delivered": "✓✓", "read": "✓✓"}

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Phones and e-mails – Lentigo</title>
<base target="_blank">
<link rel="stylesheet" href="/phones.css">
<script type="module" src="/phones.js"></script>
<noscript><meta http-equiv="refresh" content="4"></noscript>
</head>
<body>
<header>
<h1>Phones and e-mails</h1>
<p>What people would get. Nothing on this page has left this machine. A link opens in a tab of its
own, as it would beside the messages on a phone.</p>
</header>
<main id="panes" data-keys="{keys}">
{panes}
</main>
</body>
</html>
"""

_PHONE = """<section class="phone" aria-labelledby="{key}">
<header><span class="face" aria-hidden="true">{initial}</span>
<div><h2 id="{key}">{title}</h2><p>{spoken}</p></div></header>
<div class="device">
<p class="with"><strong>{sender}</strong> <span>{way}</span></p>
<div class="chat" id="{key}-chat" tabindex="0" role="log" aria-label="Messages"
data-live>{chat}</div>
<form method="post" action="/reply" target="_self">
<input type="hidden" name="number" value="{number}">
<label class="unseen" for="{key}-words">Reply</label>
<div><input id="{key}-words" name="body" maxlength="300" required autocomplete="off"
placeholder="Write back">{by}<button>Send</button></div>
</form>
<form class="words" method="post" action="/reply" target="_self" aria-label="Words that count">
<input type="hidden" name="number" value="{number}">
<button name="body" value="STOP">STOP</button>
<button name="body" value="START">START</button>
</form>
</div>
</section>"""

_NO_PHONE = """<section class="phone quiet"><header><h2>No messages yet</h2></header>
<p>A phone appears here with the first message to it.</p></section>"""


def page(messages: Sequence[Message], mails: Sequence[Mail], names: Mapping[str, str]) -> str:
    """Render the page: the phones of ``names`` in that order, then others, then the e-mails.

    A phone is there from the first message to it.
    """
    chats: dict[str, list[Message]] = {number: [] for number in names}
    for message in messages:
        chats.setdefault(message.number, []).append(message)
    phones = {number: rows for number, rows in chats.items() if rows}
    panes = [_phone(number, rows, names) for number, rows in phones.items()] or [_NO_PHONE]
    panes.append(_mails(mails))
    keys = " ".join(f"{number}/{len(_senders(rows))}" for number, rows in phones.items())
    return _PAGE.format(keys=escape(keys), panes="\n".join(panes))


def _phone(number: str, messages: Sequence[Message], names: Mapping[str, str]) -> str:
    name = names.get(number, "")
    days = groupby(messages, key=lambda message: _local(message.moment).date())
    chat = "".join(
        f'<p class="day">{day:%A} {day.day} {day:%B}</p>' + "".join(map(_bubble, rows))
        for day, rows in days
    )
    ways = dict.fromkeys("WhatsApp" if one.by_whatsapp else "SMS" for one in messages)
    return _PHONE.format(
        key=f"p{number.lstrip('+')}",
        number=escape(number),
        spoken=escape(_spoken(number)),
        title=escape(f"{name}’s phone" if name else "Somebody’s phone"),
        initial=escape(name.removeprefix("Dr ")[:1] or "?"),
        sender="The clinic",
        way=" and ".join(ways),
        chat=chat,
        by=_by(f"p{number.lstrip('+')}", messages),
    )


def _senders(messages: Sequence[Message]) -> list[str]:
    """Who has written to the phone, the last one first: a reply goes to one of them."""
    return list(dict.fromkeys(one.sender for one in reversed(messages) if not one.inbound))


def _by(key: str, messages: Sequence[Message]) -> str:
    """Which of them a reply goes to; no choice where there is only one."""
    senders = _senders(messages)
    if len(senders) < 2:
        return ""
    options = "".join(
        f'<option value="{escape(one)}">{"WhatsApp" if ":" in one else "SMS"}</option>'
        for one in senders
    )
    return f'<select id="{key}-way" name="to" aria-label="By">{options}</select>'


def _spoken(number: str) -> str:
    """With spaces, as people read numbers out: "+44 7700 900 101"."""
    country, rest = number[:3], number[3:]
    groups = [rest[:4], *(rest[at : at + 3] for at in range(4, len(rest), 3))]
    return " ".join([country, *filter(None, groups)])


def _bubble(message: Message) -> str:
    side = "mine" if message.inbound else "theirs"
    bad = " bad" if message.error_code else ""
    status = STATUS.get(message.status, message.status)
    code = f" (Twilio {message.error_code})" if message.error_code else ""
    way = "" if message.by_whatsapp else "SMS "
    ticks = TICKS.get(message.status, "")
    seen = " seen" if message.status == "read" else ""
    mark = f' <span class="ticks{seen}" aria-hidden="true">{ticks}</span>' if ticks else ""
    moment = _local(message.moment)
    return (
        f'<div class="bubble {side}{bad}"><p>{_linked(message.body)}</p>'
        f'<p class="fate"><time datetime="{moment.isoformat()}">{moment:%H:%M}</time>'
        f" {escape(way + status + code)}{mark}</p></div>"
    )


def _mails(mails: Sequence[Mail]) -> str:
    rows = "".join(map(_mail, mails)) or '<p class="empty">No e-mails yet.</p>'
    return (
        '<section class="mails" aria-labelledby="mails"><header><h2 id="mails">E-mails</h2>'
        f'</header><div id="mail-list" data-live>{rows}</div></section>'
    )


def _mail(mail: Mail) -> str:
    moment = _local(mail.at)
    return (
        f"<details><summary><strong>{escape(mail.subject)}</strong>"
        f'<span>to {escape(mail.to)}, <time datetime="{moment.isoformat()}">{moment:%H:%M}</time>'
        f"</span></summary><p>{_linked(mail.body.strip())}</p></details>"
    )


def _local(moment: datetime) -> datetime:
    return moment.astimezone()


def _linked(text: str) -> str:
    """Escape a text and turn the addresses in it into links."""
    parts, last = [], 0
    for found in _URL.finditer(text):
        url = escape(found[0].rstrip(".,"))
        parts += [escape(text[last : found.start()]), f'<a href="{url}">{url}</a>']
        last = found.start() + len(found[0].rstrip(".,"))
    return "".join([*parts, escape(text[last:])])
