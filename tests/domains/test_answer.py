"""What bears on a question, and what is said of it: laws."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains import answer, domain
from domains.answer import Line, Passage, Question, Ruler, chosen, followed, weighed
from domains.digest import Citation, DraftStory, Sentence
from domains.intent import Turn
from domains.lexical import Lexical
from domains.post import Post
from domains.terms import Lexicon
from domains.verify import Assertion
from services.language import OfflineLanguage

AT = datetime(2026, 11, 20, tzinfo=UTC)
LANGUAGE = OfflineLanguage()
LEXICAL = Lexical(LANGUAGE.lemma)
FARE = "The city council of Solvych voted 21 to 9 to raise the bus fare to 18 hryvnias from January."
MILL = "Fire crews fought a blaze at the Luhva paper mill on Zavodska street in the early morning."


def post(number, text, lang="en"):
    return Post(number, f"s/{number}", "s", "s", AT, text, lang, "", sentences=LANGUAGE.sentences(text, lang))


def ask(text, *posts, lang="en"):
    return weighed(Question(text, lang), [Passage(one, 1.0) for one in posts], LEXICAL)


def test_the_sentence_that_answers_comes_first():
    lines = ask("How much is the bus fare in Solvych?", post(1, MILL), post(2, f"{MILL}\n{FARE}"))
    assert lines[0].text == FARE
    assert lines[0].support >= answer.KNOWN
    assert [one.text for one in chosen(lines, Lexicon(LANGUAGE))] == [FARE]


def test_what_is_said_is_said_once():
    lines = ask("How much is the bus fare in Solvych?", post(1, FARE), post(2, FARE))
    assert len(chosen(lines, Lexicon(LANGUAGE))) == 1


def test_a_name_bears_in_another_script():
    ruler = Ruler("Что случилось в городе Сольвич?", "ru", LEXICAL)
    assert ruler.support("A fire in Solvych", "en") > ruler.support("A fire in Berlin", "en")


@given(st.text(max_size=80), st.text(max_size=80))
def test_support_is_a_share(question, text):
    ruler = Ruler(question, "en", LEXICAL)
    assert 0.0 <= ruler.support(text, "en") <= 1.0
    assert ruler.blank or ruler.support(question, "en") == pytest.approx(1.0)


@given(st.permutations([post(1, FARE), post(2, MILL), post(3, f"{FARE}\n{MILL}")]))
def test_the_order_of_equals_is_the_same_whatever_came_first(posts):
    lines = ask("What happened at the paper mill?", *posts)
    assert [(one.post.id, one.span) for one in lines] == [
        (one.post.id, one.span)
        for one in ask(
            "What happened at the paper mill?", post(1, FARE), post(2, MILL), post(3, f"{FARE}\n{MILL}")
        )
    ]
    assert all(isinstance(one, Line) for one in lines)


def test_a_follow_up_looks_for_what_was_asked_before():
    assert followed("and when?", Turn("bus fare", "search", AT)) == "bus fare and when?"
    assert followed("bus fare", None) == "bus fare"


@pytest.mark.parametrize(
    ("said", "cited", "holds"),
    [
        ("The fare did not rise.", "The fare rises in January.", False),
        ("The fare rises.", "The fare won't rise in January.", False),
        ("The fare didn’t rise.", "The fare will not rise.", True),
        ("Проезд не подорожает.", "Проезд подорожает в январе.", False),
        ("The fare rises.", "The fare rises in January.", True),
    ],
)
def test_prose_denies_what_its_lines_deny(said, cited, holds):
    rule = next(one for one in domain.ANSWER.checks if one.name == "polarity")
    sentence = Sentence(said, (Citation(1, (0, len(cited)), cited),))
    assertion = Assertion("", DraftStory(1, "answer", sentence, ()), sentence, headline=False, rung="model")
    assert (rule.objection(assertion, None) == "") is holds
