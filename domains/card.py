"""What a trend's card says beside its sentences: `Facts`, and its course in time."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from domains.lifecycle import State

# A trend's course is drawn in so many bars at most, each of one of these lengths.
BARS: Final = 24
STEPS: Final = (
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=3),
    timedelta(hours=6),
    timedelta(days=1),
)
_BLOCKS: Final = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Course:
    """Posts of a trend by time: ``counts[n]`` came in [start + n * step, start + (n + 1) * step)."""

    start: datetime
    step_s: int
    counts: tuple[int, ...]

    @property
    def spark(self) -> str:
        """The course in block letters, for where nothing can be drawn."""
        most = max(self.counts, default=0)
        return "".join(_BLOCKS[-(-count * 7 // most) if most else 0] for count in self.counts)


@dataclass(frozen=True, slots=True)
class Related:
    """Another trend, by its row, and what speaks for it: posts shared or found for both."""

    trend: int
    title: str
    shared: int


@dataclass(frozen=True, slots=True)
class First:
    """The post that began it."""

    post: int
    source: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Turn:
    """That a trend entered a state, and when."""

    state: State
    at: datetime


@dataclass(frozen=True, slots=True)
class Facts:
    """All of a trend that is counted, not told.

    ``state`` was entered at ``at``, by ``turns``, of which it is the last; ``p_value`` is for one unit a day of ``tests`` that were looked at; ``low`` and
    ``high`` bound the posts of the next hours (`domains.forecast.HORIZON`). ``publishers``, ``names`` and ``words`` are
    what rose together, the most frequent first.
    """

    trend: int
    unit: str
    wave: int
    state: State
    since: datetime
    at: datetime
    p_value: float
    tests: int
    posts: int
    families: int
    velocity: float
    low: int | None
    high: int | None
    course: Course
    first: First | None
    turns: tuple[Turn, ...] = ()
    publishers: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    related: tuple[Related, ...] = ()

    @property
    def days(self) -> float:
        """In how many days chance does as much once; under 1 for what chance does every day."""
        return rarity(self.p_value, self.tests)

    @property
    def brief(self) -> "Facts":
        """The facts that a line has room for."""
        return replace(
            self, low=None, high=None, first=None, turns=(), publishers=(), names=(), words=(), related=()
        )


def rarity(p_value: float, tests: int) -> float:
    """Return in how many days chance comes up with such a p-value once, so many things being looked at a day."""
    a_day = p_value * tests
    return 1 / a_day if a_day > 0 else math.inf


def course(times: Sequence[datetime], until: datetime) -> Course:
    """Return how many of ``times`` came when, up to ``until``, in at most `BARS` bars. Without times it is empty."""
    if not times:
        return Course(until, int(STEPS[0].total_seconds()), ())
    first = min(times)
    last = max(until, *times)
    step = next((step for step in STEPS if (last - first) // step < BARS - 1), STEPS[-1])
    start = first - (first - datetime.min.replace(tzinfo=first.tzinfo)) % step
    bars = min((last - start) // step + 1, BARS)
    counts = Counter((at - start) // step for at in times)
    return Course(start, int(step.total_seconds()), tuple(counts[bar] for bar in range(bars)))
