"""What a question of a conversation leans on: which earlier one, what is looked for, and what is remembered. Pure.

A turn remembers the question that began its subject and, on a line of its own, what was last asked about it. All that
was ever asked would drown what is asked now.
"""

import re
from collections.abc import Sequence
from typing import Final

from domains.answer import QUESTION_CHARS
from domains.intent import Turn
from domains.terms import STOPWORDS
from domains.text import names, words

# Somebody who was named before.
_PERSON: Final = re.compile(
    r"(?i)\b(?:he|she|they|him|them|hers?|his|their|он|она|они|его|её|ее|ему|ей|ими?|их|н[её]м|ней|них|ним"
    r"|він|вона|вони|його|її|йому|їй|їм|їх|ньому|ній|неї|нього|ними)\b"
)
# Something, or somewhere, that was.
_THING: Final = re.compile(
    r"(?i)\b(?:it|its|this|that|these|those|there|это|этого|этом|этому|этим|этот|эта|эти|этих|там|туда|оттуда|тогда"
    r"|це|цього|цьому|цим|цей|ця|ці|цих|там|туди|звідти|тоді)\b"
)
# Words that ask to go on, and name nothing.
_MORE: Final = re.compile(
    r"(?i)\b(?:tell|show|me|more|details?|elaborate|expand|explain|go on|continue|next|again|happened|source"
    r"|расскаж\w*|подробн\w*|продолж\w*|поясн\w*|раскр\w*|дальше|ещ[её]|источник|было|закончил\w*|кончил\w*"
    r"|розкаж\w*|докладн\w*|детальн\w*|продовж\w*|розкр\w*|розгорн\w*|далі|ще|джерело|закінчил\w*|скінчил\w*)\b"
)
# A question that says more than this of itself leans on nothing.
_TELLING: Final = 2
# Routes of turns about nothing.
_IDLE: Final = frozenset({"small_talk", "unknown"})


def leans_on_person(text: str) -> bool:
    """Return whether ``text`` asks about somebody whom it does not name: alone it asks nothing."""
    return bool(_PERSON.search(text)) and _says_little(text)


def points(text: str) -> bool:
    """Return whether ``text`` has a pronoun, or another word for what was named before."""
    return bool(_PERSON.search(text) or _THING.search(text))


def leaning(text: str, turns: Sequence[Turn]) -> Turn | None:
    """Return the turn that ``text`` leans on by a pronoun: the newest one that has a subject, or None."""
    if not points(text) or not _says_little(text):
        return None
    return next((turn for turn in reversed(turns) if turn.route not in _IDLE), None)


def followed(text: str, before: Turn | None) -> str:
    """Return what is looked for: the words of ``text``, whole, and of what it leans on as much as there is room for."""
    if before is None:
        return text
    room = max(0, QUESTION_CHARS - len(text) - 1)
    return f"{subject(before)[:room]} {text}".strip()


def telling(text: str) -> str:
    """Return what a follow-up names itself: its words without those that only ask to go on."""
    return _MORE.sub(" ", text)


def kept(text: str, before: Turn | None) -> str:
    """Return what a turn remembers of the question ``text``."""
    return text if before is None else f"{before.query.splitlines()[0]}\n{' '.join(text.split())}"


def subject(turn: Turn) -> str:
    """Return on one line what a turn was about."""
    return " ".join(turn.query.split())


def _says_little(text: str) -> bool:
    telling = [
        word
        for word in words(text)
        if len(word) > 1 and word.casefold() not in STOPWORDS and not points(word)
    ]
    return len(telling) <= _TELLING and not names(text)
