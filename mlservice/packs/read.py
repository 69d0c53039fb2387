"""Reads a pack's folder, strictly: a pack that loads holds together.

A pack is ``pack.toml`` and, to keep texts apart from rules, any other ``*.toml`` beside it; each
top-level key stands in one of them. A folder in it, called by a language, holds its texts once more
(:mod:`mlservice.packs.translate`). Every fault raises :class:`PackError` naming file and key.
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Literal, cast

from mlservice.packs.bodymap import read_body
from mlservice.packs.model import (
    MODALITIES,
    AnswerTemplate,
    Choice,
    Glance,
    Label,
    Outcome,
    Pack,
    PackError,
    PhotoKind,
    Points,
    QualityReason,
    Question,
    Sign,
    Site,
    UrgencyRule,
)
from mlservice.packs.read_learning import read_asking, read_conditions, read_lesson
from mlservice.packs.table import Table, read_folder
from mlservice.packs.translate import translated

FOLDER = Path(__file__).parent

_WHO_AND_WHEN = frozenset({"doctor", "due"})
_WITH_LABEL = _WHO_AND_WHEN | {"label"}
_UNDER_THE_RULE = _WHO_AND_WHEN | {"threshold"}
OUTCOMES: Mapping[str, frozenset[str]] = {
    "waiting": _WHO_AND_WHEN,
    "held": _WHO_AND_WHEN,
    "unscored": _WHO_AND_WHEN,
    "no_disease_green": _UNDER_THE_RULE,
    "no_disease_amber": _UNDER_THE_RULE,
    "harmless_green": _WITH_LABEL,
    "harmless_amber": _WITH_LABEL,
    "harmful_named_amber": _WITH_LABEL,
    "red": _WITH_LABEL,
    "signed": frozenset({"doctor", "signed"}),
    "photo_fails": frozenset({"problem"}),
    "not_judged": _WHO_AND_WHEN,
    "no_lesion": _WHO_AND_WHEN,
    "withdrawn": frozenset(),
}
"""Every outcome a pack must word, and the placeholders its texts may hold."""

REASONS = frozenset(
    {
        "risk_r95",
        "risk_r99",
        "out_of_distribution",
        "unstable",
        "modality_unproven",
        "modality_mismatch",
        "not_skin",
        "no_lesion",
        "photo_quality",
        "points_urgent",
        "safety_question_unanswered",
    }
)
"""The reason codes that engine and triage give by themselves; each needs words for doctors."""


def available_packs() -> list[str]:
    """Names of the packs on disk, sorted."""
    return sorted(p.parent.name for p in FOLDER.glob("*/pack.toml"))


def languages_of(name: str) -> list[str]:
    """The languages a pack's texts are translated into, sorted; its own is not among them."""
    return sorted(p.parent.name for p in (FOLDER / name).glob("*/pack.toml"))


@cache
def load_pack(name: str, language: str = "") -> Pack:
    """The pack called ``name``, checked whole; raises :class:`PackError` with what is wrong.

    ``language`` is one of the browser's codes, "es" or "es-mx": the texts are in it if the pack
    has them, else in the language the pack was written in. All but the texts is always the same.
    """
    if name not in available_packs():
        raise PackError(f"There is no pack {name!r}; there are: {', '.join(available_packs())}.")
    spoken = language.partition("-")[0]
    return _load(name, spoken if spoken in languages_of(name) else "")


@cache
def _load(name: str, language: str) -> Pack:
    return read_pack(FOLDER / name, language)


