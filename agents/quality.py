"""Which way a digest is written, and why: without a model, on the fast path, or on the smart path where that pays.

extractive   no call: no gateway, nothing to write, or no budget left
fast         claims and prose in one call
smart        claims (at most two calls), prose, an opinion on it, and a judge between close candidates
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Final, Literal

from agents.writer import Desk
from domains import limits
from domains.ports import Standing
from domains.text import words
from domains.wording import root

Path = Literal["extractive", "fast", "smart"]
# What a path may take in tokens before it is begun. The smart one asks at most seven times.
SMART_TOKENS: Final = 4 * limits.FAST_TOKENS
# A window is difficult when in so large a share of its stories publishers disagree on a figure.
DIFFICULT: Final = 0.34
_LEAST_STORIES: Final = 3


@dataclass(frozen=True, slots=True)
class Quality:
    """The path, why in words, and the randomness (hex) that the marks of this run's questions are drawn from.

    ``short`` says that the budget's rest was too small for the path that would have been taken.
    """

    path: Path
    why: tuple[str, ...]
    randomness: str = ""
    short: bool = False


def choose(desk: Desk, standing: Standing, randomness: Callable[[], bytes]) -> Quality:
    """Return the path for what is planned, what hangs on it and what may still be spent."""
    if not desk.plan.stories:
        return Quality("extractive", ("nothing to write",))
    left = standing.tokens_left
    if left is not None and left < limits.FAST_TOKENS:
        little = f"{left} tokens are left of the budget, a digest may take {limits.FAST_TOKENS}"
        return Quality("extractive", (little,), short=True)
    path, why = _path(desk, standing)
    short = path == "smart" and left is not None and left < SMART_TOKENS
    if short:
        path = "fast"
        why = (*why, f"but {left} tokens are left of the budget, the smart path may take {SMART_TOKENS}")
    return Quality(path, why, randomness().hex(), short)


def difficulty(desk: Desk) -> float:
    """Return the share of planned stories of which two publishers give different figures for the same, in [0, 1]."""
    disputed = sum(_disputed(desk, planned.story) for planned in desk.plan.stories)
    return disputed / len(desk.plan.stories) if desk.plan.stories else 0.0


def _disputed(desk: Desk, story: int) -> bool:
    told: dict[str, list[tuple[str, set[str]]]] = {}
    for row in desk.shelf.by_story[story].documents:
        post = desk.survey.posts[row]
        for counted, figures in _figures(post.text).items():
            told.setdefault(counted, []).append((post.family, figures))
    return any(
        one[0] != other[0] and not one[1] & other[1]
        for tellings in told.values()
        for one, other in combinations(tellings, 2)
    )


def _figures(text: str) -> dict[str, set[str]]:
    """Return the numbers in ``text`` by the root of the word that follows them: what they count."""
    found: dict[str, set[str]] = {}
    for number, counted in pairwise(words(text)):
        if number.isdigit() and counted.isalpha():
            found.setdefault(root(counted), set()).add(number)
    return found


def _path(desk: Desk, standing: Standing) -> tuple[Path, tuple[str, ...]]:
    if standing.important:
        return "smart", ("the subscription is important",)
    hard = difficulty(desk)
    share = f"{hard:.0%} of the stories disagree on figures"
    if hard >= DIFFICULT and len(desk.plan.stories) >= _LEAST_STORIES:
        return "smart", (f"{share}, from {DIFFICULT:.0%} on a window is difficult",)
    return "fast", (f"an ordinary window: {share}",)
