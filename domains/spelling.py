"""One spelling for names in Latin and Cyrillic letters, without case endings: «Луганська», «Луганске» and Luhansk meet.

Vowels are kept, unlike in `domains.twin`: a name of one word has little else to be told by. Names of several words are
told by `skeleton`, their consonants, which forgives more.
"""

import re
from typing import Final

# Fewer consonants tell no name; a stem keeps as many letters.
_LEAST: Final = 3
_LETTERS: Final = 5
CYRILLIC: Final = str.maketrans(
    {
        "а": "a", "б": "b", "в": "v", "г": "h", "ґ": "h", "д": "d", "е": "e", "ё": "e", "є": "e", "ж": "Z",
        "з": "z", "и": "i", "і": "i", "ї": "i", "й": "i", "к": "k", "л": "l", "м": "m", "н": "n", "о": "o",
        "п": "p", "р": "r", "с": "s", "т": "t", "у": "u", "ф": "f", "х": "h", "ц": "ts", "ч": "C", "ш": "S",
        "щ": "S", "ъ": "", "ы": "i", "ь": "", "э": "e", "ю": "u", "я": "a", "’": "", "'": "", "ʼ": "",
    }
)  # fmt: skip
_LATIN: Final = (
    (re.compile(r"['’ʼ]s$|['’ʼ]"), ""),
    (re.compile(r"shch|sch|sh"), "S"),
    (re.compile(r"tch|ch"), "C"),
    (re.compile(r"oo"), "u"),
    (re.compile(r"zh"), "Z"),
    (re.compile(r"kh|gh|g"), "h"),
    (re.compile(r"ph"), "f"),
    (re.compile(r"th"), "t"),
    (re.compile(r"ck|q|c(?![eiy])"), "k"),
    (re.compile(r"c"), "ts"),
    (re.compile(r"x"), "ks"),
    (re.compile(r"w"), "v"),
    (re.compile(r"(?<![aeiouyj])[yj](?=[aeou])"), ""),
    (re.compile(r"[yj]"), "i"),
)
_ACCENTS: Final = str.maketrans(
    "áàâäãåçčćéèêëěíìîïıñńóòôöõøőřśšşúùûüůűýžźżłğ", "aaaaaaccceeeeeiiiiinnooooooorsssuuuuuuyzzzlg"
)
# Endings of Russian and Ukrainian cases, in the one spelling; those of adjectives only after their suffixes.
_CASE: Final = re.compile(
    r"(.{3,}?)(?:(?<=[nvk])imi?|[aeiou]*[aeo]mi?|[aeio]*[ao]h|[eio]ho|[eio]mu|(?<=[nvk])ih|[aeiou]+)"
)
_FINAL: Final = re.compile(r"(.{3,}?)[aeiou]+")
VOWELS: Final = re.compile(r"[aeiou]+")
DOUBLED: Final = re.compile(r"(.)\1+")
_WORD: Final = re.compile(r"[^\W_]+(?:[’'ʼ][^\W_]+)*")
_SLAVIC: Final = re.compile("[а-яёіїєґ]")


def parts(name: str) -> list[str]:
    """Return the words of a name; a hyphen or a full stop parts them."""
    return _WORD.findall(name)


def stem(word: str) -> str:
    """Return ``word`` in the one spelling, without its case ending; "" when it has no letter or digit."""
    return split(word)[0]


def split(word: str) -> tuple[str, str]:
    """Return the stem and the case ending of ``word``, both in the one spelling."""
    low = word.casefold().translate(_ACCENTS)
    slavic = _SLAVIC.search(low) is not None
    if slavic:
        plain = low.replace("дж", "Z").translate(CYRILLIC)
    else:
        plain = low
        for pattern, written in _LATIN:
            plain = pattern.sub(written, plain)
    plain = DOUBLED.sub(r"\1", plain)
    # An abbreviation has no ending.
    found = None if abbreviated(word) else (_CASE if slavic else _FINAL).fullmatch(plain)
    return (found[1], plain[found.end(1) :]) if found else (plain, "")


def abbreviated(word: str) -> bool:
    """Return whether a word is written as an abbreviation is."""
    return word.isupper() and len(word) <= _LETTERS


def skeleton(stemmed: str) -> str:
    """Return a stem's consonants, headed by "a" where it begins with a vowel; the stem where they are few."""
    bones = DOUBLED.sub(r"\1", VOWELS.sub("", stemmed))
    if len(bones) < _LEAST:
        return stemmed
    return ("a" if stemmed[0] in "aeiou" else "") + bones