def read_pack(folder: Path, language: str = "") -> Pack:
    """The pack in ``folder``, checked whole and named after it; raises :class:`PackError`."""
    top = read_folder(folder)
    if language:
        top = translated(top, read_folder(folder / language))
    labels = tuple(_label(t) for t in top.tables("labels"))
    top.distinct("labels", [label.name for label in labels])
    top.distinct("labels", [label.key for label in labels], "key")
    questions = tuple(_question(t) for t in top.tables("questions"))
    top.distinct("questions", [question.name for question in questions])
    urgency = tuple(_urgency_rule(t, questions) for t in top.tables("urgency", optional=True))
    sites = tuple(_site(t) for t in top.tables("sites"))
    top.distinct("sites", [site.name for site in sites])
    points = _points(top.table("points"), questions) if top.has("points") else None
    pack = Pack(
        name=folder.name,
        title=top.text("title"),
        version=top.text("version"),
        intended_use=top.text("intended_use"),
        not_an_all_clear=top.text("not_an_all_clear"),
        no_label=_filled(top, "no_label", top.text("no_label"), frozenset({"threshold"})),
        not_judged=top.text("not_judged"),
        no_lesion=top.text("no_lesion"),
        labels=labels,
        sites=sites,
        photo_kinds=tuple(_photo_kind(t) for t in top.tables("photo_kinds")),
        questions=questions,
        points=points,
        urgency=urgency,
        outcomes=_outcomes(top.table("outcomes")),
        reasons=_reasons(top.table("reasons"), urgency),
        modalities=_modalities(top),
        quality={name: _quality(t) for name, t in top.table("quality").named_tables().items()},
        conditions=read_conditions(top, folder, labels),
        lesson=read_lesson(top, folder, points),
        asking=read_asking(top.table("asking"), folder),
        templates=tuple(_template(t, labels) for t in top.tables("templates", optional=True)),
        body=read_body(top.tables("body", optional=True), sites),
        glance=_glance(top.table("glance")) if top.has("glance") else Glance(),
    )
    top.nothing_else()
    _check_whole(top, pack)
    return pack


def _label(t: Table) -> Label:
    label = Label(
        name=t.name("name"),
        title=t.text("title"),
        plain=t.text("plain"),
        kind=cast('Literal["harmful", "harmless"]', t.one_of("kind", ("harmful", "harmless"))),
        key=t.text("key"),
        codes=t.text_map("codes"),
    )
    return t.all_of_it(label)


def _site(t: Table) -> Site:
    group = t.text("group", default="")
    site = Site(name=t.name("name"), text=t.text("text"), group=group, codes=t.text_map("codes"))
    return t.all_of_it(site)


def _photo_kind(t: Table) -> PhotoKind:
    kind = PhotoKind(
        name=t.name("name"),
        text=t.text("text"),
        hint=t.text("hint"),
        scored=t.flag("scored"),
        modality=t.one_of("modality", MODALITIES),
    )
    return t.all_of_it(kind)


def _question(t: Table) -> Question:
    kind = t.one_of("kind", ("choice", "choices", "text"))
    choices = tuple(_choice(c) for c in t.tables("choices", optional=True))
    if (kind == "text") == bool(choices):
        t.fail("choices", "belong to the kinds 'choice' and 'choices', and these need them")
    t.distinct("choices", [c.value for c in choices], "value")
    question = Question(
        name=t.name("name"),
        text=t.text("text"),
        why=t.text("why"),
        kind=cast('Literal["choice", "choices", "text"]', kind),
        choices=choices,
        safety=t.flag("safety", default=False),
        hint=t.text("hint", default=""),
        short=t.text("short"),
        picture=t.name("picture") if t.has("picture") else "",
        subgroup=t.flag("subgroup", default=False),
    )
    if question.subgroup and kind != "choice":
        t.fail("subgroup", "belongs to the kind 'choice': each case is in one group")
    return t.all_of_it(question)


def _choice(t: Table) -> Choice:
    choice = Choice(
        t.name("value"),
        t.text("text"),
        t.flag("unknown", default=False),
        t.colour("tone") if t.has("tone") else "",
    )
    return t.all_of_it(choice)


def _points(t: Table, questions: Sequence[Question]) -> Points:
    weights: dict[str, dict[str, int]] = {}
    table = t.table("weights")
    for name, row in table.named_tables().items():
        _check_answers(table, name, row.names, questions)
        weights[name] = {value: row.integer(value) for value in row.names}
    points = Points(
        name=t.text("name"),
        source=t.text("source"),
        urgent_from=t.integer("urgent_from"),
        weights=weights,
    )
    return t.all_of_it(points)


def _urgency_rule(t: Table, questions: Sequence[Question]) -> UrgencyRule:
    when_table = t.table("when")
    when = {name: when_table.texts(name) for name in when_table.names}
    for name, values in when.items():
        _check_answers(when_table, name, values, questions)
    if not when:
        t.fail("when", "is empty, and would match every case")
    rule = UrgencyRule(
        code=t.name("code"),
        text=t.text("text"),
        tier=cast('Literal["amber", "red"]', t.one_of("tier", ("amber", "red"))),
        when=when,
    )
    return t.all_of_it(rule)


