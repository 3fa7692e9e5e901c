"""Whether the posts of one story are of two: `parts`.

    posts' vectors ──> their likeness to each other ──> two groups: spherical 2-means from the two least alike
                   ──> two stories, if each is large enough, holds together, and is unlike the other

A story is looked at when its posts have doubled (`domains.story.StoryIndex.due`), so that looking costs a post the same
however large its story becomes. What parts is so much less alike than what merges that neither undoes the other.
Pure and deterministic; the order of the posts says nothing.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from domains.vector import Vector

# Two groups of posts are two stories when their centroids are less alike; set on the development streams
# (benchmarks/stories.py).
APART: Final = 0.2
# A group holds together when its posts are so alike on average, and so many times more than to the other group's.
COHESION: Final = 0.1
CONTRAST: Final = 2.0
# So many posts make a story of their own.
LEAST: Final = 3
# Posts read of a story: the newest.
READ: Final = 200
_ROUNDS: Final = 20

Group = frozenset[int]
_Matrix = NDArray[np.float64]


def parts(vectors: Sequence[Vector]) -> tuple[Group, Group] | None:
    """Return the two groups, by place in ``vectors``, that a story's posts are of: the larger first; None if they are one.

    Posts without content are in the first group. Of groups of one size the first holds the first of the posts.
    """
    order = sorted(
        (at for at, vector in enumerate(vectors) if len(vector)), key=lambda at: vectors[at].to_bytes()
    )
    if len(order) < 2 * LEAST:
        return None
    alike = _likeness([vectors[at] for at in order])
    second = _two_means(alike)
    if not _proven(alike, second):
        return None
    gone = frozenset(at for at, away in zip(order, second.tolist(), strict=True) if away)
    rest = frozenset(range(len(vectors))) - gone
    counts = len(order) - len(gone), len(gone)
    held = rest & frozenset(order)
    if counts[0] < counts[1] or (counts[0] == counts[1] and min(gone) < min(held)):
        return gone | (rest - held), held
    return rest, gone


def _likeness(vectors: Sequence[Vector]) -> _Matrix:
    """Return the cosine of each with each, [n, n]; rounded, so that equal ones are exactly so on any machine."""
    indices, where = np.unique(np.concatenate([one.indices for one in vectors]), return_inverse=True)
    dense = np.zeros((len(vectors), indices.size))
    rows = np.repeat(np.arange(len(vectors)), [len(one) for one in vectors])
    dense[rows, where] = np.concatenate([one.values for one in vectors])
    dense /= np.linalg.norm(dense, axis=1, keepdims=True)
    return np.asarray(np.round(dense @ dense.T, 6))


def _two_means(alike: _Matrix) -> NDArray[np.bool_]:
    """Return which are nearer to the second of two centroids; these start as the two least alike."""
    first, second = np.unravel_index(int(np.argmin(alike)), alike.shape)
    away: NDArray[np.bool_] = alike[:, second] > alike[:, first]
    for _ in range(_ROUNDS):
        if not away.any() or away.all():
            break
        nearer = _to_centroid(alike, away) > _to_centroid(alike, ~away)
        if np.array_equal(nearer, away):
            break
        away = nearer
    return away


def _to_centroid(alike: _Matrix, group: Any) -> _Matrix:
    length = max(float(alike[np.ix_(group, group)].sum()), 1e-9) ** 0.5
    return np.asarray(np.round(alike[:, group].sum(axis=1) / length, 6))


def _proven(alike: _Matrix, away: NDArray[np.bool_]) -> bool:
    sizes = int((~away).sum()), int(away.sum())
    if min(sizes) < LEAST:
        return False
    within = [_among(alike[np.ix_(group, group)]) for group in (~away, away)]
    across = alike[np.ix_(~away, away)]
    lengths = [float(alike[np.ix_(group, group)].sum()) ** 0.5 for group in (~away, away)]
    between = float(across.sum()) / (lengths[0] * lengths[1])
    return between < APART and min(within) >= max(COHESION, CONTRAST * float(across.mean()))


def _among(alike: _Matrix) -> float:
    """Return how alike those of one group are to each other on average, without each to itself."""
    count = len(alike)
    return float(alike.sum() - np.trace(alike)) / (count * (count - 1))
