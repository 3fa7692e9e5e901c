"""Who spoke of what and when: `Tally` keeps counts of stories, names, hashtags and terms in event time.

    mentions of a tick ─▶ recent (exact, a day) ─▶ count and families in any window
                      └─▶ sketches (fading, bounded) ─▶ past, time of day, weekday, days on which it was seen

Times are ticks of `TICK` since 1970. What is kept exactly is bounded by a day of the stream; the rest by the sketches.
"""

from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from domains.burst import Prior, Quiet
from domains.season import Season
from domains.sketch import Days, Doorkeeper, code

TICK: Final = timedelta(minutes=5)
HOUR: Final = timedelta(hours=1) // TICK
DAY: Final = timedelta(days=1) // TICK
# A unit's quiet time: its news has passed, its story is not yet forgotten.
QUIET: Final = (DAY, 3 * DAY)
# Posts of one publisher that count in one window: a flood of one is one voice, and its echo.
VOICES: Final = 2
KINDS: Final = ("story", "hashtag", "name", "term")
# What is believed before a stream has taught better; measured on three weeks of Telegram news.
PRIORS: Final = {
    "story": Prior(5e-5, 0.3),
    "hashtag": Prior(2e-4, 0.15, 6.0),
    "name": Prior(2e-4, 0.15, 6.0),
    "term": Prior(2e-4, 0.15, 6.0),
}
# One of so many terms is watched from its first sight, to learn what terms do when nothing happens.
_SAMPLE: Final = 16
_LEARNED: Final = -DAY * 100
_CODES: Final = 200_000
_TURN: Final = 6 * HOUR
# Of so many posts of a story it is remembered what they speak of.
_GISTS: Final = 12

Sight = tuple[int, str, int]


@dataclass(frozen=True, slots=True)
class Mention:
    """A post as trends see it. ``units`` are "s:17" (a story), "#tag", "n:name", "t:two words"; ``ref`` orders posts."""

    post: int
    at: datetime
    family: str
    units: tuple[str, ...]
    ref: str = ""


@dataclass(slots=True)
class Entry:
    """A unit seen lately: the tick of its first sight, its sights (tick, family, post) of a day, how many are older.

    ``units`` are those of the story's last posts.
    """

    first: int
    sights: deque[Sight] = field(default_factory=deque)
    gone: int = 0
    quiet: int = 0
    units: tuple[tuple[str, ...], ...] = ()

    def after(self, tick: int) -> list[Sight]:
        """Return the sights after ``tick``."""
        return [one for one in self.sights if one[0] > tick]


