"""Which way a digest is written, and why: without a model, on the fast path, or on the smart path where that pays.

extractive   no call: no gateway, nothing to write, or no budget left
fast         claims and prose in one call
smart        claims (at most two calls), prose, an opinion on it, and a judge between close candidates
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from agents.writer import Desk
from domains import limits
from domains.ports import Standing
from domains.text import numbers

Path = Literal["extractive", "fast", "smart"]
# What a path may take in tokens before it is begun. The smart one asks at most seven times.
SMART_TOKENS: Final = 4 * limits.FAST_TOKENS
# A window is difficult when the documents of so large a share of its stories disagree on figures.
DIFFICULT: Final = 0.34
_LEAST_STORIES: Final = 3


@dataclass(frozen=True, slots=True)
class Quality:
    """The path, why in words, and the randomness (hex) that the marks of this run's questions are drawn from."""

    path: Path
    why: tuple[str, ...]
    randomness: str = ""


def choose(desk: Desk, standing: Standing, randomness: Callable[[], bytes]) -> Quality:
    """Return the path for what is planned, what hangs on it and what may still be spent."""
    if not desk.plan.stories:
        return Quality("extractive", ("nothing to write",))
    left = standing.tokens_left
    if left is not None and left < limits.FAST_TOKENS:
        short = f"{left} tokens are left of the budget, a digest may take {limits.FAST_TOKENS}"
        return Quality("extractive", (short,))
    path, why = _path(desk, standing)
    if path == "smart" and left is not None and left < SMART_TOKENS:
        path = "fast"
        why = (*why, f"but {left} tokens are left of the budget, the smart path may take {SMART_TOKENS}")
    return Quality(path, why, randomness().hex())


def difficulty(desk: Desk) -> float:
    """Return the share of planned stories of several publishers whose documents agree on no figure, in [0, 1]."""
    disputed = 0
    for planned in desk.plan.stories:
        documents = [desk.survey.posts[row] for row in desk.shelf.by_story[planned.story].documents]
        figures = [numbers(post.text) for post in documents]
        told = [one for one in figures if one]
        several = len({post.family for post in documents}) > 1
        disputed += several and len(told) > 1 and not frozenset.intersection(*told)
    return disputed / len(desk.plan.stories) if desk.plan.stories else 0.0


def _path(desk: Desk, standing: Standing) -> tuple[Path, tuple[str, ...]]:
    if standing.important:
        return "smart", ("the subscription is important",)
    hard = difficulty(desk)
    share = f"{hard:.0%} of the stories disagree on figures"
    if hard >= DIFFICULT and len(desk.plan.stories) >= _LEAST_STORIES:
        return "smart", (f"{share}, from {DIFFICULT:.0%} on a window is difficult",)
    return "fast", (f"an ordinary window: {share}",)
