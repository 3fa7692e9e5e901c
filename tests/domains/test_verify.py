from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domains.digest import Citation, Draft, DraftStory, Sentence
from domains.post import Post
from domains.terms import Lexicon, Told
from domains.verify import RULES, WEIGHTS, Brief, Evidence, Rule, verify

AT = datetime(2026, 11, 2, 12, tzinfo=UTC)


class Plain:
    def detect(self, text: str) -> str:
        return "uk" if "і" in text else "en"

    def lemma(self, word: str, lang: str) -> str:
        return word

    def sentences(self, text: str, lang: str) -> tuple[tuple[int, int], ...]:
        return ((0, len(text)),)


TEXTS = {
    1: "Flood cut the Zavodska bridge in Solvych. Engineers closed 2 lanes until Friday. See https://x.example now.",
    2: "Council raised bus fares to 15 hryvnias. Pupils keep the reduced ticket.",
    3: "Flood cut the Zavodska bridge, buy ceilings.",
    4: "Повінь перекрила міст у місті Сольвич.",
    5: "Flood cut the Zavodska bridge in Solvych, 7 injured.",
}
POSTS = {
    row: Post(
        row,
        f"a/{row}",
        "a",
        f"family {row % 2}",
        AT,
        text,
        "uk" if row == 4 else "en",
        "",
        boilerplate="an advertisement" if row == 3 else None,
    )
    for row, text in TEXTS.items()
}
EVIDENCE = Evidence(
    posts=POSTS,
    members={1: frozenset({1, 3, 4, 5}), 2: frozenset({2})},
    briefs=(
        Brief(1, "en", frozenset({"flood", "cut", "zavodska", "bridge", "solvych"}), 1, 1),
        Brief(2, "en", frozenset({"council", "bus", "fares"}), 1, 1),
    ),
    told={},
    lexicon=Lexicon(Plain()),
    detect=Plain().detect,
)


def cite(row: int, start: int, end: int) -> Sentence:
    quote = TEXTS[row][start:end]
    return Sentence(quote, (Citation(row, (start, end), quote),))


HEAD, LANES = cite(1, 0, 40), cite(1, 42, 80)
FARES, PUPILS = cite(2, 0, 39), cite(2, 41, 72)
SOUND = Draft(
    "test",
    "extractive",
    (DraftStory(1, "main", HEAD, (LANES,)), DraftStory(2, "main", FARES, (PUPILS,))),
)


def saying(*sentences: Sentence, rung: str = "extractive") -> Draft:
    return Draft("test", rung, (DraftStory(1, "main", HEAD, sentences),))  # type: ignore[arg-type]


def checks(draft: Draft, evidence: Evidence = EVIDENCE) -> list[tuple[str, str]]:
    return [(found.path, found.check) for found in verify(draft, evidence).findings]


def test_a_sound_draft_has_no_findings_and_a_high_score() -> None:
    verdict = verify(SOUND, EVIDENCE)
    assert verdict.findings == ()
    assert verdict.parts["support"] == verdict.parts["coverage"] == verdict.parts["fitness"] == 1.0
    assert verdict.score > 0.9


def test_the_score_is_the_documented_combination() -> None:
    draft = saying(replace(LANES, text="Something else"))
    verdict = verify(draft, EVIDENCE)
    expected = verdict.parts["support"] * sum(weight * verdict.parts[name] for name, weight in WEIGHTS)
    assert verdict.score == pytest.approx(expected, abs=1e-5)
    assert sum(weight for _, weight in WEIGHTS) == pytest.approx(1.0)
    assert verdict.parts["support"] == 0.5


