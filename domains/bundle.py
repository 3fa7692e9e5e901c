"""Terms that burst together: `bundled` finds those whose posts are the same posts.

One word that bursts says little ("Vladimir", "on 26 November"). Two that have no word in common, in the same posts of
enough publishers, are something that happens; this is how news inside a large old story is noticed.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

# Of the leader's posts, so many must hold its partner too.
OVERLAP: Final = 0.6


@dataclass(frozen=True, slots=True)
class Bundle:
    """A term, the terms that burst with it, and the posts (by number, with their publisher) that hold two of them."""

    leader: str
    partners: tuple[str, ...]
    posts: Mapping[int, str]


def bundled(
    found: Mapping[str, Mapping[int, str]], taken: AbstractSet[int], posts: int, families: int
) -> list[Bundle]:
    """Return bundles among ``found`` (unit → its posts with their publishers), the most telling units first.

    Posts ``taken`` by trends already do not count. Each bundle has at least ``posts`` posts of ``families`` publishers;
    no post is in two bundles.
    """
    taken = set(taken)
    bundles: list[Bundle] = []
    for leader, own in found.items():
        free = {post: family for post, family in own.items() if post not in taken}
        if len(free) < max(posts, len(own) / 2):
            continue
        partners = [
            unit
            for unit, other in found.items()
            if not words_of(unit) & words_of(leader)
            and len(free.keys() & other.keys()) >= OVERLAP * len(free)
        ]
        inside = {
            post: family for post, family in free.items() if any(post in found[unit] for unit in partners)
        }
        if len(inside) >= posts and len(set(inside.values())) >= families:
            bundles.append(Bundle(leader, tuple(partners), inside))
            taken |= inside.keys()
    return bundles


def words_of(unit: str) -> frozenset[str]:
    """Return the stems of a term."""
    return frozenset(unit.removeprefix("n:").removeprefix("t:").removeprefix("#").split())
