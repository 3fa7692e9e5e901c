"""What a source says under every post: a learned `Profile` of its lines, and `verdict` on posts that say nothing else.

A line is boilerplate when it is one of a few forms known everywhere ("Subscribe", nothing but links or hashtags), or
when it begins or ends so many of its source's posts that it cannot be news.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from domains.post import Span
from domains.text import without_links, words

# A line is learned when it stands at one end of at least this many posts and of this share of them.
MIN_POSTS: Final = 4
MIN_SHARE: Final = 0.2
# Lines remembered per source, and posts after which the old half counts half.
KEPT_LINES: Final = 200
MEMORY_POSTS: Final = 2_000
# How far from an end of a post its furniture reaches, and the longest line that can be furniture.
_LAST_LINES: Final = 4
_FIRST_LINES: Final = 2
_LINE_CHARS: Final = 300
# A known form is a short line: a sentence that merely mentions subscribing is news.
_KNOWN_WORDS: Final = 14

_HANDLE: Final = re.compile(r"(?<!\w)@\w{3,}")
_HASHTAG: Final = re.compile(r"#[^\W\d]\w*")
_KNOWN: Final = re.compile(
    r"(?i)подписа(?:ться|ть)\b|подпис(?:ывайтесь|ывайся|ка на)\b|подпиш(?:ись|итесь)\b|присла(?:ть|йте) новост"
    r"|прислать (?:фото|видео)|прислан[оы]? через|прислали через|обратная связь|наш(?:а)? (?:чат|бот|резерв)\b|читать нас без vpn"
    r"|доступен без vpn|отдай(?:те)? (?:свой )?буст|проголосовать за канал|бусты? канал"
    r"|підпис(?:атися|уйтесь|уйся|ка на)\b|підпиш(?:ись|іться)\b|надісла(?:ти|йте) новин|прислати новин"
    r"|зворотний зв[’']язок|наш(?:а)? (?:чат|бот)\b"
    r"|\bsubscribe\b|\bfollow us\b|\bjoin (?:us|our)\b|\bsend (?:us )?news\b|\bour (?:chat|channel)\b"
)
_AD: Final = re.compile(
    r"(?i)(?<![a-zа-я])erid\b|#(?:реклама|промо|promo|ad|ads|sponsored|партнерский|партнёрский|спонсор)(?!\w)"
    r"|(?:^|\n)\W*(?:на правах реклам[иы]|реклама|рекламный пост|партнерский пост|партнёрский пост|sponsored)\W*(?:\n|$)"
    r"|(?:^|\n|\s)реклама\s*[.:]\s*(?:ооо|оао|зао|ао|пао|ип|тов|фоп|инн|рекламодатель)\b"
    r"|рекламодатель\s*:|\bogrn\b.{0,40}реклама"
)
# A promotional code is an offer only where something else sells.
_CODE: Final = re.compile(r"(?i)промокод|promo ?code|coupon code")
_OFFER: Final = re.compile(
    r"(?i)скидк|знижк|\bdiscount|\b% off\b|бесплатн|безкоштовн|розыгрыш|регистрируйся|регистрация по ссылке|закаж|заказать|замов"
    r"|купи\b|купить|https?://|t\.me/"
)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a source in its bare form, and how many posts began and ended with it."""

    key: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known of a source's furniture. JSON-able through msgspec; at most ``KEPT_LINES`` lines."""

    posts: int = 0
    lines: tuple[Line, ...] = ()

    def learn(self, texts: Iterable[str]) -> "Profile":
        """Return the profile after these posts as well; old posts count less and less, so that furniture may change."""
        first = Counter({line.key: line.first for line in self.lines})
        last = Counter({line.key: line.last for line in self.lines})
        posts = self.posts
        for text in texts:
            keys = [key for key in (_key(text, span) for span in _lines(text)) if key]
            posts += 1
            if len(keys) < 2:
                continue  # the only line of a post is its news, however often it comes ("Air raid alert")
            first.update(dict.fromkeys(keys[:-1][:_FIRST_LINES], 1))
            last.update(dict.fromkeys(keys[1:][-_LAST_LINES:], 1))
        lines = sorted((Line(key, first[key], last[key]) for key in first | last), key=_standing)
        return _faded(Profile(posts, tuple(lines[:KEPT_LINES])))

    def mask(self, text: str) -> tuple[Span, ...]:
        """Return the spans of the lines of ``text`` that are furniture, ascending."""
        spans = _lines(text)
        keys = [_key(text, span) for span in spans]
        masked = {at for at, span in enumerate(spans) if _known(text[span[0] : span[1]], keys[at])}
        need = max(MIN_POSTS, MIN_SHARE * self.posts)
        begins = {line.key for line in self.lines if line.first >= need}
        ends = {line.key for line in self.lines if line.last >= need}
        learned = _run(keys, range(len(keys)), begins, masked)
        learned |= _run(keys, range(len(keys) - 1, -1, -1), ends, masked)
        if len(masked | learned) < len(spans):
            # What was only learned never makes a whole post nothing.
            masked |= learned
        return tuple(span for at, span in enumerate(spans) if at in masked)


def verdict(text: str, mask: tuple[Span, ...]) -> str | None:
    """Return why the whole post is nothing to report, in words, or None when it may be news.

    One of "empty", "link only", "signature only", "advertisement"; when in doubt, None.
    """
    if not text.strip():
        return "empty"
    if not words(_bare(text)):
        return "link only" if without_links(text) != text or _HANDLE.search(text) else "empty"
    rest = unmasked(text, mask)
    if not words(_bare(rest)):
        return "signature only"
    if _AD.search(text) or (_CODE.search(text) and _OFFER.search(_CODE.sub(" ", text))):
        return "advertisement"
    return None


def unmasked(text: str, mask: tuple[Span, ...]) -> str:
    """Return ``text`` without the lines of ``mask``."""
    kept: list[str] = []
    at = 0
    for start, end in mask:
        kept.append(text[at:start])
        at = end
    kept.append(text[at:])
    return "".join(kept).strip()


def _lines(text: str) -> list[Span]:
    spans: list[Span] = []
    at = 0
    for line in text.split("\n"):
        if line.strip():
            spans.append((at, at + len(line)))
        at += len(line) + 1
    return spans


def _bare(line: str) -> str:
    return _HASHTAG.sub(" ", _HANDLE.sub(" ", without_links(line)))


def _key(text: str, span: Span) -> str:
    """Return the words of a line, lower case; "" when it has none or is too long to be furniture."""
    start, end = span
    return " ".join(words(_bare(text[start:end]).casefold())) if end - start <= _LINE_CHARS else ""


def _known(line: str, key: str) -> bool:
    if not key:
        # Nothing but links, handles, hashtags, emoji; a line too long for a key has words.
        return not words(_bare(line))
    return len(key.split()) <= _KNOWN_WORDS and bool(_KNOWN.search(line))


def _run(keys: list[str], order: range, learned: set[str], masked: set[int]) -> set[int]:
    """Return the positions of learned lines from one end on, up to the first line that is none."""
    found: set[int] = set()
    for at in order:
        if keys[at] in learned:
            found.add(at)
        elif at not in masked:
            break
    return found


def _standing(line: Line) -> tuple[int, str]:
    return (-max(line.first, line.last), line.key)


def _faded(profile: Profile) -> Profile:
    if profile.posts <= MEMORY_POSTS:
        return profile
    halved = tuple(replace(line, first=line.first // 2, last=line.last // 2) for line in profile.lines)
    return Profile(profile.posts // 2, tuple(line for line in halved if line.first or line.last))
