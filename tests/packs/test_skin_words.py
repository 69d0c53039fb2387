"""What the skin pack says to people: calm, plain, and never an all-clear that no doctor gave."""

from __future__ import annotations

import re
from datetime import date

import pytest

from mlservice.packs import AnswerTemplate, Condition, Outcome, PackError, Step, load_pack

SKIN = load_pack("skin")
assert SKIN.lesson is not None
LESSON = SKIN.lesson
FILLED = {
    "doctor": "Dr Okafor",
    "due": "Tuesday 17:00",
    "label": SKIN.label("nv").plain,
    "signed": "Monday 9 March",
    "problem": SKIN.quality["blurred"].problem,
    "threshold": "80 %",
}
BY_COMPUTER = ("no_disease_green", "no_disease_amber", "harmless_green", "harmless_amber")
BEFORE_SIGNING = (
    *BY_COMPUTER,
    "harmful_named_amber",
    "red",
    "unscored",
    "not_judged",
    "no_lesion",
    "waiting",
    "held",
)


def said(outcome: Outcome, *, with_label: bool = True) -> str:
    """All a patient reads of an outcome, as one text."""
    parts = [outcome.headline, *outcome.body, *outcome.next_steps]
    return "\n".join([*parts, outcome.label_line] if with_label else parts)


def written(page: Condition) -> str:
    """All a reader finds on a condition's page, but for the names of its sources."""
    parts = [page.title, page.also, page.short, page.drawing.says, page.urgent_help]
    for section in page.sections:
        parts += [section.title, *section.text, *section.points]
    return "\n".join([*parts, *page.worry, *page.urgent])


def taught(step: Step) -> str:
    """All a reader finds on one step of the lesson."""
    parts = [step.part, step.title, *step.text, *step.points]
    parts += [step.drawing.says] if step.drawing else []
    for picture in step.pictures:
        parts += [picture.title, picture.text, picture.drawing.says]
    return "\n".join([*parts, *(f"{reply.text}\n{reply.feedback}" for reply in step.replies)])


def patient_texts() -> dict[str, str]:
    """Every text of the pack that a patient may read, by where it stands."""
    texts = {f"outcome {name}": said(outcome) for name, outcome in SKIN.outcomes.items()}
    for question in SKIN.questions:
        words = (question.text, question.hint, question.why, *(c.text for c in question.choices))
        texts[f"question {question.name}"] = "\n".join(words)
    texts |= {f"answer {each.name}": each.text for each in SKIN.templates}
    texts |= {f"quality {n}": "\n".join((q.problem, *q.advice)) for n, q in SKIN.quality.items()}
    texts |= {f"label {label.name}": label.plain for label in SKIN.labels}
    texts |= {f"site {site.name}": f"{site.group}\n{site.text}" for site in SKIN.sites}
    texts |= {f"photo {kind.name}": f"{kind.text}\n{kind.hint}" for kind in SKIN.photo_kinds}
    texts |= {f"page {page.name}": written(page) for page in SKIN.conditions}
    texts |= {f"lesson {step.name}": taught(step) for step in LESSON.steps}
    texts["lesson"] = "\n".join((LESSON.title, LESSON.short, *LESSON.intro, LESSON.limits))
    return texts | {"no label": SKIN.no_label, "intended use": SKIN.intended_use}


@pytest.mark.parametrize(
    ("name", "phrases"),
    {
        "no_disease_green": [
            "No disease found by the automatic check",
            "not sure enough (under 80 %) to name one of the conditions it knows",
            "This is not an all-clear.",
            "Dr Okafor will look at your photo by Tuesday 17:00.",
            "If the spot grows, changes colour, bleeds or itches, tell us now.",
        ],
        "no_disease_amber": [
            "The computer could not decide, so a doctor will",
            "Automatic check: no disease named (under 80 % sure).",
            "Answer by Tuesday 17:00.",
        ],
        "red": [
            "A doctor should look at this soon",
            "Your answers or your photo have signs we never leave to a computer.",
            "You are near the front of the queue.",
            "Answer by Tuesday 17:00.",
            "If it bleeds and won't stop, get urgent care.",
        ],
        "harmless_green": [
            "Automatic check: probably a common harmless growth",
            "not an all-clear",
            "Dr Okafor will look at your photo by Tuesday 17:00.",
        ],
        "unscored": ["The computer gave no view. A doctor looks by Tuesday 17:00"],
        "not_judged": [
            "The computer can't judge this photo: it may not show skin",
            "Nobody can say anything about the spot yet.",
            "Dr Okafor will look at your photo as it is by Tuesday 17:00.",
        ],
        "no_lesion": [
            "The computer finds no mark in this photo",
            "This is not an all-clear. The computer can miss a mark",
            "Dr Okafor will look at your photo as it is by Tuesday 17:00.",
            "Take it again with the mark in the middle, filling about a third of the picture",
        ],
        "photo_fails": [
            "We can't judge this photo: it is blurred",
            "Nobody can say anything about the spot yet.",
            "Please take it again like this, or send it to the doctor as it is.",
        ],
        "signed": ["Dr Okafor looked at your photo on Monday 9 March"],
    }.items(),
)
def test_the_wording_we_agreed_on_is_what_patients_read(name: str, phrases: list[str]) -> None:
    text = said(SKIN.outcomes[name].fill(**FILLED))
    assert [phrase for phrase in phrases if phrase not in text] == []


