"""What comes again and again by itself, and so is no trend however suddenly it comes: `reason` says why.

`scattered` says why posts that were put together are no one happening.

A unit is known by what its posts have in common. Greetings of the calendar are known by their words in three languages;
all else is learned: what most of a story's posts share was said on many of the days before the story began.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

# On so many of so many days before, and so much of what is shared.
RECURS: Final = 3
OF_DAYS: Final = 7
SHARE: Final = 0.75
# A single pair of words in common proves nothing.
_PAIRS: Final = 2
_HALF: Final = 0.5
# So many posts have to say something before they can be found to say nothing together.
_TELLING: Final = 3
# Pairs of stems (`domains.topic`) that make a post a greeting: "today is (celebrated) the day of ...".
_CALENDAR: Final = frozenset(
    {
        "t:день отмеч", "t:день празд", "t:отмеч сегод", "t:празд сегод", "t:всеми день", "t:междун день",
        "t:день междун", "t:день всеми", "t:відзн день", "t:день відзн", "t:відзн сього", "t:день святк",
        "t:святк сього", "t:day world", "t:day inter", "t:celeb day", "t:celeb today", "t:day natio",
    }
)  # fmt: skip


def shared(posts: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return the units (without stories) that at least half of ``posts``, and two of them, speak of; sorted."""
    counts = Counter(unit for units in posts for unit in units if unit[0] != "s")
    need = max(2.0, _HALF * len(posts))
    return tuple(sorted(unit for unit, count in counts.items() if count >= need))


def scattered(posts: Sequence[Sequence[str]]) -> str:
    """Return why ``posts`` are no one happening, in words; "" when they may be.

    They are one when half of them share a name, a hashtag or two pairs of words: small talk that was put together for
    a word in common shares nothing else. Posts without any unit say nothing either way.
    """
    telling = [units for units in posts if any(unit[0] != "s" for unit in units)]
    common = shared(telling)
    if len(telling) < _TELLING or len(common) >= _PAIRS or any(unit[0] != "t" for unit in common):
        return ""
    return "scattered: half of its posts share no name, no hashtag and no two phrases"


def reason(posts: Sequence[Sequence[str]], days_seen: Callable[[Sequence[str]], Sequence[int]]) -> str:
    """Return why what ``posts`` have in common is routine, in words; "" when it may be news.

    ``days_seen`` returns on how many of the `OF_DAYS` days before the story each of some units was seen.
    """
    common = shared(posts)
    greetings = sum(any(unit in _CALENDAR for unit in units) for units in posts)
    if posts and greetings >= max(2.0, _HALF * len(posts)):
        return "routine: a greeting of the calendar"
    pairs = [unit for unit in common if not unit.startswith("n:")]
    if len(pairs) < _PAIRS:
        return ""
    old = sum(days >= RECURS for days in days_seen(pairs))
    if old >= SHARE * len(pairs):
        return f"routine: {old} of {len(pairs)} things in common were said on {RECURS} or more of {OF_DAYS} days before"
    return ""
