"""What a model is shown for a question: the lines that bear on it, under ids that mean nothing outside the request.

A post that speaks to machines is not shown, nor is a line with a link, code or a disguised word (`domains.lure`). What is
shown is what may be quoted; a quote is found again in its line exactly, or it is none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agents import pane
from agents.pane import Pane
from agents.prompt import Block
from domains.answer_line import Line
from domains.digest import Citation
from domains.lure import LINE_SIGNS, lures

# A post's label costs a few tokens.
_LABEL_TOKENS: Final = 16


@dataclass(frozen=True, slots=True)
class Showing:
    """All that one request shows."""

    items: tuple[Pane, ...]

    @property
    def blocks(self) -> tuple[Block, ...]:
        """What is to be rendered."""
        return tuple(_block(item) for item in self.items)

    def cite(self, key: str, quote: str) -> Citation | None:
        """Return the whole line of the post ``key`` in which ``quote`` stands, or None when it stands in none."""
        return pane.cite(self.items, key, quote)


def show(lines: Sequence[Line], budget_tokens: int) -> Showing:
    """Return the best of ``lines`` within ``budget_tokens``; posts in the order of their best line."""
    taken: dict[int, list[Line]] = {}
    withheld: dict[int, bool] = {}
    left = budget_tokens
    for line in lines:
        row = line.post.id
        if row not in withheld:
            withheld[row] = bool(lures(line.post.text))
        cost = pane.cost(line.text) + _LABEL_TOKENS * (row not in taken)
        if withheld[row] or cost > left or lures(line.text, LINE_SIGNS):
            continue
        left -= cost
        taken.setdefault(row, []).append(line)
    return Showing(
        tuple(
            Pane(f"p{number}", held[0].post, tuple(sorted(line.span for line in held)))
            for number, held in enumerate(taken.values(), 1)
        )
    )


def _block(item: Pane) -> Block:
    """Return the lines, one under the other, below the post's id, day and language."""
    return Block(f"{item.key}, {item.post.at:%Y-%m-%d}, {pane.code(item.post.lang, 'und')}:", item.text)
