"""Other ways to find trends, for benchmarks/trends.py: each reads the same mentions and returns alarms.

Own short implementations after the sources named; an alarm of a unit that comes within `MERGE` of its last one is the
same alarm, so that nobody is charged for repeating himself.
"""

import math
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domains.tally import Mention

HOUR = timedelta(hours=1)
MERGE = timedelta(hours=6)


@dataclass
class Alarm:
    unit: str
    at: datetime
    posts: list[int] = field(default_factory=list)


def merged(alarms: Iterable[Alarm]) -> list[Alarm]:
    """Return alarms without the repetitions, each with the posts of its repetitions."""
    last: dict[str, tuple[datetime, Alarm]] = {}
    kept: list[Alarm] = []
    for alarm in sorted(alarms, key=lambda one: one.at):
        before = last.get(alarm.unit)
        if before is not None and alarm.at - before[0] < MERGE:
            before[1].posts += [post for post in alarm.posts if post not in before[1].posts]
            last[alarm.unit] = (alarm.at, before[1])
        else:
            kept.append(alarm)
            last[alarm.unit] = (alarm.at, alarm)
    return kept


def old_rule(mentions: Sequence[Mention], ratio: float = 3.0) -> list[Alarm]:
    """The customer's earlier rule: a 5-minute counter (times 12) over a 1-hour one, both restarted when they expire."""
    five: dict[str, tuple[int, int]] = {}
    hour: dict[str, tuple[int, list[int]]] = {}
    alarms: list[Alarm] = []
    for mention in mentions:
        stamp = int(mention.at.timestamp())
        for unit in mention.units:
            slot, count = five.get(unit, (-1, 0))
            five[unit] = (stamp // 300, count + 1 if slot == stamp // 300 else 1)
            slot, posts = hour.get(unit, (-1, []))
            hour[unit] = (stamp // 3600, [*posts, mention.post] if slot == stamp // 3600 else [mention.post])
            if five[unit][1] * 12 / len(hour[unit][1]) >= ratio:
                alarms.append(Alarm(unit, mention.at, list(hour[unit][1])))
    return alarms


def z_score(mentions: Sequence[Mention], z: float = 3.0, window: int = 72, least: int = 4) -> list[Alarm]:
    """Hourly counts more than ``z`` standard deviations over the mean of the ``window`` hours before, with a minimum."""
    return _hourly(mentions, least, lambda count, past: _z(count, past, window) >= z)


def kleinberg(
    mentions: Sequence[Mention], scale: float = 3.0, gamma: float = 1.0, least: int = 4
) -> list[Alarm]:
    """Kleinberg's two-state automaton on hourly batches (2002, section 3), decided online by the cheaper state."""
    alarms: list[Alarm] = []
    total: dict[int, int] = defaultdict(int)
    hits: dict[str, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for mention in mentions:
        slot = int(mention.at.timestamp() // 3600)
        total[slot] += 1
        for unit in mention.units:
            hits[unit][slot].append(mention.post)
    slots = sorted(total)
    everything = sum(total.values())
    for unit, batches in hits.items():
        count = sum(map(len, batches.values()))
        if count < least:
            continue
        base = min(count / everything, 0.999)
        burst = scale * base / (1 - base + scale * base)
        cost, posts = 0.0, deque[int](maxlen=50)
        switch = gamma * math.log(len(slots))
        for slot in range(min(batches), max(batches) + 1):
            seen = len(batches.get(slot, ()))
            rest = max(total.get(slot, 0) - seen, 0)
            gain = seen * math.log(burst / base) + rest * math.log((1 - burst) / (1 - base))
            cost = max(0.0, min(cost + gain, 3 * switch))
            posts.extend(batches.get(slot, ()))
            if not cost:
                posts.clear()
            elif cost > switch and seen and len(posts) >= least:
                alarms.append(
                    Alarm(unit, datetime.fromtimestamp((slot + 1) * 3600, mentions[0].at.tzinfo), [*posts])
                )
    return alarms


def _hourly(
    mentions: Sequence[Mention], least: int, unusual: Callable[[int, dict[int, int]], bool]
) -> list[Alarm]:
    hits: dict[str, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for mention in mentions:
        for unit in mention.units:
            hits[unit][int(mention.at.timestamp() // 3600)].append(mention.post)
    alarms: list[Alarm] = []
    for unit, batches in hits.items():
        for slot, posts in batches.items():
            past = {slot - other: len(found) for other, found in batches.items() if other < slot}
            if len(posts) >= least and unusual(len(posts), past):
                alarms.append(
                    Alarm(unit, datetime.fromtimestamp((slot + 1) * 3600, mentions[0].at.tzinfo), posts)
                )
    return alarms


def _z(count: int, past: dict[int, int], window: int) -> float:
    counts = [past.get(back, 0) for back in range(1, window + 1)]
    mean = sum(counts) / window
    deviation = math.sqrt(sum((one - mean) ** 2 for one in counts) / window)
    return (count - mean) / max(deviation, 0.3)
