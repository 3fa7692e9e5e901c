"""Who and what a post names: people, organisations, places, products, hashtags, links.

    sentences ─▶ runs of capitalised words ─▶ gazetteer, longest first ─▶ rules (given names, titles, forms of companies,
    streets and regions, models' numbers, quotation marks) ─▶ mentions: kind, key, span

Two mentions are of one entity when their keys are equal: a gazetteer's name, or the words in one spelling without case
endings (`domains.spelling`), so that «Сольвича», «Сольвич» and Solvych meet. Pure and deterministic. Precision first: a
word that only begins a sentence is no name unless something else says so.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, cast, get_args

from domains.gazetteer import Gazetteer
from domains.gloss import concept
from domains.post import Span
from domains.roster import (
    GIVEN,
    NOT_NAMES,
    ORGANISED,
    ORGANISED_AFTER,
    PATRONYMIC,
    PLACED,
    PLACED_AFTER,
    TITLES,
)
from domains.spelling import parts, skeleton, split, stem
from domains.terms import STOPWORDS
from domains.text import links

Kind = Literal["person", "org", "place", "product", "hashtag", "link", "name"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
# A post names so many entities at most; what more it lists is a list.
MOST: Final = 40
NAME_CHARS: Final = 100
KEY_CHARS: Final = 200
_CACHED_WORDS: Final = 50_000
_WORDS_OF_NAME: Final = 5

_WORD: Final = re.compile(r"[^\W_]+(?:[’'ʼ‑-][^\W_]+)*")
_TAG: Final = re.compile(r"(?<![\w#/&])#(?=\w*[^\W\d_])\w{2,60}")
_ADDRESS: Final = re.compile(
    r"(?:https?://|(?<![\w/.])(?:www\.|t\.me/|vk\.com/|youtu\.be/|bit\.ly/))[^\s<>()\[\]]+"
)
_ROMAN: Final = re.compile("[IVXLІХ]{2,}")
_HANDLE: Final = re.compile(r"(?<!\w)@\w+")
_QUOTED: Final = re.compile(r"[«„“\"]([^«»„“”\"\n]{2,60})[»“”\"]")
_LINK_WORDS: Final = frozenset(
    ("de", "van", "von", "der", "bin", "ibn", "al", "la", "фон", "дер", "ван", "ибн", "бен", "де")
)
_MODEL: Final = re.compile(r"(?: ?(?:[A-ZА-Я]{0,3}-?\d{1,4}[A-Za-z]{0,2}|Pro|Max|Ultra|Plus|Mini)\b)+")
# A colon, a dash or a quotation mark begins a sentence as a full stop does.
_OPENING: Final = re.compile(r"[:;!?…\n|•«„“\"—–]")
# A line with so many of its longer words in capitals is a headline, which tells nothing by them.
_SHOUTED: Final = 0.9
# A full stop after a word no longer than this may end an abbreviation.
_SHORT: Final = 4


@dataclass(frozen=True, slots=True)
class Mention:
    """That a post's text names an entity at ``span``; ``name`` is how the entity is shown, ``key`` what it is told by."""

    kind: Kind
    key: str
    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class Proposal:
    """What somebody else, such as a model, takes for an entity: a kind, a name and where the text says so."""

    kind: str
    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class _Word:
    """A word of a sentence. ``opens``: the sentence begins with it; ``gap``: what stands before it."""

    text: str
    start: int
    end: int
    gap: str
    opens: bool

    @property
    def capital(self) -> bool:
        return self.text[0].isupper() or self.text[1:2].isupper()

    @property
    def low(self) -> str:
        return self.text.casefold()