def tick_of(at: datetime) -> int:
    """Return the tick that ``at`` falls into."""
    return int(at.timestamp() // TICK.total_seconds())


def end_of(tick: int) -> datetime:
    """Return the moment at which ``tick`` is over."""
    return datetime.fromtimestamp((tick + 1) * TICK.total_seconds(), UTC)


def kind_of(unit: str) -> str:
    """Return a unit's kind, one of `KINDS`."""
    return {"s": "story", "#": "hashtag", "n": "name"}.get(unit[0], "term")


class Tally:
    """Counts of a stream. Mentions come by ticks, in order. Not safe for threads."""

    def __init__(self, width: int = 1 << 17) -> None:
        self.start: int | None = None
        self.tick = 0
        self.entries: dict[str, Entry] = {}
        self.season = Season(width)
        self.days = Days(width)
        self.quiet = {kind: Quiet(PRIORS[kind]) for kind in KINDS}
        self._keeper: Doorkeeper[Sight] = Doorkeeper(width)
        self._singles: deque[tuple[int, str]] = deque()
        self._fresh: Counter[str] = Counter()
        self._known: Counter[str] = Counter()
        self._ticks: list[int] = []
        self._volumes: list[int] = []
        self._codes: dict[str, int] = {}

    def take(self, tick: int, mentions: Sequence[Mention]) -> dict[str, Entry]:
        """Count the mentions of one tick and return the units they are of. Ticks without any may be left out."""
        self.start = tick if self.start is None else self.start
        self._turn(tick)
        touched: dict[str, Entry] = {}
        codes: list[int] = []
        # Most of detection's time is spent here: what is looked up for each unit of each post is looked up once.
        known, entries = self._codes.get, self.entries.get
        for mention in mentions:
            sight = (tick, mention.family, mention.post)
            for unit in mention.units:
                is_story, key = unit[0] == "s", 0
                if not is_story:
                    key = known(unit) or self.code(unit)
                    codes.append(key)
                entry = entries(unit) or self._begin(unit, sight, key)
                if entry is not None:
                    entry.sights.append(sight)
                    entry.quiet += QUIET[0] < tick - entry.first <= QUIET[1]
                    touched[unit] = entry
                    if is_story:
                        entry.units = (*entry.units[1 - _GISTS :], mention.units)
        self._ticks.append(tick)
        self._volumes.append((self._volumes[-1] if self._volumes else 0) + len(mentions))
        self.season.add(codes, len(mentions), end_of(tick))
        self.days.add(codes, tick // DAY)
        return touched

    def volume(self, after: int, until: int) -> int:
        """Return the number of posts of the stream in ticks (after, until]; only the last four days are known."""
        return self._volume_until(until) - self._volume_until(after)

    def tested(self) -> dict[str, int]:
        """Return how many units of each kind were mentioned in the last day, give or take some hours."""
        return {kind: self._known[kind] for kind in KINDS}

    def code(self, unit: str) -> int:
        """Return the `code` of a unit."""
        known = self._codes.get(unit)
        if known is None:
            if len(self._codes) >= _CODES:
                self._codes.clear()
            known = self._codes[unit] = code(unit)
        return known

    def _begin(self, unit: str, sight: Sight, key: int) -> Entry | None:
        """Return the entry of a unit that has none; None at a term's first sight, which only the doorkeeper notes.

        ``key`` is a term's `code`.
        """
        tick, kind = sight[0], kind_of(unit)
        before: Sight | None = None
        if kind != "story":
            before = self._keeper.swap(key, sight)
            if before is not None and before[0] <= tick - DAY:
                before = None
            if before is None:
                self._known[kind] += 1
                self._fresh[kind] += 1
                self._singles.append((tick, kind))
                if key % _SAMPLE:
                    return None
        else:
            self._known[kind] += 1
        entry = self.entries[unit] = Entry(before[0] if before else tick)
        if before is not None:
            entry.sights.append(before)
        return entry

    def _volume_until(self, tick: int) -> int:
        at = bisect_right(self._ticks, tick)
        return self._volumes[at - 1] if at else 0

    def _turn(self, tick: int) -> None:
        """Now and then, learn from the units whose quiet time is over, and forget what is older than a day."""
        turned = self.tick // _TURN < tick // _TURN
        self.tick = tick
        if not turned:
            return
        old = bisect_right(self._ticks, tick - QUIET[1] - DAY) - 1
        if old > 0:
            del self._ticks[:old], self._volumes[:old]
        while self._singles and self._singles[0][0] <= tick - DAY:
            self._fresh[self._singles.popleft()[1]] -= 1
        known = Counter(self._fresh)
        for unit, entry in list(self.entries.items()):
            sights = entry.sights
            while sights and sights[0][0] <= tick - DAY:
                sights.popleft()
                entry.gone += 1
            if sights and entry.first > tick - DAY:
                known["story"] += unit[0] == "s"
                continue
            self._settle(unit, entry, tick)
            if sights:
                known[kind_of(unit)] += 1
        self._known = known

    def _settle(self, unit: str, entry: Entry, tick: int) -> None:
        """Learn from a unit whose quiet time is over; forget one of which nothing recent is known."""
        watched = unit[0] == "s" or self.code(unit) % _SAMPLE == 0
        if watched and entry.quiet >= 0 and tick - entry.first > QUIET[1]:
            exposure = self.volume(entry.first + QUIET[0], entry.first + QUIET[1])
            self.quiet[kind_of(unit)].learn(entry.quiet, exposure)
            entry.quiet = _LEARNED
        if not entry.sights:
            entry.units = ()
            if not watched or entry.quiet < 0:
                del self.entries[unit]
