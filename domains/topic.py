"""What a post speaks of, as units of trends: hashtags, names, and pairs of neighbouring words.

Words are cut to stems and stopwords left out, so that a pair survives inflection and "in the", "и в" join nothing.
Only the beginning of a post is read: news says what it is about at once, and what follows is mostly background.
"""

import re
from itertools import pairwise
from typing import Final

from domains.terms import STOPWORDS
from domains.text import names, without_links, words

READ_WORDS: Final = 40
_STEM: Final = 5
_HASHTAG: Final = re.compile(r"#([^\W\d]\w{1,40})")
_MOST: Final = 64


def units(text: str, story: int | None = None) -> tuple[str, ...]:
    """Return the units of a post: "s:17" of its story, "#tag", "n:stem" of names, "t:stem stem"; each once, sorted."""
    lead = _lead(without_links(text))
    found = {f"#{tag.casefold()}" for tag in _HASHTAG.findall(text)}
    found |= {f"n:{stem(name)}" for name in names(lead) if _tells(name)}
    found |= {f"t:{one} {other}" for one, other in _pairs(lead)}
    own = sorted(found)[:_MOST]
    return tuple(own) if story is None else (f"s:{story}", *own)


def stem(word: str) -> str:
    """Return a word's stand-in for all its forms: its first letters, in lower case."""
    return word.casefold()[:_STEM]


def _lead(text: str) -> str:
    end = 0
    for at, match in enumerate(re.finditer(r"\S+", text)):
        if at == READ_WORDS:
            return text[:end]
        end = match.end()
    return text


def _tells(word: str) -> bool:
    return len(word) > 1 and word.casefold() not in STOPWORDS


def _pairs(text: str) -> set[tuple[str, str]]:
    pairs: set[tuple[str, str]] = set()
    for line in text.split("\n"):
        stems = [stem(word) for word in words(line) if _tells(word)]
        pairs |= {(one, other) if one < other else (other, one) for one, other in pairwise(stems)}
    return pairs