class Finder:
    """Finds what posts name. Holds its gazetteer, and a bounded cache of words."""

    def __init__(self, gazetteer: Gazetteer | None = None) -> None:
        self._gazetteer = gazetteer or Gazetteer()
        self._split = lru_cache(_CACHED_WORDS)(split)

    def find(self, text: str, sentences: Sequence[Span]) -> tuple[Mention, ...]:
        """Return the mentions within the sentences of ``text``, by position, at most `MOST`; spans are of ``text``."""
        found: list[Mention] = []
        spoken = self._spoken(text, sentences)
        for start, end in sentences:
            found += _addresses(text, start, end)
            found += self._named(text, start, end, spoken)
            if len(found) > 2 * MOST:
                break
        return tuple(sorted(_resolved(found), key=lambda one: (one.span, one.key))[:MOST])

    def accept(self, text: str, proposals: Iterable[Proposal]) -> tuple[Mention, ...]:
        """Return those proposals whose span of ``text`` says the name, in whatever script and case, as mentions.

        What a proposal invents (a kind, a place in the text, a name that is not written there) is left out.
        """
        found = []
        for one in proposals:
            start, end = one.span
            said = text[start:end] if 0 <= start < end <= len(text) else ""
            if one.kind not in KINDS or not said.strip() or len(said) > NAME_CHARS:
                continue
            stems = _stems(said)
            if stems and [skeleton(each) for each in stems] == [skeleton(each) for each in _stems(one.name)]:
                found.append(self._mention(one.kind, said, one.span))
        return tuple(found)

    def _mention(self, kind: Kind, said: str, span: Span) -> Mention:
        words = parts(said)
        known = self._gazetteer.find(words, [self._split(word) for word in words])
        if known is not None:
            return Mention(cast("Kind", known.kind), f"!{known.name.casefold()}", known.name, span)
        return Mention(kind, _key(said), said[:NAME_CHARS], span)

    def _spoken(self, text: str, sentences: Sequence[Span]) -> frozenset[str]:
        """Return the stems of the words that are capitals where no sentence begins: they are names where one does."""
        return frozenset(
            self._split(word.text)[0]
            for start, end in sentences
            for word in _words(text, start, end)
            if word.capital and not word.opens and len(word.text) > 2
        )

    def _named(self, text: str, start: int, end: int, spoken: frozenset[str]) -> Iterator[Mention]:
        words = _words(text, start, end)
        shouted = _shouted(words)
        yield from self._quoted(text, start, end)
        at = 0
        while at < len(words):
            taken = self._known(words, at)
            if taken:
                yield self._known_mention(text, words[at : at + taken])
                at += taken
                continue
            run = 0 if shouted else self._run(words, at, spoken)
            mention = self._ruled(text, words, at, run) if run else None
            if mention is not None:
                yield mention
            at += max(run, 1)

    def _known(self, words: Sequence[_Word], at: int) -> int:
        """Return how many words from ``at`` the gazetteer knows as one name; 0 for none."""
        if not words[at].capital:
            return 0
        said: list[str] = []
        ends: list[tuple[int, int]] = []
        for size, word in enumerate(words[at : at + self._gazetteer.longest], 1):
            if size > 1 and word.gap not in {" ", " - "}:
                break
            said += parts(word.text)
            ends.append((size, len(said)))
            if size == 1 and not self._gazetteer.begins(said[0], self._split(said[0])[0]):
                return 0
        forms = [self._split(one) for one in said]
        return next(
            (size for size, end in reversed(ends) if self._gazetteer.find(said[:end], forms[:end])), 0
        )

    def _known_mention(self, text: str, run: Sequence[_Word]) -> Mention:
        span = run[0].start, run[-1].end
        said = text[span[0] : span[1]]
        model = _MODEL.match(text, run[-1].end)
        known = self._mention("name", said, span)
        if model is None or known.kind not in {"product", "org"}:
            return known
        # "iPhone 15", «Боинг 737»: a thing, and not who makes it.
        name = f"{known.name} {model[0].strip()}"
        return Mention("product", _key(name), name, (span[0], model.end()))

    def _run(self, words: Sequence[_Word], at: int, spoken: frozenset[str]) -> int:
        """Return of how many words the name is that begins at ``at``; 0 when none does."""
        first = words[at]
        if not _may_be_name(first) or (first.opens and not _opening_name(first, spoken)):
            return 0
        size = 1
        while at + size < len(words) and size < _WORDS_OF_NAME:
            word = words[at + size]
            if word.gap != " " and not (word.gap == ". " and len(words[at + size - 1].text) == 1):
                break
            joins = (
                _joins(words[at + size - 1], word)
                and at + size + 1 < len(words)
                and words[at + size + 1].capital
            )
            if not joins and (not _may_be_name(word, inside=True) or self._known(words, at + size)):
                break
            size += 1
        while words[at + size - 1].low in _LINK_WORDS or words[at + size - 1].low == "of":
            size -= 1
        return size

    def _ruled(self, text: str, words: Sequence[_Word], at: int, size: int) -> Mention | None:
        """Return the mention that a run of words is, without the titles it begins with."""
        while size > 1 and (words[at].low in TITLES or words[at].low in PLACED):
            at, size = at + 1, size - 1
        run = words[at : at + size]
        kind = _kind(words, at, size, text)
        start, end = run[0].start, run[-1].end
        if kind == "product":
            model = _MODEL.match(text, end)
            end = model.end() if model else end
        if size == 1 and (stem(run[0].text) in GIVEN or run[0].low in ORGANISED | ORGANISED_AFTER):
            # A given name alone is anybody, a form of companies any company.
            return None
        said = text[start:end]
        if kind == "person":
            return Mention(kind, _person_key(parts(said)), said[:NAME_CHARS], (start, end))
        if len(said) < 3 and kind == "name":
            return None
        return self._mention(kind, said, (start, end))

    def _quoted(self, text: str, start: int, end: int) -> Iterator[Mention]:
        """Yield what stands in quotation marks after a company's form: ООО «Ромашка»."""
        for match in _QUOTED.finditer(text, start, end):
            before = _WORD.findall(text[max(start, match.start() - 30) : match.start()])
            if before and before[-1].casefold() in ORGANISED and any(map(str.isalpha, match[1])):
                span = match.start(1), match.end(1)
                yield self._mention("org", match[1], span)


