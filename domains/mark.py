"""Datamarking: untrusted text is shown to a model with a random token before each word (arXiv:2403.14720, section 3.2).

The prompt names the token and says that what carries it is data. The token is drawn per request and never occurs in the
texts it marks, so that nobody who wrote one of them can write an unmarked word, or forge a mark. Randomness is handed in.
"""

import re
from collections.abc import Sequence
from itertools import islice
from typing import Final

# The token's first character. It stands nowhere else in a token, so that no two occurrences can overlap and removal is
# exact; a plain ASCII sign, because a rare character costs a tokenizer three tokens a word.
SIGN: Final = "^"
_LETTERS: Final = "bcdfghjkmnpqrstvwxz"
_SHORTEST: Final = 2
_LONGEST: Final = 16
# A longer run without white space (Chinese, base64) is marked again after so many characters.
RUN_CHARS: Final = 32
_RUN: Final = re.compile(rf"\S{{1,{RUN_CHARS}}}")


def token(texts: Sequence[str], randomness: bytes) -> str:
    """Return the shortest token that ``randomness`` spells and that occurs in none of ``texts``.

    ``randomness`` is fresh for each request; 16 bytes make it certain that a token is found: who would occupy all
    tokens of two letters must post a kilobyte of signs, and only gets a longer token. Raises ValueError when every
    token that the bytes spell occurs, or there are fewer than two bytes.
    """
    letters = "".join(_LETTERS[byte % len(_LETTERS)] for byte in islice(randomness, _LONGEST))
    for length in range(_SHORTEST, len(letters) + 1):
        found = SIGN + letters[:length]
        if not any(found in text for text in texts):
            return found
    raise ValueError(f"no token of {len(letters)} letters is free of the {len(texts)} texts to be marked")


def mark(text: str, token: str) -> str:
    """Return ``text`` with ``token`` before each word; white space stays as it is.

    Raises ValueError when ``token`` is none that `token` could return, or occurs in ``text``: a mark that its author
    could have written marks nothing.
    """
    _require(token)
    if token in text:
        raise ValueError(f"the token {token!r} occurs in the text it should mark")
    return _RUN.sub(lambda run: token + run[0], text)


def unmark(text: str, token: str) -> str:
    """Return ``text`` without ``token``: the inverse of `mark`, and what cleans a model's reply of marks it copied."""
    _require(token)
    return text.replace(token, "")


def unmarked(text: str, token: str) -> tuple[str, ...]:
    """Return the words of ``text`` that do not carry ``token``: () for what `mark` returned."""
    _require(token)
    return tuple(word for word in text.split() if not word.startswith(token))


def _require(token: str) -> None:
    letters = token[1:]
    if token[:1] != SIGN or len(letters) < _SHORTEST or not set(letters) <= set(_LETTERS):
        raise ValueError(f"{token!r} is no token: {SIGN} and at least {_SHORTEST} letters of {_LETTERS}")