MODEL = "model"
CASES = {
    "no citation": (Sentence("Engineers closed lanes", ()), "cites", "extractive"),
    "a post that is not here": (Sentence("x", (Citation(99, (0, 1), "x"),)), "cites", "extractive"),
    "a span outside": (Sentence("x", (Citation(1, (0, 900), "x"),)), "span", "extractive"),
    "a span backwards": (Sentence("x", (Citation(1, (9, 3), "x"),)), "span", "extractive"),
    "an empty span": (Sentence("", (Citation(1, (3, 3), ""),)), "span", "extractive"),
    "a quote that is not there": (Sentence("Bloom", (Citation(1, (0, 5), "Bloom"),)), "quote", "extractive"),
    "another story's post": (PUPILS, "story", "extractive"),
    "an advertisement": (cite(3, 0, 43), "advertisement", "extractive"),
    "words of one's own": (replace(LANES, text="Engineers closed lanes."), "extract", "extractive"),
    "two quotes glued": (
        Sentence(HEAD.text, (*HEAD.citations, *LANES.citations)),
        "extract",
        "extractive",
    ),
    "another number": (replace(LANES, text="Engineers closed 3 lanes until Friday."), "numbers", MODEL),
    "another day": (replace(LANES, text="Engineers closed 2 lanes until monday."), "facts", MODEL),
    "a number in words": (replace(LANES, text="Engineers closed three lanes."), "facts", MODEL),
    "another name": (replace(LANES, text="Engineers of Trostyn closed 2 lanes."), "names", MODEL),
    "a link": (cite(1, 81, 107), "plain", "extractive"),
    "markup": (replace(LANES, text="Engineers closed <b>2</b> lanes."), "plain", MODEL),
    "a control character": (replace(LANES, text="Engineers closed \u202e2 lanes."), "plain", MODEL),
    "nothing": (replace(LANES, text=""), "length", MODEL),
    "too much": (replace(LANES, text="Engineers closed lanes " * 30), "length", MODEL),
    "another language, quoted": (cite(4, 0, 37), "language", "extractive"),
    "another language, written": (replace(LANES, text="інженери закрили 2 смуги"), "language", MODEL),
    "the headline again": (HEAD, "repeat", "extractive"),
}


@pytest.mark.parametrize(("sentence", "check", "rung"), CASES.values(), ids=CASES.keys())
def test_each_fault_is_found_by_its_rule(sentence: Sentence, check: str, rung: str) -> None:
    assert checks(saying(sentence, rung=rung)) == [("stories[0].sentences[0]", check)]


def test_a_paraphrase_with_the_same_facts_is_supported() -> None:
    written = replace(LANES, text="Both lanes, 2 of them, stay closed until Friday.")
    assert checks(saying(written, rung=MODEL)) == []


def test_another_number_is_no_repeat() -> None:
    assert checks(saying(cite(5, 0, 52))) == []


def test_a_story_that_repeats_another_is_found() -> None:
    copy = DraftStory(2, "main", HEAD, ())
    draft = Draft("test", "extractive", (SOUND.stories[0], copy))
    shared = replace(EVIDENCE, members={1: frozenset({1}), 2: frozenset({1, 2})})
    assert checks(draft, shared) == [("stories[1].headline", "repeat")]


def test_a_headline_of_another_story_is_found() -> None:
    crossed = Draft("test", "extractive", (DraftStory(1, "main", FARES, (LANES,)),))
    assert checks(crossed) == [("stories[0].headline", "story")]


def test_a_story_nobody_planned_is_found() -> None:
    shared = replace(EVIDENCE, members={9: frozenset({1})})
    assert checks(Draft("test", "extractive", (DraftStory(9, "main", HEAD, ()),)), shared) == [
        ("stories[0].headline", "language")
    ]


def test_what_was_told_before_is_found() -> None:
    told = replace(EVIDENCE, told={1: Told((LANES.text,))})
    assert checks(saying(LANES), told) == [("stories[0].sentences[0]", "told")]


def test_a_draft_of_nothing_is_worth_what_was_planned() -> None:
    empty = Draft("test", "extractive", ())
    assert verify(empty, EVIDENCE).score == 0.0
    assert verify(empty, replace(EVIDENCE, briefs=())).score == 1.0


def test_without_rules_nothing_is_verified() -> None:
    with pytest.raises(ValueError, match="no rules"):
        verify(SOUND, EVIDENCE, ())


def test_a_rule_that_breaks_stops_the_verifier() -> None:
    def broken(*_: object) -> str:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError):
        verify(SOUND, EVIDENCE, (*RULES, Rule("broken", broken)))


@settings(deadline=None)
@given(st.integers(-5, 200), st.integers(-5, 200), st.sampled_from([1, 2, 3, 4, 5, 99]))
def test_no_false_quote_passes(start: int, end: int, row: int) -> None:
    forged = Sentence(
        "Engineers closed everything", (Citation(row, (start, end), "Engineers closed everything"),)
    )
    verdict = verify(saying(forged), EVIDENCE)
    assert [found.path for found in verdict.findings] == ["stories[0].sentences[0]"]
    assert 0.0 <= verdict.score <= 1.0
