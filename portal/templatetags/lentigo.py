"""Template tags and filters that every page may use without loading them.

Each block tag draws one piece of the design system; its template under ``components/`` lists
its parameters. All of them stand together on ``/styleguide/``.
"""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlsplit

from django import template
from django.conf import settings
from django.forms import BoundField
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts import sessions
from portal import icons, navigation, speech

register = template.Library()

Context = dict[str, object]

register.filter("day", speech.day)
register.filter("percent_floor", speech.percent_floor)
register.filter("seconds", speech.seconds)
register.filter("tier_name", speech.tier_name)
register.filter("tier_meaning", speech.tier_meaning)


@register.filter
def when(moment: datetime | None) -> str:
    """ "Tuesday 24 November, 17:00"; nothing for no moment."""
    return speech.when(moment) if moment else ""


@register.filter
def device(user_agent: str) -> str:
    """ "Firefox on Windows"."""
    return sessions.device(user_agent)


register.filter("in_force", sessions.in_force)


@register.filter
def short_when(moment: datetime | None) -> str:
    return speech.short_when(moment) if moment else ""


@register.filter
def in_time(moment: datetime | None) -> str:
    """ "in two days" as a time element that carries the exact moment."""
    if not moment:
        return ""
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(timespec="seconds"),
        speech.when(moment),
        speech.in_time(moment),
    )


@register.simple_tag(takes_context=True)
def nav_links(context: template.Context) -> list[navigation.Link]:
    """The pages of the reader's role, the current one marked."""
    return navigation.for_user(context["user"], context["request"].path)


@register.simple_tag
def account_links() -> list[navigation.Link]:
    return navigation.account()


@register.simple_tag(takes_context=True)
def here(context: template.Context) -> str:
    """The address to come back to: of this page, or of the form that was just sent."""
    request = context["request"]
    form = urlsplit(request.headers.get("Referer", ""))
    if request.method in {"GET", "HEAD"} or form.netloc != request.get_host():
        return str(request.get_full_path())
    return f"{form.path}?{form.query}" if form.query else form.path


@register.simple_tag
def languages() -> list[tuple[str, str]]:
    """The languages there are, each with its own name."""
    return list(settings.LANGUAGES)


@register.simple_tag
def icon(name: str) -> SafeString:
    """A line icon of portal/icons.py; an unknown name is a KeyError, not a gap on the page."""
    return icons.draw(name)


@register.inclusion_tag("components/field.html")
def field(
    bound: BoundField, *, label: str = "", hint: str | None = None, **options: object
) -> Context:
    """{% field form.name hint="…" %}: label, hint, error and widget, wired for screen readers.

    A label or hint given here replaces the form's own, also for the widget's aria-describedby;
    an empty hint takes the form's away. Placeholders go: the label says it, and stays.
    """
    if label:
        relabel(bound, label)
    if hint is not None:
        bound.help_text = hint
    bound.field.widget.attrs.pop("placeholder", None)
    return {"field": bound, **options}


@register.simple_tag
def relabel(bound: BoundField, label: str) -> str:
    """{% relabel form.login "E-mail address" %}: our word for a library's field, from here on.

    Said before the summary of errors, which names the fields too.
    """
    bound.label = label
    return ""


@register.inclusion_tag("components/button.html")
def button(label: str, **options: object) -> Context:
    """{% button "Send" %}, {% button "Start" href=url kind="quiet" icon="camera" %}"""
    return {"label": label, **options}


@register.simple_block_tag
def fold(content: SafeString, summary: str, *, open: bool = False, id: str = "") -> str:  # noqa: A002 - HTML's own words
    """{% fold "What the computer saw" %}…{% endfold %}"""
    return render_to_string(
        "components/fold.html", {"body": content, "summary": summary, "open": open, "id": id}
    )


@register.simple_block_tag
def answer(content: SafeString, headline: str, *, tone: str = "neutral", mark: str = "") -> str:
    """{% answer "A doctor should look at this soon" tone="red" %}…{% endanswer %}"""
    return render_to_string(
        "components/answer.html",
        {"body": content, "headline": headline, "tone": tone, "mark": mark},
    )


@register.simple_block_tag
def dialog(content: SafeString, id: str, title: str) -> str:  # noqa: A002 - HTML's own word
    """{% dialog "withdraw" "Withdraw this case?" %}…{% enddialog %}"""
    return render_to_string("components/dialog.html", {"body": content, "id": id, "title": title})


@register.simple_block_tag
def chart(content: SafeString, title: str, *, source: str = "") -> str:
    """{% chart "Answers by weekday" source="…" %}<svg…>{% endchart %}"""
    return render_to_string(
        "components/chart.html", {"body": content, "title": title, "source": source}
    )
