"""What a text is made of: its normal form, links, words, numbers and names. Every function is linear in its input."""

import re
import unicodedata
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from domains import limits

# Compatibility forms that NFKC would make say something else: "10²" is not "102", "1½" is not "11⁄2", "№" is not "No".
_KEPT: Final = (
    "\u00b2\u00b3\u00b9\u00bc-\u00be\u2070\u2074-\u2079\u2080-\u2089\u2116\u2117\u2120\u2122\u2150-\u215f\u2189"
    "\u2460-\u249b\u24ea-\u24ff\u2776-\u2793\u3251-\u325f\u32b1-\u32bf\U0001f100-\U0001f10c"
)
_FOLDED: Final = re.compile(f"[^{_KEPT}]+")
# Controls, soft hyphens, zero-width and bidi characters, fillers, variation selectors, tags, lone surrogates,
# non-characters: all that a reader does not see. One emoji selector (U+FE0F) after a character stays.
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u070f\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufdd0-\ufdef\ufe00-\ufe0e\ufeff\uffa0\ufff0-\uffff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+|(?<=\ufe0f)\ufe0f+"
)
_BREAK: Final = re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_SPACES: Final = re.compile("[^\\S\n]+|\u2800+")
_AROUND_BREAK: Final = re.compile(" ?\n ?")
_BLANK: Final = re.compile("\n{3,}")
# Reordering a run of marks costs its square, and nobody writes five on one letter.
_MARK_RUN: Final = 4
_MARKS: Final = re.compile(
    f"([\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u1ab0-\u1aff\u1dc0-\u1dff"
    f"\u20d0-\u20ff\u302a-\u302f\u3099\u309a\ua66f-\ua67d\ufe20-\ufe2f]{{{_MARK_RUN}}})"
    "[\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u1ab0-\u1aff\u1dc0-\u1dff"
    "\u20d0-\u20ff\u302a-\u302f\u3099\u309a\ua66f-\ua67d\ufe20-\ufe2f]+"
)

_TRACKER: Final = re.compile(
    r"(?i)(?:utm_\w*|mtm_\w*|pk_\w*|hsa_\w*|at_medium|at_campaign|at_link_\w*|fb_action_\w*|vero_\w*|oly_\w*"
    r"|fbclid|gclid|gclsrc|dclid|gbraid|wbraid|yclid|ysclid|msclkid|twclid|ttclid|igshid|igsh|li_fat_id|mc_cid|mc_eid"
    r"|_openstat|_hsenc|_hsmi|_ga|_gl|__twitter_impression|xtor|wt_mc|rb_clickid|s_cid|cmpid|ito|guccounter"
    r"|guce_referrer|guce_referrer_sig|spm|erid|from_srv|sfnsn|wickedid|ns_campaign|ns_mchannel|ocid|smid)"
)
_URL: Final = re.compile(
    r"(?i)(?<![\w@/.])(?:https?://|www\.(?=\w)|(?:t\.me|telegram\.me|vk\.com|youtu\.be|bit\.ly)/)[^\s<>\"«»“”]+"
)
_URL_CHARS: Final = 2_048
_URL_END: Final = ".,;:!?'’*_~`|…—–"
_CLOSING: Final = {")": "(", "]": "[", "}": "{"}

_WORD: Final = re.compile(r"[^\W_]+(?:(?:[\u0300-\u036f]+|[’'ʼ‑-])[^\W_]+)*")
_GROUP: Final = "[ \u00a0\u2009\u202f'’]"
_NUMBER: Final = re.compile(
    r"(?P<date>(?<![\d.])\d{1,2}\.\d{1,2}\.(?:\d{4}|\d\d)(?![\d.]|,\d))"
    r"|(?P<time>(?<![\d:])\d{1,2}(?::\d\d){1,2}(?![\d:]))"
    rf"|(?:(?<![^\s(])(?P<sign>[-−–]))?(?:(?P<spaced>(?<!\d)[1-9]\d{{0,2}}(?:{_GROUP}\d{{3}})+(?!\d))"
    r"|(?P<comma>(?<!\d)[1-9]\d{0,2}(?:,\d{3})+(?![\d]))|(?P<dots>(?<!\d)[1-9]\d{0,2}(?:\.\d{3}){2,}(?!\d))"
    r"|(?P<plain>\d+))(?P<rest>[.,]\d+(?![\d]|[.,]\d))?"
    r"(?P<percent>\s?(?:%|percent\b|per cent\b|процент|відсот))?"
)

_ENDING: Final = re.compile(r"[.!?…:;\n|•]")
_NOT_NAMES: Final = frozenset({"I", "I'm", "I've", "I'd", "I'll", "I’m", "I’ve", "I’d", "I’ll", "OK"})
_SHOUTED_SHARE: Final = 0.6


def normalise(text: str) -> str:
    """Return ``text`` in the one form in which Svodka keeps it; idempotent.

    NFKC (so "…" becomes "..."), save for characters whose compatibility form would change a number or a name
    (superscripts, fractions, circled digits, №, ™). Line breaks are unified, invisible characters removed, runs of
    spaces made one, blank lines at most one in a row, the ends stripped; at most ``limits.POST_CHARS`` code points.
    """
    # Four times the cap leaves room for what is removed, and bounds the work on a hostile text.
    text = _BREAK.sub("\n", text[: 4 * limits.POST_CHARS])
    text = _MARKS.sub(r"\1", _UNSEEN.sub("", text))
    text = _FOLDED.sub(lambda run: unicodedata.normalize("NFKC", run[0]), text)
    text = _MARKS.sub(r"\1", _UNSEEN.sub("", text))
    text = _AROUND_BREAK.sub("\n", _SPACES.sub(" ", text))
    return _BLANK.sub("\n\n", text.strip())[: limits.POST_CHARS].strip()