def _check_answers(
    t: Table, question: str, values: Sequence[str], questions: Sequence[Question]
) -> None:
    """A rule may only speak of a question and of answers that the patient can really give."""
    known = next((q for q in questions if q.name == question), None)
    if known is None:
        t.fail(question, "is not a question of this pack")
    for value in values:
        if value not in {c.value for c in known.choices}:
            t.fail(question, f"cannot be answered {value!r}")


def _outcomes(t: Table) -> dict[str, Outcome]:
    outcomes = {}
    for name, allowed in OUTCOMES.items():
        row = t.table(name)
        outcome = Outcome(
            headline=_filled(row, "headline", row.text("headline"), allowed),
            body=tuple(_filled(row, "body", text, allowed) for text in row.texts("body")),
            next_steps=tuple(
                _filled(row, "next_steps", text, allowed)
                for text in row.texts("next_steps", optional=True)
            ),
            label_line=_filled(row, "label_line", row.text("label_line", default=""), allowed),
        )
        outcomes[name] = row.all_of_it(outcome)
    t.nothing_else()
    return outcomes


def _filled(t: Table, key: str, text: str, allowed: frozenset[str]) -> str:
    """``text`` unchanged, once its placeholders are known to be ones that will be filled."""
    try:
        names = [name for _, name, _, _ in string.Formatter().parse(text) if name is not None]
    except ValueError as fault:
        t.fail(key, f"has a stray brace ({fault})")
    for name in names:
        if name not in allowed:
            t.fail(key, f"may not hold {{{name}}}; allowed: {', '.join(sorted(allowed))}")
    return text


def _reasons(t: Table, urgency: Sequence[UrgencyRule]) -> dict[str, str]:
    reasons = {code: t.text(code) for code in sorted(REASONS)}
    t.nothing_else()
    for rule in urgency:
        if rule.code in reasons:
            t.fail(rule.code, "is given twice")
        reasons[rule.code] = rule.text
    return reasons


def _modalities(top: Table) -> dict[str, str]:
    """Words for each kind of picture that may be sent, and for what is no picture of a mark."""
    kinds = {t.text("modality") for t in top.tables("photo_kinds")}
    t = top.table("modalities")
    words = {name: t.text(name) for name in sorted(kinds | {"not_skin", "no_lesion"})}
    t.nothing_else()
    return words


def _quality(t: Table) -> QualityReason:
    return t.all_of_it(QualityReason(t.text("problem"), t.texts("advice")))


def _glance(t: Table) -> Glance:
    names = ("strange", "misplaced")
    signs = {name: _sign(t.table(name)) for name in names if t.has(name)}
    return t.all_of_it(Glance(**signs))


def _sign(t: Table) -> Sign:
    return t.all_of_it(Sign(t.name("code"), t.number("bias"), t.numbers("weights")))


def _template(t: Table, labels: Sequence[Label]) -> AnswerTemplate:
    label = t.text("label", default="")
    if label and label not in {known.name for known in labels}:
        t.fail("label", f"{label!r} is not a label of this pack")
    template = AnswerTemplate(
        name=t.name("name"),
        title=t.text("title"),
        label=label,
        advice=t.text("advice"),
        plan=t.text("plan"),
        recheck_days=t.integer("recheck_days") if t.has("recheck_days") else None,
        text=t.text("text"),
    )
    return t.all_of_it(template)


def _check_whole(top: Table, pack: Pack) -> None:
    """What only shows when the whole pack is looked at."""
    top.distinct("photo_kinds", [kind.name for kind in pack.photo_kinds])
    top.distinct("templates", [template.name for template in pack.templates])
    top.distinct("body", [view.name for view in pack.body])
    if not any(label.harmful for label in pack.labels):
        top.fail("labels", "has no harmful label, so no case could ever be urgent")
    for sign in (pack.glance.strange, pack.glance.misplaced):
        if sign and sign.code not in pack.quality:
            top.fail("glance", f"there are no words for {sign.code!r} under quality")
    if not any(kind.scored for kind in pack.photo_kinds):
        top.fail("photo_kinds", "has none that is scored")
