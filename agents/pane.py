"""A post behind glass: those of its lines that a model may read and quote, under an id that means nothing elsewhere.

What a line costs to show, and how a quote is found again in the line where it stands, or is none.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from domains.digest import Citation
from domains.post import Post, Span
from domains.signal import tokens

# A shown word costs its own tokens and its mark's.
_MARK_TOKENS: Final = 1
# A shorter quote does not say where it stands.
_QUOTE_WORDS: Final = 2
_LANG: Final = re.compile("[a-z]{2,3}")


@dataclass(frozen=True, slots=True)
class Pane:
    """A post as it is shown: some of its lines, in reading order."""

    key: str
    post: Post
    spans: tuple[Span, ...]

    @property
    def text(self) -> str:
        """The lines, one under the other."""
        return "\n".join(self.post.quote(span) for span in self.spans)


def cite(panes: Sequence[Pane], key: str, quote: str) -> Citation | None:
    """Return the whole line of the post ``key`` in which ``quote`` stands, or None when it stands in none.

    The line is cited whole, so that nobody can cut a denial or a speaker off a quote.
    """
    quote = quote.strip()
    for pane in panes:
        for span in pane.spans if pane.key == key else ():
            text = pane.post.quote(span)
            if quote in text and (len(quote.split()) >= _QUOTE_WORDS or quote == text):
                return Citation(pane.post.id, span, text)
    return None


def cost(text: str) -> int:
    """Return the tokens that a line takes when it is shown."""
    return tokens(text) + _MARK_TOKENS * len(text.split())


def code(lang: str, otherwise: str) -> str:
    """Return a language as a model is told it: its code, when it looks like one."""
    return lang if _LANG.fullmatch(lang) else otherwise
