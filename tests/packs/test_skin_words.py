"""What the skin pack says to people: calm, plain, and never an all-clear that no doctor gave."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

import pytest

from mlservice.packs import (
    AnswerTemplate,
    Condition,
    Lesson,
    Outcome,
    Pack,
    PackError,
    Step,
    load_pack,
)


@dataclass(frozen=True)
class Language:
    """A pack in one language, and the words by which a test knows what is said."""

    pack: Pack
    letters: str  # beyond those of English
    sure: str  # the only percentage a patient reads, and what stands around it
    long_sentence: int  # in words; Spanish says the same with more of them
    long_word: int  # in letters
    all_clear: str
    urgent_care: str
    calming: str
    nobody_can_say: str
    reassuring: str
    only_the_doctor: str
    growth: str
    harmless: str
    cancer: str
    looked: str
    come_back: str
    no_follow_up: str
    next_step: str
    bleeds_on: str
    you_are_well: str
    filled: dict[str, str]

    @property
    def lesson(self) -> Lesson:
        assert self.pack.lesson is not None
        return self.pack.lesson


SKIN = load_pack("skin")
assert SKIN.lesson is not None
LESSON = SKIN.lesson
ENGLISH = Language(
    SKIN,
    letters="",
    sure="under 80 %",
    long_sentence=24,
    long_word=11,
    all_clear="This is not an all-clear.",
    urgent_care="urgent care",
    calming=r"healthy|harmless|no disease|normal|nothing wrong|fine|clear of|good|relax|probably",
    nobody_can_say="nobody can say anything",
    reassuring=r"harmless|no disease|probably|don't worry|\{label\}",
    only_the_doctor="Only the doctor's answer counts.",
    growth="a common harmless growth: ",
    harmless="harmless",
    cancer="cancer",
    looked="I have looked at your photo.",
    come_back=r"\bif\b",
    no_follow_up="No follow-up",
    next_step=r"appointment|refer",
    bleeds_on="it bleeds and won't stop",
    you_are_well=r"you are (healthy|well|fine)|don't worry|nothing to worry",
    filled={
        "doctor": "Dr Okafor",
        "due": "Tuesday 17:00",
        "label": SKIN.label("nv").plain,
        "signed": "Monday 9 March",
        "problem": SKIN.quality["blurred"].problem,
        "threshold": "80 %",
    },
)
PIEL = load_pack("skin", "es")
SPANISH = Language(
    PIEL,
    letters="áéíóúüñÁÉÍÓÚÑ¿",
    sure="menos del 80 %",
    long_sentence=28,
    long_word=12,
    all_clear="Esto no significa que todo esté bien.",
    urgent_care="atención urgente",
    calming=r"\bsan[oa]|inofensiv|ninguna enfermedad|normal|nada malo|tranquil|buen[oa]|probable",
    nobody_can_say="nadie puede decir nada",
    reassuring=r"inofensiv|ninguna enfermedad|probable|no se preocupe|\{label\}",
    only_the_doctor="Solo cuenta la respuesta del médico.",
    growth="un crecimiento común e inofensivo: ",
    harmless="inofensiv",
    cancer="cáncer",
    looked="He mirado su foto.",
    come_back=r"\bsi\b",
    no_follow_up="Sin seguimiento",
    next_step=r"cita|deriva",
    bleeds_on="sangra y no para",
    you_are_well=r"(usted está|está usted) (san|bien)|no se preocupe|nada de qué preocuparse",
    filled={
        "doctor": "Dr Okafor",
        "due": "martes 24 de noviembre, 17:00",
        "label": PIEL.label("nv").plain,
        "signed": "lunes 9 de marzo",
        "problem": PIEL.quality["blurred"].problem,
        "threshold": "80 %",
    },
)
LANGUAGES = [ENGLISH, SPANISH]
FILLED = ENGLISH.filled
in_every_language = pytest.mark.parametrize("words", LANGUAGES, ids=["en", "es"])
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


def patient_texts(words: Language) -> dict[str, str]:
    """Every text of the pack that a patient may read, by where it stands."""
    pack, lesson = words.pack, words.lesson
    texts = {f"outcome {name}": said(outcome) for name, outcome in pack.outcomes.items()}
    for question in pack.questions:
        asked = (question.text, question.hint, question.why, *(c.text for c in question.choices))
        texts[f"question {question.name}"] = "\n".join(asked)
    texts |= {f"answer {each.name}": each.text for each in pack.templates}
    texts |= {f"quality {n}": "\n".join((q.problem, *q.advice)) for n, q in pack.quality.items()}
    texts |= {f"label {label.name}": label.plain for label in pack.labels}
    texts |= {f"site {site.name}": f"{site.group}\n{site.text}" for site in pack.sites}
    texts |= {f"photo {kind.name}": f"{kind.text}\n{kind.hint}" for kind in pack.photo_kinds}
    texts |= {f"page {page.name}": written(page) for page in pack.conditions}
    texts |= {f"lesson {step.name}": taught(step) for step in lesson.steps}
    texts |= {f"figure {view.name}": view.text for view in pack.body}
    texts["lesson"] = "\n".join((lesson.title, lesson.short, *lesson.intro, lesson.limits))
    return texts | {"no label": pack.no_label, "intended use": pack.intended_use}


every_text = pytest.mark.parametrize(
    ("words", "where", "text"),
    [(words, *each) for words in LANGUAGES for each in patient_texts(words).items()],
)


@pytest.mark.parametrize(
    ("name", "phrases"),
    {
        "no_disease_green": [
            "La comprobación automática no encontró ninguna enfermedad",
            "no estaba lo bastante segura (menos del 80 %) para nombrar una",
            "Esto no significa que todo esté bien.",
            "Dr Okafor mirará su foto a más tardar el martes 24 de noviembre, 17:00.",
            "Si la mancha crece, cambia de color, sangra o pica, avísenos ahora.",
        ],
        "no_disease_amber": [
            "La computadora no pudo decidir, así que decidirá un médico",
            "ninguna enfermedad nombrada (menos del 80 % de seguridad).",
        ],
        "red": [
            "Un médico debería mirar esto pronto",
            "señales que nunca dejamos en manos de una computadora.",
            "Usted está entre los primeros de la lista.",
            "Si sangra y no para, busque atención urgente.",
        ],
        "harmless_green": ["probablemente un crecimiento común e inofensivo"],
        "no_lesion": ["Esto no significa que todo esté bien. A la computadora se le puede escapar"],
        "photo_fails": ["No podemos valorar esta foto: está borrosa"],
        "signed": ["Dr Okafor miró su foto el lunes 9 de marzo"],
    }.items(),
)
def test_the_same_is_said_in_spanish(name: str, phrases: list[str]) -> None:
    text = said(PIEL.outcomes[name].fill(**SPANISH.filled))
    assert [phrase for phrase in phrases if phrase not in text] == []


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


@every_text
def test_patients_read_no_bare_percentage_and_no_shouting(
    words: Language, where: str, text: str
) -> None:
    assert "%" not in text.replace(words.sure, ""), where
    assert "!" not in text, where
    assert "¡" not in text, where
    odd = [letter for letter in text if not letter.isascii() and letter not in words.letters]
    assert odd == [], f"{where}: an emoji or an odd character"


@every_text
def test_patients_read_short_sentences(words: Language, where: str, text: str) -> None:
    sentences = re.split(r"(?<=[.:?])\s|\n", text)
    assert [s for s in sentences if len(s.split()) > words.long_sentence] == [], where


@in_every_language
@pytest.mark.parametrize("name", [*BY_COMPUTER, "harmful_named_amber"])
def test_a_result_of_the_computer_alone_is_not_an_all_clear(words: Language, name: str) -> None:
    assert words.pack.not_an_all_clear == words.all_clear
    assert words.pack.not_an_all_clear in words.pack.outcomes[name].body


@in_every_language
@pytest.mark.parametrize("name", BEFORE_SIGNING)
def test_until_a_doctor_signs_every_result_says_when_one_looks_and_when_to_hurry(
    words: Language, name: str
) -> None:
    text = said(words.pack.outcomes[name])
    assert "{doctor}" in text
    assert "{due}" in text
    assert words.urgent_care in text


@in_every_language
@pytest.mark.parametrize("name", ["not_judged", "no_lesion"])
def test_a_photo_without_anything_to_judge_is_no_good_news(words: Language, name: str) -> None:
    """Nothing was found in the photo: that says nothing about the skin."""
    pack = words.pack
    texts = [said(pack.outcomes[name]), getattr(pack, name), pack.reasons["no_lesion"]]
    texts = [text.replace(words.all_clear, "") for text in texts]
    assert [text for text in texts if re.search(words.calming, text, re.IGNORECASE)] == []
    assert words.nobody_can_say in texts[0].lower()


@in_every_language
@pytest.mark.parametrize("name", ["red", "harmful_named_amber"])
def test_an_urgent_result_never_reassures(words: Language, name: str) -> None:
    outcome = words.pack.outcomes[name]
    text = said(outcome, with_label=False).lower()
    assert not re.search(words.reassuring, text)
    assert "{label}" in outcome.label_line
    assert words.only_the_doctor in outcome.label_line


def test_the_small_line_reads_well_with_and_without_a_label() -> None:
    red = SKIN.outcomes["red"]
    named = red.fill(**FILLED | {"label": SKIN.label("mel").plain})
    unnamed = red.fill(**FILLED | {"label": SKIN.no_label.format(**FILLED)})
    assert "by a doctor: melanoma, a skin cancer." in named.label_line
    assert "by a doctor: no disease named (under 80 % sure)." in unnamed.label_line


@in_every_language
def test_a_condition_is_never_the_headline(words: Language) -> None:
    for outcome in words.pack.outcomes.values():
        assert "{label}" not in outcome.headline
        for label in words.pack.labels:
            assert label.title.lower() not in outcome.headline.lower()


@in_every_language
def test_a_doctor_starts_the_sentence_so_that_a_doctor_fits_too(words: Language) -> None:
    for name, outcome in words.pack.outcomes.items():
        for before in re.findall(r"(.{0,2})\{doctor\}", said(outcome)):
            assert before in {"", ". "}, f"{name}: {{doctor}} stands inside a sentence"


@in_every_language
def test_harmless_is_said_of_harmless_labels_only(words: Language) -> None:
    for label in words.pack.labels:
        says_harmless = label.plain.startswith(words.growth)
        assert says_harmless is not label.harmful, label.name
        assert (words.cancer in label.plain) is label.harmful, label.name


@in_every_language
def test_every_answer_says_a_person_looked_and_when_to_come_back(words: Language) -> None:
    for answer in words.pack.templates:
        assert answer.text.startswith(words.looked), answer.name
        assert re.search(words.come_back, answer.text, re.IGNORECASE), answer.name


@in_every_language
def test_an_answer_about_a_harmful_label_ends_in_a_plan(words: Language) -> None:
    harmful = {label.name for label in words.pack.labels if label.harmful}
    about_harm = [answer for answer in words.pack.templates if answer.label in harmful]
    assert {answer.label for answer in about_harm} == harmful
    for answer in about_harm:
        assert words.no_follow_up not in answer.plan
        assert re.search(words.next_step, answer.plan, re.IGNORECASE), answer.name


@pytest.mark.parametrize(
    ("words", "limit"),
    [
        (ENGLISH, "never seen a healthy class"),
        (ENGLISH, "phone photos"),
        (ENGLISH, "non-commercial"),
        (ENGLISH, "does not diagnose"),
        (SPANISH, "Nunca ha visto una clase sana"),
        (SPANISH, "fotos de teléfono"),
        (SPANISH, "no comerciales"),
        (SPANISH, "No diagnostica"),
    ],
)
def test_the_intended_use_names_what_the_computer_cannot_do(words: Language, limit: str) -> None:
    assert limit in re.sub(r"\s+", " ", words.pack.intended_use)


def test_filling_an_outcome_leaves_no_brace_and_says_what_is_missing() -> None:
    for words in LANGUAGES:
        for outcome in words.pack.outcomes.values():
            assert "{" not in said(outcome.fill(**words.filled))
    with pytest.raises(PackError, match="due"):
        SKIN.outcomes["red"].fill(doctor="Dr Okafor", label="")


def test_a_name_with_braces_is_only_a_name() -> None:
    filled = SKIN.outcomes["waiting"].fill(doctor="Dr {due}", due="Tuesday")
    assert "Dr {due} will look at your photo by Tuesday" in said(filled)


# --- The pages to learn from ---------------------------------------------------------------------


every_page = pytest.mark.parametrize(
    ("words", "page"),
    [
        pytest.param(words, page, id=f"{page.name}-{i}")
        for i, words in enumerate(LANGUAGES)
        for page in words.pack.conditions
    ],
)


@every_page
def test_a_page_to_learn_from_is_read_easily(words: Language, page: Condition) -> None:
    sentences = [s.split() for s in re.split(r"(?<=[.:?])\s|\n", written(page)) if s.strip()]
    assert sum(map(len, sentences)) / len(sentences) < words.long_sentence / 2
    told = re.sub(r"[^\w ]", "", written(page).lower()).split()
    long = [word for word in told if len(word) > words.long_word]
    assert len(long) / len(told) < 0.05, f"too many long words: {long}"


@every_page
def test_every_page_says_when_to_worry_and_where_it_is_from(
    words: Language, page: Condition
) -> None:
    assert len(page.worry) >= 3
    assert words.bleeds_on in page.urgent
    assert len(page.sources) >= 3
    assert len({source.url for source in page.sources}) == len(page.sources)
    assert all(source.opened >= date(2026, 11, 26) for source in page.sources)


@in_every_language
def test_nobody_is_told_that_they_are_well(words: Language) -> None:
    texts = [*map(written, words.pack.conditions), *map(taught, words.lesson.steps)]
    assert [text for text in texts if re.search(words.you_are_well, text.lower())] == []


@in_every_language
def test_a_harmful_condition_is_never_called_harmless(words: Language) -> None:
    for label in words.pack.labels:
        page = words.pack.condition(label.name)
        assert (words.harmless in written(page)) is not label.harmful, label.name
        assert (words.cancer in page.short) is label.harmful, label.name


@pytest.mark.parametrize(
    ("words", "phrases"),
    [
        (
            ENGLISH,
            [
                "as a rule under 80 % sure",
                "It does not mean that there is nothing.",
                "Why it is not an all-clear",
                "never learned what healthy skin looks like",
                "many melanomas",
                "A doctor of your clinic looks at every photo",
            ],
        ),
        (
            SPANISH,
            [
                "por regla general menos del 80 % segura",
                "No significa que no haya nada.",
                "Por qué no significa que todo esté bien",
                "nunca ha aprendido cómo es la piel sana",
                "muchos melanomas",
                "Un médico de su clínica mira cada foto",
            ],
        ),
    ],
    ids=["en", "es"],
)
def test_what_no_disease_means_is_told_honestly(words: Language, phrases: list[str]) -> None:
    text = written(words.pack.condition("no_disease"))
    assert [phrase for phrase in phrases if phrase not in text] == []


@in_every_language
def test_the_lesson_counts_as_the_checklist_does_and_ends_in_what_to_do(words: Language) -> None:
    assert words.pack.points is not None
    counted = [picture.points for step in words.lesson.steps for picture in step.pictures]
    assert counted == [max(values.values()) for values in words.pack.points.weights.values()]
    letters = [
        step.title[0]
        for step in words.lesson.steps
        if step.title[1:].startswith((" is for", " de "))
    ]
    assert letters == list("ABCDE")
    send, no_diagnosis = {
        "en": ("Send us a photo.", "This is not a diagnosis."),
        "es": ("Envíenos una foto.", "Esto no es un diagnóstico."),
    }["en" if words is ENGLISH else "es"]
    assert send in words.lesson.steps[-1].text[1]
    assert words.lesson.limits.startswith(no_diagnosis)


@pytest.mark.parametrize("answer", [a for a in SKIN.templates if a.label], ids=lambda a: a.name)
def test_the_answers_to_start_from_name_what_they_diagnose(answer: AnswerTemplate) -> None:
    """Then the patient's page can link to what is said, in whichever language a doctor wrote it.
    One speaks of a growth in general."""
    for writes in LANGUAGES:
        text = next(each.text for each in writes.pack.templates if each.name == answer.name)
        named = PIEL.condition(answer.label).is_named_in(text)
        assert named is (answer.name != "harmless_keratosis")
    assert SKIN.condition(answer.label).is_named_in(answer.text) is named


@pytest.mark.parametrize(
    ("text", "named"),
    [("Es un lunar.", True), ("Dos lunares.", True), ("Molestias, nada más.", False)],
)
def test_a_word_inside_another_names_nothing(text: str, named: bool) -> None:
    assert PIEL.condition("nv").is_named_in(text) is named
