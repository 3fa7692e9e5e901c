"""What drives a trend: what its posts share and the stream before it did not.

units of its posts, units of posts before ─▶ drivers ─▶ spelled as people write them
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from domains.text import words
from domains.topic import stem

# What drives a trend: a unit that this share of its posts has, and so many times the share it had before.
SHARED: Final = 0.34
LIFT: Final = 3.0
DRIVERS: Final = 5
# A share before is never taken for less than one post of so many.
_DOUBT: Final = 200


def drivers(
    own: Sequence[Iterable[str]], before: Sequence[Iterable[str]], most: int = DRIVERS
) -> tuple[str, ...]:
    """Return the units that a trend's posts share and that were `LIFT` times rarer before, the most shared first.

    ``own`` are the units of each of its posts, ``before`` those of posts of the stream before it began.
    """
    if not own:
        return ()
    now = Counter(unit for units in own for unit in set(units))
    then = Counter(unit for units in before for unit in set(units))
    rose = [
        (count, unit)
        for unit, count in now.items()
        if count >= max(2, SHARED * len(own))
        and count / len(own) >= LIFT * max(then[unit] / max(len(before), 1), 1 / _DOUBT)
    ]
    rose.sort(key=lambda pair: (-pair[0], pair[1]))
    return tuple(unit for _, unit in rose[:most])


def spelled(units: Iterable[str], texts: Iterable[str]) -> tuple[str, ...]:
    """Return units ("n:luhva", "t:mill paper", "#tag") as people write them: their stems' commonest words in ``texts``.

    The parts of a pair stand in the order in which most of the texts have them. Each once; what is not found is left out.
    """
    forms: dict[str, Counter[str]] = {}
    pairs: Counter[tuple[str, str]] = Counter()
    for text in texts:
        own = words(text)
        for word in own:
            forms.setdefault(stem(word), Counter())[word] += 1
        pairs.update(zip(map(stem, own), map(stem, own[1:]), strict=False))
    found = (_spelled(unit, forms, pairs) for unit in units)
    return tuple(dict.fromkeys(name for name in found if name))


def _spelled(unit: str, forms: Mapping[str, Counter[str]], pairs: Mapping[tuple[str, str], int]) -> str:
    if unit.startswith("#"):
        return unit
    stems = unit[2:].split(" ")
    if any(one not in forms for one in stems):
        return ""
    if len(stems) == 2 and pairs.get((stems[1], stems[0]), 0) > pairs.get((stems[0], stems[1]), 0):
        stems.reverse()
    best = (min(forms[one].items(), key=lambda item: (-item[1], item[0]))[0] for one in stems)
    return " ".join(best)