@pytest.mark.parametrize(("where", "text"), patient_texts().items())
def test_patients_read_no_bare_percentage_and_no_shouting(where: str, text: str) -> None:
    assert "%" not in text.replace("under 80 %", ""), where
    assert "!" not in text, where
    assert text.isascii(), f"{where}: an emoji or an odd character"


@pytest.mark.parametrize(("where", "text"), patient_texts().items())
def test_patients_read_short_sentences(where: str, text: str) -> None:
    sentences = re.split(r"(?<=[.:?])\s|\n", text)
    assert [s for s in sentences if len(s.split()) > 24] == [], where


@pytest.mark.parametrize("name", [*BY_COMPUTER, "harmful_named_amber"])
def test_a_result_of_the_computer_alone_is_not_an_all_clear(name: str) -> None:
    assert SKIN.not_an_all_clear == "This is not an all-clear."
    assert SKIN.not_an_all_clear in SKIN.outcomes[name].body


@pytest.mark.parametrize("name", BEFORE_SIGNING)
def test_until_a_doctor_signs_every_result_says_when_one_looks_and_when_to_hurry(name: str) -> None:
    text = said(SKIN.outcomes[name])
    assert "{doctor}" in text
    assert "{due}" in text
    assert "urgent care" in text


@pytest.mark.parametrize("name", ["not_judged", "no_lesion"])
def test_a_photo_without_anything_to_judge_is_no_good_news(name: str) -> None:
    """Nothing was found in the photo: that says nothing about the skin."""
    calming = r"healthy|harmless|no disease|normal|nothing wrong|fine|clear of|good|relax|probably"
    words = (said(SKIN.outcomes[name]), getattr(SKIN, name), SKIN.reasons["no_lesion"])
    assert [text for text in words if re.search(calming, text, re.IGNORECASE)] == []
    assert "Nobody can say anything" in words[0] or "nobody can say anything" in words[0]


@pytest.mark.parametrize("name", ["red", "harmful_named_amber"])
def test_an_urgent_result_never_reassures(name: str) -> None:
    outcome = SKIN.outcomes[name]
    text = said(outcome, with_label=False).lower()
    assert not re.search(r"harmless|no disease|probably|don't worry|\{label\}", text)
    assert "{label}" in outcome.label_line
    assert "Only the doctor's answer counts." in outcome.label_line


def test_the_small_line_reads_well_with_and_without_a_label() -> None:
    red = SKIN.outcomes["red"]
    named = red.fill(**FILLED | {"label": SKIN.label("mel").plain})
    unnamed = red.fill(**FILLED | {"label": SKIN.no_label.format(**FILLED)})
    assert "by a doctor: melanoma, a skin cancer." in named.label_line
    assert "by a doctor: no disease named (under 80 % sure)." in unnamed.label_line


def test_a_condition_is_never_the_headline() -> None:
    for outcome in SKIN.outcomes.values():
        assert "{label}" not in outcome.headline
        for label in SKIN.labels:
            assert label.title.lower() not in outcome.headline.lower()


def test_a_doctor_starts_the_sentence_so_that_a_doctor_fits_too() -> None:
    for name, outcome in SKIN.outcomes.items():
        for before in re.findall(r"(.{0,2})\{doctor\}", said(outcome)):
            assert before in {"", ". "}, f"{name}: {{doctor}} stands inside a sentence"


def test_harmless_is_said_of_harmless_labels_only() -> None:
    for label in SKIN.labels:
        says_harmless = label.plain.startswith("a common harmless growth: ")
        assert says_harmless is not label.harmful, label.name
        assert ("cancer" in label.plain) is label.harmful, label.name


