"""Small windows and personas for tests, and a language without linguistics."""

from datetime import timedelta

from domains.digest import StoryFacts
from domains.persona import Persona, Wish
from domains.post import Post
from domains.survey import Kind, StorySurvey
from domains.terms import STOPWORDS
from domains.text import words
from tests.rows import DAY


def terms(text: str, lang: str) -> tuple[str, ...]:
    """Words as they are, without the commonest."""
    return tuple(low for word in words(text) if (low := word.casefold()) not in STOPWORDS)


def post(row: int, text: str, source: str = "wire", lang: str = "en") -> Post:
    return Post(row, f"{source}/{row}", source, source, DAY, text, lang, f"{row:064x}")


def story(
    row: int,
    text: str,
    *,
    sources: tuple[str, ...] = ("wire",),
    importance: float = 1.0,
    lang: str = "en",
    news: bool = True,
    kind: Kind = "channel",
) -> StorySurvey:
    posts = tuple(post(100 * row + number, text, name, lang) for number, name in enumerate(sources))
    facts = StoryFacts(row, text, DAY, DAY + timedelta(hours=1), tuple(one.id for one in posts))
    return StorySurvey(
        facts, posts, posts, posts, len(set(sources)), len(set(sources)), 0, kind, news, routine=False,
        substance=1.0, importance=importance,
    )  # fmt: skip


def word(text: str, evidence: int = 1) -> Wish:
    return Wish("word", text, tuple((one,) for one in terms(text, "en")), evidence)


def likes(*texts: str, mutes: tuple[str, ...] = ()) -> Persona:
    return Persona("me", follows=tuple(map(word, texts)), mutes=tuple(map(word, mutes)))
