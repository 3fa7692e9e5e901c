"""What a model is shown for a question: the lines that bear on it, under ids that mean nothing outside the request.

A post that speaks to machines is not shown, nor is a line with a link, code or a disguised word (`domains.lure`). What is
shown is what may be quoted; a quote is found again in its line exactly, or it is none.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agents.prompt import Block
from domains.answer_line import Line
from domains.digest import Citation
from domains.lure import LINE_SIGNS, lures
from domains.post import Post
from domains.signal import tokens

# A shown word costs its own tokens and its mark's; a post's label costs a few.
_MARK_TOKENS: Final = 1
_LABEL_TOKENS: Final = 16
# A shorter quote does not say where it stands.
_QUOTE_WORDS: Final = 2
_LANG: Final = re.compile("[a-z]{2,3}")


@dataclass(frozen=True, slots=True)
class Item:
    """A post as it is shown: some of its lines, in reading order."""

    key: str
    post: Post
    lines: tuple[Line, ...]

    @property
    def block(self) -> Block:
        """The lines, one under the other, below the post's id, day and language."""
        lang = self.post.lang if _LANG.fullmatch(self.post.lang) else "und"
        label = f"{self.key}, {self.post.at:%Y-%m-%d}, {lang}:"
        return Block(label, "\n".join(line.text for line in self.lines))


@dataclass(frozen=True, slots=True)
class Showing:
    """All that one request shows."""

    items: tuple[Item, ...]

    @property
    def blocks(self) -> tuple[Block, ...]:
        """What is to be rendered."""
        return tuple(item.block for item in self.items)

    def cite(self, key: str, quote: str) -> Citation | None:
        """Return the whole line of the post ``key`` in which ``quote`` stands, or None when it stands in none.

        The line is cited whole, so that nobody can cut a denial or a speaker off a quote.
        """
        quote = quote.strip()
        for item in self.items:
            for line in item.lines if item.key == key else ():
                if quote in line.text and (len(quote.split()) >= _QUOTE_WORDS or quote == line.text):
                    return Citation(item.post.id, line.span, line.text)
        return None


def show(lines: Sequence[Line], budget_tokens: int) -> Showing:
    """Return the best of ``lines`` within ``budget_tokens``; posts in the order of their best line."""
    taken: dict[int, list[Line]] = {}
    withheld: dict[int, bool] = {}
    left = budget_tokens
    for line in lines:
        row = line.post.id
        if row not in withheld:
            withheld[row] = bool(lures(line.post.text))
        cost = tokens(line.text) + _MARK_TOKENS * len(line.text.split()) + _LABEL_TOKENS * (row not in taken)
        if withheld[row] or cost > left or lures(line.text, LINE_SIGNS):
            continue
        left -= cost
        taken.setdefault(row, []).append(line)
    return Showing(
        tuple(
            Item(f"p{number}", held[0].post, tuple(sorted(held, key=lambda line: line.span)))
            for number, held in enumerate(taken.values(), 1)
        )
    )
