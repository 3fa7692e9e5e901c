"""What is a trend: `Detector` reads mentions in event time and says when each trend changes its state.

    mentions ─▶ ticks ─▶ Tally ─▶ candidates: enough posts of enough publishers
                                 ─▶ p-value: the likeliest of several windows to be no chance, paid for by scanning
                                 ─▶ discoveries among all units of the last day ─▶ routine? covered? ─▶ a trend
                                 └▶ trends that live ─▶ lifecycle ─▶ Change

Nothing but mentions and their times goes in: the same posts give the same trends, live, in a backtest, in any order of
arrival within a tick. A tick must be complete when it is read; who cannot wait reads on a copy (services.trend).
"""

import heapq
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from domains.bundle import bundled
from domains.burst import discoveries, expected, scanned, settled, tail
from domains.forecast import HORIZON, Forecast, Forecaster
from domains.lifecycle import Life, Pulse, State
from domains.routine import OF_DAYS, reason, scattered
from domains.tally import DAY, HOUR, TICK, VOICES, Entry, Mention, Sight, Tally, end_of, kind_of, tick_of

SCALES: Final = (HOUR // 4, HOUR, 6 * HOUR, DAY)
# What is there when a stream begins may have been there for ever: one day is its history before another is judged.
COLD: Final = 6 * HOUR
# Terms repeat by day and by week; without three days nobody knows what is usual.
COLD_TERMS: Final = 3 * DAY
KEPT_POSTS: Final = 500
# A word seen oftener a day is weighed once an hour: what it does shows then, and it is most of the work.
_COMMON: Final = 48
# A p-value above this is no discovery whatever the season.
_PROMISING: Final = 0.05


@dataclass(frozen=True, slots=True)
class Support:
    """What a trend needs: posts, publishers (families), and the rate of false discoveries among all trends."""

    posts: int = 4
    families: int = 3
    false_rate: float = 0.1


@dataclass(frozen=True, slots=True)
class Change:
    """A trend's new state at ``at``. ``unit`` and ``wave`` name the trend; ``since`` is its first tick's begin.

    ``p_value`` is the chance that a unit of its kind would look so unusual in a day; ``posts`` are its posts so far, by
    time, ``also`` the terms that burst with it. ``why`` is set where there is no trend after all: "routine: ...", "covered
    by ...", "scattered: ...".
    """

    unit: str
    wave: int
    at: datetime
    state: State
    p_value: float
    since: datetime
    posts: tuple[int, ...]
    families: int
    velocity: float
    acceleration: float
    forecast: Forecast | None = None
    tests: int = 0
    also: tuple[str, ...] = ()
    why: str = ""


@dataclass(slots=True)
class _Trend:
    unit: str
    wave: int
    since: int
    p_value: float
    tests: int
    life: Life
    posts: list[int]
    families: set[str]
    also: tuple[str, ...]


@dataclass(slots=True)
class _Guess:
    due: int
    unit: str
    pulse: Pulse
    told: Forecast


@dataclass(slots=True)
class _Found:
    """A unit that passed the minimum: its p-value, when that was, and where its likeliest window began."""

    p_value: float
    at: int
    since: int


@dataclass(frozen=True, slots=True)
class _Count:
    """What a window holds: posts, voices (`domains.tally.VOICES` of a publisher), publishers, the first post's tick."""

    posts: int
    voices: int
    families: int
    since: int


class Detector:
    """Finds trends. Not safe for threads."""

    def __init__(self, support: Support | None = None, width: int = 1 << 17) -> None:
        self.support = support or Support()
        self.tally = Tally(width)
        self.forecaster = Forecaster()
        self.late = 0
        self._waiting: dict[int, list[Mention]] = {}
        self._ahead: list[int] = []
        self._done = -1
        self._trends: dict[str, _Trend] = {}
        self._waves: dict[str, tuple[int, int]] = {}
        self._found: dict[str, _Found] = {}
        self._refused: dict[str, int] = {}
        self._taken: dict[int, str] = {}
        self._taking: deque[tuple[int, int]] = deque()
        self._guesses: deque[_Guess] = deque()

    def take(self, mentions: Iterable[Mention]) -> None:
        """Keep mentions for when their tick is over. Those of a tick that was read already are counted in ``late``."""
        for mention in mentions:
            tick = tick_of(mention.at)
            if tick <= self._done:
                self.late += 1
            elif tick in self._waiting:
                self._waiting[tick].append(mention)
            else:
                self._waiting[tick] = [mention]
                heapq.heappush(self._ahead, tick)

    def advance(self, until: datetime) -> list[Change]:
        """Read all ticks that are over at ``until`` and return what changed, by time."""
        last = tick_of(until) - 1
        changes: list[Change] = []
        while self._done < last:
            tick = self._next(last)
            if tick is None:
                break
            mentions = sorted(self._waiting.pop(tick, ()), key=lambda one: (one.at, one.ref, one.post))
            changes += self._read(tick, mentions)
            self._done = tick
        self._done = max(self._done, last)
        return changes

    def _next(self, last: int) -> int | None:
        """Return the next tick with something to do: with posts, or any while trends live."""
        while self._ahead and self._ahead[0] <= self._done:
            heapq.heappop(self._ahead)
        if self._trends:
            return self._done + 1
        return self._ahead[0] if self._ahead and self._ahead[0] <= last else None

    def _read(self, tick: int, mentions: Sequence[Mention]) -> list[Change]:
        touched = self.tally.take(tick, mentions)
        for unit, entry in touched.items():
            self._weigh(tick, unit, entry)
        changes = self._live(tick, touched)
        changes += self._discover(tick)
        self._judge(tick)
        return changes

    def _weigh(self, tick: int, unit: str, entry: Entry) -> None:
        """Compute the p-value of a unit that has the minimum of posts and publishers."""
        seen = len(entry.sights)
        if seen < self.support.posts or self._waits(tick, unit, entry):
            return
        if seen > _COMMON and tick % HOUR and unit[0] != "s":
            return
        _, floor = self._waves.get(unit, (0, -1))
        counts = _counted(entry.sights, tick, floor)
        if not counts or counts[-1].posts < self.support.posts or counts[-1].families < self.support.families:
            return
        past, before = self._past(tick, unit, entry, counts[-1])
        best = _Found(1.0, tick, counts[-1].since)
        for scale, count in zip(SCALES, counts, strict=True):
            if count.posts < 2:
                continue
            # Whoever spoke first made the unit; only the others are evidence that it is more than that.
            heard = count.voices - (not past and count.posts == counts[-1].posts)
            p = self._chance(tick, unit, entry, scale, heard, past, before)
            p = scanned(p, scale * TICK, DAY * TICK, len(SCALES))
            if p < best.p_value:
                # All of a new story is its news; of an old one, what came in the likeliest window.
                best = _Found(p, tick, (counts[-1] if unit[0] == "s" and not entry.gone else count).since)
        known = self._found.get(unit)
        if known is None or known.at <= tick - DAY or best.p_value < known.p_value:
            self._found[unit] = best

    def _past(self, tick: int, unit: str, entry: Entry, day: "_Count") -> tuple[float, float]:
        """Return how often a unit was mentioned before what is judged, and in how many posts of the stream."""
        tally = self.tally
        if unit[0] == "s":
            past = float(entry.gone + len(entry.sights) - day.posts)
            return past, float(tally.volume(entry.first, day.since - 1)) if past else 0.0
        at = end_of(tick)
        past = tally.season.past(tally.code(unit), at) - len(entry.sights)
        if past < 1:
            return 0.0, 0.0
        return past, max(0.0, tally.season.volume(at) - tally.volume(tick - DAY, tick))

    def _chance(
        self, tick: int, unit: str, entry: Entry, scale: int, heard: int, past: float, before: float
    ) -> float:
        """Return how likely it is by chance to be heard so often in the last ``scale`` ticks."""
        tally = self.tally
        prior, exposure = tally.quiet[kind_of(unit)].prior(), float(tally.volume(tick - scale, tick))
        if unit[0] == "s":
            return tail(heard, (settled if self._is_old(entry) else expected)(prior, past, before, exposure))
        p = tail(heard, settled(prior, past, before, exposure))
        if p > _PROMISING or not past:
            return p
        sights = (end_of(sight[0]) for sight in entry.sights)
        factor = tally.season.factor(tally.code(unit), end_of(tick - scale), end_of(tick), sights)
        return tail(heard, settled(prior, past, before, exposure * factor))

    def _waits(self, tick: int, unit: str, entry: Entry) -> bool:
        """Return whether there is not enough history to call this unit unusual."""
        start = self.tally.start or 0
        if unit[0] != "s":
            return tick < start + COLD_TERMS
        return tick < start + COLD or (self._is_old(entry) and tick < entry.first + 2 * DAY)

    def _is_old(self, entry: Entry) -> bool:
        """Return whether a story may have been there before the stream began."""
        return entry.first < (self.tally.start or 0) + COLD

    def _discover(self, tick: int) -> list[Change]:
        """Begin the trends that are discovered now, stories first; what is known or routine is only noted."""
        for unit in [unit for unit, found in self._found.items() if found.at <= tick - DAY]:
            del self._found[unit]
        if not any(found.at == tick for found in self._found.values()):
            return []
        units = sorted(self._found, key=lambda unit: (self._found[unit].p_value, unit))
        kinds = [kind_of(unit) for unit in units]
        tested = {kind: max(count, kinds.count(kind)) for kind, count in self.tally.tested().items()}
        chosen = discoveries(
            [self._found[unit].p_value for unit in units], kinds, tested, self.support.false_rate
        )
        news = [unit for unit, is_found in zip(units, chosen, strict=True) if is_found]
        tests = sum(tested.values())
        changes = [
            self._story(tick, unit, tests) for unit in news if unit[0] == "s" and self._is_new(tick, unit)
        ]
        changes += self._bundles(tick, [unit for unit in news if unit[0] != "s"], tests)
        return changes

    def _story(self, tick: int, unit: str, tests: int) -> Change:
        found, entry = self._found[unit], self.tally.entries[unit]
        sights = entry.after(max(found.since - 1, self._waves.get(unit, (0, -1))[1]))
        owners = (self._taken.get(sight[2], unit) for sight in sights)
        of = Counter(owner for owner in owners if owner != unit).most_common(1)
        why = f"covered by {of[0][0]}" if of and of[0][1] >= len(sights) / 2 else ""
        loose = "" if why else scattered(entry.units)
        if loose:
            return self._put_off(tick, unit, found, sights, tests, loose)
        why = why or reason(entry.units, lambda units: self._days_seen(units, entry.first))
        return self._begin(tick, unit, found, sights, tests, why)

    def _put_off(
        self, tick: int, unit: str, found: _Found, sights: Sequence[Sight], tests: int, why: str
    ) -> Change:
        """Refuse for now what may yet become one happening; its posts stay free to belong to another."""
        self._refused[unit] = tick - DAY + HOUR
        return self._change(self._trend(tick, unit, found, sights, tests, 0, ()), tick, why)

    def _bundles(self, tick: int, units: Sequence[str], tests: int) -> list[Change]:
        fresh = {unit for unit in units if self._is_new(tick, unit)}
        if len(fresh) < 2:
            return []
        recent = {unit: self.tally.entries[unit].after(self._found[unit].since - 1) for unit in units}
        posts = {unit: {sight[2]: sight[1] for sight in sights} for unit, sights in recent.items()}
        changes = []
        for bundle in bundled(posts, self._taken.keys(), self.support.posts, self.support.families):
            if bundle.leader in fresh and fresh.intersection(bundle.partners):
                sights = [sight for sight in recent[bundle.leader] if sight[2] in bundle.posts]
                found, together = self._found[bundle.leader], (bundle.leader, *bundle.partners)
                why = reason([together, together], lambda pairs: self._days_seen(pairs, tick))
                changes.append(self._begin(tick, bundle.leader, found, sights, tests, why, bundle.partners))
        return changes

    def _days_seen(self, units: Sequence[str], first: int) -> Sequence[int]:
        codes = [self.tally.code(unit) for unit in units]
        return [int(days) for days in self.tally.days.count(codes, first // DAY, OF_DAYS)]

    def _is_new(self, tick: int, unit: str) -> bool:
        """Return whether a discovery of this tick may begin a trend: none of its unit is at its height."""
        trend = self._trends.get(unit)
        refused = self._refused.get(unit, -DAY)
        return (
            self._found[unit].at == tick
            and refused <= tick - DAY
            and (trend is None or trend.life.state == "fading")
        )

    def _begin(
        self, tick: int, unit: str, found: _Found, sights: Sequence[Sight], tests: int, why: str, also: Sequence[str] = ()
    ) -> Change:  # fmt: skip
        wave = self._waves.get(unit, (0, -1))[0] + (not why)
        trend = self._trend(tick, unit, found, sights, tests, wave, also)
        if why:
            # What is refused as routine is so under any other name.
            self._take(trend, (sight[2] for sight in sights if sight[2] not in self._taken), tick)
            self._refused[unit] = tick
            return self._change(trend, tick, why)
        self._waves[unit] = (wave, tick)
        self._trends[unit] = trend
        self._take(trend, [sight[2] for sight in sights], tick)
        return self._change(trend, tick)

    def _trend(
        self, tick: int, unit: str, found: _Found, sights: Sequence[Sight], tests: int, wave: int, also: Sequence[str]
    ) -> _Trend:  # fmt: skip
        pulse = Pulse.begun(end_of(sights[0][0]))
        for sight in sights:
            pulse = pulse.beat(end_of(sight[0]), 1, end_of(sight[0]))
        return _Trend(
            unit, wave, sights[0][0], found.p_value, tests, Life.noticed(pulse.beat(end_of(tick), 0)),
            [sight[2] for sight in sights][:KEPT_POSTS], {sight[1] for sight in sights}, tuple(also),
        )  # fmt: skip

    def _take(self, trend: _Trend, posts: Iterable[int], tick: int) -> None:
        for post in posts:
            self._taken[post] = trend.unit
            self._taking.append((tick, post))

    def _live(self, tick: int, touched: dict[str, Entry]) -> list[Change]:
        while self._taking and self._taking[0][0] <= tick - 2 * DAY:
            self._taken.pop(self._taking.popleft()[1], None)
        changes: list[Change] = []
        at = end_of(tick)
        for unit, trend in list(self._trends.items()):
            new = [sight for sight in touched[unit].sights if sight[0] == tick] if unit in touched else []
            trend.posts += [sight[2] for sight in new][: KEPT_POSTS - len(trend.posts)]
            self._take(trend, (sight[2] for sight in new), tick)
            trend.families |= {sight[1] for sight in new}
            before = trend.life.state
            trend.life = trend.life.beat(at, len(new), at if new else None)
            if trend.life.state != before:
                changes.append(self._change(trend, tick))
                if trend.life.state == "fading":
                    self._waves[unit] = (trend.wave, tick)
            if trend.life.state == "over":
                del self._trends[unit]
        return changes

    def _change(self, trend: _Trend, tick: int, why: str = "") -> Change:
        pulse = trend.life.pulse
        told = self.forecaster.forecast(pulse)
        if not why:
            self._guesses.append(_Guess(tick + HORIZON // TICK, trend.unit, pulse, told))
        return Change(
            trend.unit, trend.wave, end_of(tick), trend.life.state, trend.p_value, end_of(trend.since - 1),
            tuple(trend.posts), len(trend.families), pulse.velocity, pulse.acceleration, told, trend.tests, trend.also, why,
        )  # fmt: skip

    def _judge(self, tick: int) -> None:
        while self._guesses and self._guesses[0].due <= tick:
            guess = self._guesses.popleft()
            entry = self.tally.entries.get(guess.unit)
            begun = guess.due - HORIZON // TICK
            actual = sum(begun < sight[0] <= guess.due for sight in entry.sights) if entry else 0
            self.forecaster.learn(guess.pulse, guess.told, actual)


def _counted(sights: Sequence[Sight], tick: int, floor: int) -> list[_Count]:
    """Return what each of `SCALES` holds up to ``tick`` without what is not after ``floor``; empty when all do nothing."""
    counts: list[_Count] = []
    families: dict[str, int] = {}
    posts = heard = 0
    since = tick
    ends = [max(tick - scale, floor) for scale in SCALES]
    for sight in reversed(sights):
        while len(counts) < len(ends) and sight[0] <= ends[len(counts)]:
            counts.append(_Count(posts, heard, len(families), since))
        if len(counts) == len(ends):
            break
        known = families[sight[1]] = families.get(sight[1], 0) + 1
        posts, heard, since = posts + 1, heard + (known <= VOICES), sight[0]
    counts += [_Count(posts, heard, len(families), since)] * (len(ends) - len(counts))
    return counts if posts else []