def _words(text: str, start: int, end: int) -> list[_Word]:
    """Return a sentence's words that are no part of an address, a hashtag or a handle."""
    hidden = sorted(
        match.span() for pattern in (_ADDRESS, _TAG, _HANDLE) for match in pattern.finditer(text, start, end)
    )
    words: list[_Word] = []
    last = start
    for match in _WORD.finditer(text, start, end):
        if any(first <= match.start() < stop for first, stop in hidden):
            continue
        gap = text[last : match.start()]
        opens = not words or bool(_OPENING.search(gap)) or ("." in gap and len(words[-1].text) > _SHORT)
        words.append(_Word(match[0], match.start(), match.end(), gap, opens))
        last = match.end()
    return words


def _shouted(words: Sequence[_Word]) -> bool:
    long = [word for word in words if len(word.text) > 3]
    capitals = sum(word.capital for word in long)
    return all(word.text.isupper() for word in words) or capitals >= max(4, _SHOUTED * len(long))


def _may_be_name(word: _Word, *, inside: bool = False) -> bool:
    if not word.capital or word.low in NOT_NAMES or _ROMAN.fullmatch(word.text):
        return False
    if len(word.text) == 1:
        return inside or word.gap != ""
    return word.low not in STOPWORDS and (not word.text.isupper() or len(word.text) <= 6)


def _joins(before: _Word, word: _Word) -> bool:
    """Return whether a small word stands within a name: "Bank of Ireland", but not "Brown of Ireland"."""
    if word.low == "of":
        return before.low in ORGANISED | ORGANISED_AFTER
    return word.low in _LINK_WORDS


def _opening_name(word: _Word, spoken: frozenset[str]) -> bool:
    """Return whether a word that begins a sentence is a name nevertheless."""
    stemmed = stem(word.text)
    if stemmed in GIVEN or (word.text.isupper() and len(word.text) > 1):
        return True
    return stemmed in spoken and concept(word.low) is None