def test_every_answer_says_a_person_looked_and_when_to_come_back() -> None:
    for answer in SKIN.templates:
        assert answer.text.startswith("I have looked at your photo."), answer.name
        assert re.search(r"\bif\b", answer.text, re.IGNORECASE), answer.name


def test_an_answer_about_a_harmful_label_ends_in_a_plan() -> None:
    harmful = {label.name for label in SKIN.labels if label.harmful}
    about_harm = [answer for answer in SKIN.templates if answer.label in harmful]
    assert {answer.label for answer in about_harm} == harmful
    for answer in about_harm:
        assert "No follow-up" not in answer.plan
        assert re.search(r"appointment|refer", answer.plan, re.IGNORECASE), answer.name


def test_the_intended_use_names_what_the_computer_cannot_do() -> None:
    for limit in (
        "never seen a healthy class",
        "phone photos",
        "non-commercial",
        "does not diagnose",
    ):
        assert re.search(limit.replace(" ", r"\s+"), SKIN.intended_use), limit


def test_filling_an_outcome_leaves_no_brace_and_says_what_is_missing() -> None:
    for outcome in SKIN.outcomes.values():
        assert "{" not in said(outcome.fill(**FILLED))
    with pytest.raises(PackError, match="due"):
        SKIN.outcomes["red"].fill(doctor="Dr Okafor", label="")


def test_a_name_with_braces_is_only_a_name() -> None:
    filled = SKIN.outcomes["waiting"].fill(doctor="Dr {due}", due="Tuesday")
    assert "Dr {due} will look at your photo by Tuesday" in said(filled)


# --- The pages to learn from ---------------------------------------------------------------------


@pytest.mark.parametrize("page", SKIN.conditions, ids=lambda page: page.name)
def test_a_page_to_learn_from_is_read_easily(page: Condition) -> None:
    sentences = [s.split() for s in re.split(r"(?<=[.:?])\s|\n", written(page)) if s.strip()]
    assert sum(map(len, sentences)) / len(sentences) < 12
    told = re.sub(r"[^a-z ]", "", written(page).lower()).split()
    assert sum(len(word) > 11 for word in told) / len(told) < 0.05, "too many long words"


@pytest.mark.parametrize("page", SKIN.conditions, ids=lambda page: page.name)
def test_every_page_says_when_to_worry_and_where_it_is_from(page: Condition) -> None:
    assert len(page.worry) >= 3
    assert "it bleeds and won't stop" in page.urgent
    assert len(page.sources) >= 3
    assert len({source.url for source in page.sources}) == len(page.sources)
    assert all(source.opened >= date(2026, 11, 26) for source in page.sources)


@pytest.mark.parametrize("text", [*map(written, SKIN.conditions), *map(taught, LESSON.steps)])
def test_nobody_is_told_that_they_are_well(text: str) -> None:
    assert not re.search(r"you are (healthy|well|fine)|don't worry|nothing to worry", text.lower())


def test_a_harmful_condition_is_never_called_harmless() -> None:
    for label in SKIN.labels:
        page = SKIN.condition(label.name)
        assert ("harmless" in written(page)) is not label.harmful, label.name
        assert ("cancer" in page.short) is label.harmful, label.name


def test_what_no_disease_means_is_told_honestly() -> None:
    text = written(SKIN.condition("no_disease"))
    for said in (
        "as a rule under 80 % sure",
        "It does not mean that there is nothing.",
        "Why it is not an all-clear",
        "never learned what healthy skin looks like",
        "many melanomas",
        "A doctor of your clinic looks at every photo",
    ):
        assert said in text, said


def test_the_lesson_counts_as_the_checklist_does_and_ends_in_what_to_do() -> None:
    assert SKIN.points is not None
    counted = [picture.points for step in LESSON.steps for picture in step.pictures]
    assert counted == [max(values.values()) for values in SKIN.points.weights.values()]
    letters = [step.title[0] for step in LESSON.steps if step.title[1:8] == " is for"]
    assert letters == list("ABCDE")
    assert "Send us a photo." in LESSON.steps[-1].text[1]
    assert LESSON.limits.startswith("This is not a diagnosis.")


@pytest.mark.parametrize("answer", [a for a in SKIN.templates if a.label], ids=lambda a: a.name)
def test_the_answers_to_start_from_name_what_they_diagnose(answer: AnswerTemplate) -> None:
    """Then the patient's page can link to what is said. One speaks of a growth in general."""
    named = SKIN.condition(answer.label).is_named_in(answer.text)
    assert named is (answer.name != "harmless_keratosis")