def clean_url(url: str) -> str:
    """Return ``url`` without tracking parameters, or "" when it is no plain http(s) address.

    What stays keeps its order and spelling; the scheme and host are lower case. Addresses with a user name in them
    are refused: they exist to deceive.
    """
    url = url.strip()
    if len(url) > _URL_CHARS or _UNSEEN.search(url) or any(char.isspace() for char in url):
        return ""
    try:
        parts = urlsplit(url)
        host = parts.hostname
        named = parts.username is not None
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or not host or named:
        return ""
    fragment = "" if parts.fragment.startswith(":~:") else _untracked(parts.fragment)
    return urlunsplit((parts.scheme, parts.netloc.lower(), parts.path, _untracked(parts.query), fragment))


def links(text: str) -> tuple[str, ...]:
    """Return the addresses that ``text`` names, cleaned, each once, in order of appearance."""
    found: dict[str, None] = {}
    for match in _URL.finditer(text):
        raw = _trim_url(match[0][: _URL_CHARS + 1])
        url = clean_url(raw if raw.lower().startswith("http") else f"https://{raw}")
        if url:
            found[url] = None
    return tuple(found)


def without_links(text: str) -> str:
    """Return ``text`` with each address replaced by a space."""
    return _URL.sub(" ", text)


def words(text: str) -> tuple[str, ...]:
    """Return the words of ``text`` as written: letters and digits, inner apostrophes and hyphens included."""
    return tuple(_WORD.findall(text))


def numbers(text: str) -> frozenset[str]:
    """Return the numbers in ``text``, each in one spelling.

    "1 200", "1,200" and "1200" are "1200"; "41,20" and "41.2" are "41.2"; "5 %", "5 percent" and "5 процентов" are
    "5%". A comma before exactly three digits is read as a thousands mark unless the number begins with 0. Dates
    (18.11.2024) and clock times or scores (12:30) stay whole. Numbers written as words are not found.
    """
    return frozenset(_number(match) for match in _NUMBER.finditer(text))


def figures(text: str) -> tuple[tuple[str, tuple[int, int]], ...]:
    """Return what `numbers` finds, in order of appearance, with where each stands."""
    return tuple((_number(match), match.span()) for match in _NUMBER.finditer(text))


def names(text: str) -> frozenset[str]:
    """Return the words of ``text`` that are written as names: capitalised where no sentence begins, or abbreviations.

    Words of a name are given one by one, as written ("Jake Paul" gives both). Abbreviations (МЧС, NATO) count
    anywhere, but not in a line that is written in capitals throughout.
    """
    return frozenset(name for line in text.split("\n") for name in _names_in(line))


def _untracked(query: str) -> str:
    return "&".join(part for part in query.split("&") if not _TRACKER.fullmatch(part.partition("=")[0]))


def _trim_url(url: str) -> str:
    end = len(url)
    while end:
        last = url[end - 1]
        opening = _CLOSING.get(last)
        unbalanced = opening is not None and url.count(last, 0, end) > url.count(opening, 0, end)
        if last not in _URL_END and not unbalanced:
            break
        end -= 1
    # A Markdown link, [text](address)rest, ends where its bracket closes.
    cut = url.find(")", 0, end)
    return url[:cut] if cut >= 0 and "(" not in url[:cut] else url[:end]


def _number(match: re.Match[str]) -> str:
    whole = match["date"] or match["time"]
    if whole:
        return _ascii(whole)
    digits = match["plain"] or re.sub(r"\D", "", match["spaced"] or match["comma"] or match["dots"] or "")
    digits = _ascii(digits).lstrip("0") or "0"
    fraction = _ascii(match["rest"][1:]).rstrip("0") if match["rest"] else ""
    value = f"{digits}.{fraction}" if fraction else digits
    return f"{'-' if match['sign'] and value != '0' else ''}{value}{'%' if match['percent'] else ''}"


def _ascii(digits: str) -> str:
    if digits.isascii():
        return digits
    return "".join(str(unicodedata.decimal(char)) if char.isdecimal() else char for char in digits)


def _names_in(line: str) -> list[str]:
    found = list(_WORD.finditer(line))
    letters = [match[0] for match in found if len(match[0]) > 1 and match[0][0].isalpha()]
    shouted = len(letters) > 3 and sum(word.isupper() for word in letters) > _SHOUTED_SHARE * len(letters)
    names: list[str] = []
    before, end = "", 0
    for match in found:
        word = match[0]
        capital = word[0].isupper() and len(word) > 1 and word not in _NOT_NAMES
        abbreviation = capital and word.isupper() and not shouted
        if abbreviation or (capital and not shouted and not _begins(line[end : match.start()], before)):
            names.append(word)
        before, end = word, match.end()
    return names


def _begins(gap: str, before: str) -> bool:
    """Return whether a sentence begins after the word ``before`` and the characters ``gap``."""
    if not before:
        return True
    if not _ENDING.search(gap):
        return False
    # "г. Москва", "Dr. Smith", "А. Пушкин": a full stop after a short word or an initial ends no sentence.
    short = len(before) <= (3 if before.islower() else 2) and not before.isdigit()
    return not (short and gap.strip() == ".")