def _kind(words: Sequence[_Word], at: int, size: int, text: str) -> Kind:
    run = words[at : at + size]
    before = words[at - 1] if at else None
    after = words[at + size] if at + size < len(words) else None
    said_before = _beside(before, run[0].gap)
    said_after = after.low if after is not None and after.gap == " " else ""
    if said_before in PLACED or said_after in PLACED_AFTER or run[-1].low in PLACED_AFTER:
        return "place"
    if (
        said_before in ORGANISED
        or any(word.low in ORGANISED for word in run)
        or run[-1].low in ORGANISED_AFTER
        or said_after in ORGANISED_AFTER
    ):
        return "org"
    if _MODEL.match(text, run[-1].end) and text[run[-1].end : run[-1].end + 1] in {" ", "-"}:
        return "product" if run[-1].text.isascii() else "name"
    if stem(run[0].text) in GIVEN or said_before in TITLES:
        return "person"
    if size > 1 and any(PATRONYMIC.search(word.low) or stem(word.text) in GIVEN for word in run):
        return "person"
    if size == 1 and run[0].text.isupper() and 2 <= len(run[0].text) <= 6:
        return "org"
    return "name"


def _beside(before: _Word | None, gap: str) -> str:
    """Return the word before a name: «г. Луга», «с. Новое» and "Dr. Brown" with a full stop, all others without."""
    if before is None:
        return ""
    stopped = before.low in PLACED and len(before.text) <= 3
    fits = gap == ". " if stopped else gap == " " or (gap == ". " and before.low in TITLES)
    return before.low if fits else ""


def _addresses(text: str, start: int, end: int) -> Iterator[Mention]:
    for match in _TAG.finditer(text, start, end):
        yield Mention("hashtag", f"#{match[0][1:].casefold()}"[:KEY_CHARS], match[0], match.span())
    for match in _ADDRESS.finditer(text, start, end):
        for url in links(match[0]):
            key = link_key(url)
            if key:
                yield Mention("link", key, url[:KEY_CHARS], match.span())


def link_key(url: str) -> str:
    """Return what an address is told by, or "" when it names a site and nothing on it."""
    _, _, rest = url.partition("://")
    rest = rest.removeprefix("www.").rstrip("/")
    return f"@{rest}"[:KEY_CHARS] if "/" in rest else ""


def _resolved(found: Sequence[Mention]) -> Iterator[Mention]:
    """Yield mentions that overlap no longer one; a surname alone is whom the post names in full."""
    full: dict[str, Mention] = {}
    for one in found:
        if one.kind == "person" and " " in one.name:
            full.setdefault(skeleton(stem(parts(one.name)[-1])), one)
    taken: list[Span] = []
    for one in sorted(found, key=lambda each: each.span[0] - each.span[1]):
        start, end = one.span
        if any(start < stop and first < end for first, stop in taken):
            continue
        taken.append(one.span)
        whole = (
            full.get(skeleton(stem(one.name)))
            if one.kind in {"name", "person"} and " " not in one.name
            else None
        )
        yield Mention(whole.kind, whole.key, whole.name, one.span) if whole else one


def _stems(said: str) -> tuple[str, ...]:
    return tuple(stem(word) for word in parts(said))


def _key(name: str) -> str:
    """Return what a name is told by: one word with its vowels, several by their consonants, in any order."""
    stems = _stems(name)
    if len(stems) == 1:
        return stems[0][:KEY_CHARS]
    return " ".join(sorted(skeleton(one) for one in stems))[:KEY_CHARS]


def _person_key(said: Sequence[str]) -> str:
    """Return a person's key: patronymics and initials are left out, given names are in one spelling."""
    words = [word for word in said if len(word) > 1 and not PATRONYMIC.search(word.casefold())] or [*said]
    if len(words) == 1:
        return _key(words[0])
    return " ".join(sorted(GIVEN.get(stem(word), skeleton(stem(word))) for word in words))[:KEY_CHARS]
