"""Publishers that copy one another are one voice: `kin` learns which, from how often they post each other's words.

A publisher is kin of the one it copies when near-verbatim copies of it (`domains.fingerprint`) are at least `COPIES` of
its posts and at least `SHARE` of all of them: a chance repost of an official notice makes nobody kin. Kinship is handed
on: two that copy one agency are one voice with it and with each other.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

COPIES: Final = 5
SHARE: Final = 0.5
# Habits change: what was copied longer ago says nothing of now.
REMEMBERED: Final = timedelta(days=30)


def kin(copies: Mapping[tuple[str, str], int], posts: Mapping[str, int]) -> dict[str, str]:
    """Return for each family that has kin the one name they are all counted under: the first in alphabetical order.

    ``copies`` counts the posts of a family (first) that repeat one of another (second); ``posts`` all posts of a family.
    """
    groups: dict[str, set[str]] = {}
    for (copier, copied), count in sorted(copies.items()):
        if copier == copied or count < COPIES or count < SHARE * posts.get(copier, count):
            continue
        group = groups.get(copier, {copier}) | groups.get(copied, {copied})
        groups |= dict.fromkeys(group, group)
    return {family: min(group) for family, group in groups.items()}
