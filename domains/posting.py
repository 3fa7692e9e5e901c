"""Inverted postings in a few flat arrays: build a `Segment` of points, merge segments, search a `Shard` of them.

    points ─▶ Segment (immutable, its bytes can be mapped by many processes) ─▶ merged with its neighbours as it ages
    question ─▶ every segment: rare terms first ─▶ the best few hundred exactly ─▶ filter ─▶ best ``limit``

A later segment overrides an earlier one's points by id; ``gone`` are ids that were deleted.
"""

import struct
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from domains.lexical import Floats, rarity
from domains.point import Point, Scope
from domains.vector import Vector

Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]
# Ordinals of points fit into 16 bits.
SEGMENT_POINTS: Final = 1 << 16
# Postings read while candidates are sought: the commonest character n-grams tell least and are read only of the best.
BUDGET: Final = 400_000
# The candidates whose score is made exact, for each one that is wanted, and at least. At a million posts 99.9 % of the
# best hundred of an exact search are found so, and all of the best ten (Telegram posts).
EXACT: Final = 8
EXACT_AT_LEAST: Final = 200
# Where a term's postings begin and end, and its weight.
_Slice = tuple[int, int, float]
# Places in a segment, their scores so far, and the terms that are still to be added.
_Rough = tuple[NDArray[np.intp], NDArray[np.float64], list[_Slice]]
_MAGIC: Final = b"SVP1"
_HEAD: Final = struct.Struct("<4sIIIII")
_UNKNOWN: Final = b"und"
_QUANTA: Final = 255.0


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """Points and their inverted postings.

    ``ids``, ``sources``, ``langs`` (ASCII, 8 bytes), ``times`` (s since 1970) [n]; ``terms`` [t] ascending, with
    ``starts`` [t + 1] into ``ordinals`` and ``values`` (in 1/255) [p]; ``dense`` [n, d], unit rows or zeros; ``gone``
    the ids that were deleted from what is older.
    """

    ids: Ids
    sources: Ids
    langs: NDArray[np.bytes_]
    times: Ids
    terms: NDArray[np.uint32]
    starts: NDArray[np.uint32]
    ordinals: NDArray[np.uint16]
    values: NDArray[np.uint8]
    dense: NDArray[np.float32]
    gone: Ids

    def __len__(self) -> int:
        return int(self.ids.size)

    @classmethod
    def of(cls, points: Sequence[Point], gone: Collection[int] = ()) -> Self:
        """Return a segment of at most `SEGMENT_POINTS` points; of two with one id the later counts."""
        latest = list({point.id: point for point in points}.values())
        if len(latest) > SEGMENT_POINTS:
            raise ValueError(f"a segment holds {SEGMENT_POINTS} points, not {len(latest)}")
        sizes = [len(point.lexical) for point in latest]
        keys = (
            np.concatenate([point.lexical.indices for point in latest]) if latest else np.empty(0, np.uint32)
        )
        values = (
            np.concatenate([point.lexical.values for point in latest]) if latest else np.empty(0, np.float32)
        )
        quanta = np.clip(np.rint(values * _QUANTA), 1, _QUANTA).astype(np.uint8)
        ordinals = np.repeat(np.arange(len(latest), dtype=np.uint16), sizes)
        width = max((point.dense.size for point in latest if point.dense is not None), default=0)
        dense = np.zeros((len(latest), width), np.float32)
        for at, point in enumerate(latest):
            if point.dense is not None:
                dense[at] = point.dense
        return cls(
            np.array([point.id for point in latest], np.int64),
            np.array([point.source for point in latest], np.int64),
            np.array([point.lang.encode("ascii", "replace")[:8] or _UNKNOWN for point in latest], "S8"),
            np.array([point.at.timestamp() for point in latest], np.int64),
            *_inverted(keys, ordinals, quanta),
            dense,
            np.array(sorted(gone), np.int64),
        )

    def to_bytes(self) -> bytes:
        """Return the segment in one piece, little endian, each array at a multiple of 8 bytes."""
        head = _HEAD.pack(
            _MAGIC, len(self), self.terms.size, self.ordinals.size, self.dense.shape[1], self.gone.size
        )
        parts = [head]
        for array in self._arrays():
            raw = np.ascontiguousarray(array).tobytes()
            parts += [raw, bytes(-len(raw) % 8)]
        return b"".join(parts)

    @classmethod
    def from_buffer(cls, data: Any) -> Self:
        """Return the segment that `to_bytes` wrote, as views of ``data``. Raises ValueError when it is another thing."""
        if len(data) < _HEAD.size or data[:4] != _MAGIC:
            raise ValueError("not a segment")
        _, points, terms, postings, width, gone = _HEAD.unpack_from(data)
        at = _HEAD.size
        arrays = []
        for kind, count in (
            ("<i8", points), ("<i8", points), ("S8", points), ("<i8", points), ("<u4", terms), ("<u4", terms + 1),
            ("<u2", postings), ("u1", postings), ("<f4", points * width), ("<i8", gone),
        ):  # fmt: skip
            size = np.dtype(kind).itemsize * count
            if at + size > len(data):
                raise ValueError("a segment that was cut off")
            arrays.append(np.frombuffer(data, kind, count, at))
            at += size + -size % 8
        arrays[8] = arrays[8].reshape(points, width)
        return cls(*arrays)

    def _arrays(self) -> tuple[NDArray[Any], ...]:
        return (
            self.ids, self.sources, self.langs, self.times, self.terms, self.starts, self.ordinals, self.values,
            self.dense, self.gone,
        )  # fmt: skip

    def kept(self, scope: Scope) -> Mask:
        """Return which points the scope's filters let through. Whose they are is not asked here: a shard has one owner."""
        mask = np.ones(len(self), np.bool_)
        if scope.sources is not None:
            mask &= np.isin(self.sources, np.array(sorted(scope.sources), np.int64))
        if scope.langs:
            mask &= np.isin(
                self.langs, np.array([lang.encode("ascii", "replace")[:8] for lang in scope.langs], "S8")
            )
        if scope.since is not None:
            # Times are kept in whole seconds: what is within one of the bound is left to who knows the post.
            mask &= self.times >= int(np.floor(scope.since.timestamp()))
        if scope.until is not None:
            mask &= self.times < int(np.ceil(scope.until.timestamp()))
        return mask


def merged(segments: Sequence[Segment], *, first: bool) -> Segment:
    """Return one segment that says what these say together, oldest first.

    What was deleted is forgotten only when nothing older is left (``first``).
    """
    alive = _alive(segments)
    offsets = np.cumsum([0, *(int(mask.sum()) for mask in alive)])
    keys, ordinals, values = [], [], []
    for segment, mask, offset in zip(segments, alive, offsets, strict=False):
        renumbered = np.cumsum(mask) - 1 + offset
        living = mask[segment.ordinals]
        keys.append(np.repeat(segment.terms, np.diff(segment.starts))[living])
        ordinals.append(renumbered[segment.ordinals[living]].astype(np.uint16))
        values.append(segment.values[living])
    width = max(segment.dense.shape[1] for segment in segments)
    dense = [
        segment.dense[mask]
        if segment.dense.shape[1] == width
        else np.zeros((int(mask.sum()), width), np.float32)
        for segment, mask in zip(segments, alive, strict=True)
    ]

    def joined(name: str) -> Any:
        return np.concatenate([getattr(one, name)[mask] for one, mask in zip(segments, alive, strict=True)])

    ids = joined("ids")
    gone = np.unique(np.concatenate([segment.gone for segment in segments]))
    return Segment(
        ids, joined("sources"), joined("langs"), joined("times"),
        *_inverted(np.concatenate(keys), np.concatenate(ordinals), np.concatenate(values)),
        np.concatenate(dense),
        np.empty(0, np.int64) if first else np.setdiff1d(gone, ids),
    )  # fmt: skip


class Shard:
    """All segments of one owner, oldest first, ready to be searched. Never changed; safe for threads."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self._segments = tuple(segments)
        self._alive = _alive(self._segments)
        self._whole = [bool(mask.all()) for mask in self._alive]
        self.points = sum(int(mask.sum()) for mask in self._alive)
        # Points that were overridden still count here until they are merged away; rarity hardly notices.
        self._stored = sum(len(segment) for segment in self._segments)

    def search(self, question: Vector, scope: Scope, limit: int) -> list[tuple[int, float]]:
        """Return up to ``limit`` (id, score) with the largest BM25, best first; scores are positive."""
        if limit <= 0:
            return []
        terms = self._weighed(question)
        exact = max(EXACT * limit, EXACT_AT_LEAST)
        rough = []
        for number, segment in enumerate(self._segments):
            early, later = self._parted(number, terms[number])
            scores = _sums(segment, early, self._mask(number, scope))
            places = _largest(scores, exact)
            rough.append((places, scores[places], later))
        if any(later for _, _, later in rough):
            rough = self._exact(rough, exact)
        found = [
            (scores, segment.ids[places])
            for segment, (places, scores, _) in zip(self._segments, rough, strict=True)
        ]
        return _best(found, limit)

    def nearest(self, direction: NDArray[np.float32], scope: Scope, limit: int) -> list[tuple[int, float]]:
        """Return up to ``limit`` (id, cosine) with the largest positive cosine to a dense unit vector, best first."""
        found: list[tuple[NDArray[np.float64], Ids]] = []
        for number, segment in enumerate(self._segments):
            if segment.dense.shape[1] != direction.size:
                continue
            scores = (segment.dense @ direction).astype(np.float64)
            mask = self._mask(number, scope)
            if mask is not None:
                scores = np.where(mask, scores, 0.0)
            best = _largest(scores, limit)
            found.append((scores[best], segment.ids[best]))
        return _best(found, limit)

    def _mask(self, number: int, scope: Scope) -> Mask | None:
        """Return which points of a segment may be found, or None for all of them."""
        segment = self._segments[number]
        if self._whole[number] and scope.is_whole:
            return None
        mask = self._alive[number] & segment.kept(scope)
        if scope.only is not None:
            mask &= np.isin(segment.ids, np.array(sorted(scope.only), np.int64))
        return mask

    def _weighed(self, question: Vector) -> list[list[_Slice]]:
        """Return for each segment its slices (start, end, weight) of the question's terms, rarest first overall."""
        places = [_places(segment, question) for segment in self._segments]
        held = np.zeros(len(question), np.float64)
        for starts, ends in places:
            held += ends - starts
        weights = question.values * rarity(float(self._stored), held) / _QUANTA
        order = np.argsort(held, kind="stable")
        return [
            [(int(starts[at]), int(ends[at]), float(weights[at])) for at in order if ends[at] > starts[at]]
            for starts, ends in places
        ]

    def _parted(self, number: int, terms: Sequence[_Slice]) -> tuple[list[_Slice], list[_Slice]]:
        """Return the terms that are read whole, within the segment's part of the budget, and those that are not."""
        budget = BUDGET * len(self._segments[number]) // max(self._stored, 1) + 1
        for place, (start, end, _) in enumerate(terms):
            if budget <= 0:
                return [*terms[:place]], [*terms[place:]]
            budget -= end - start
        return [*terms], []

    def _exact(self, rough: Sequence[_Rough], limit: int) -> list[_Rough]:
        """Return the best ``limit`` of all segments, with what the terms that were not read whole add to them."""
        every = np.concatenate([scores for _, scores, _ in rough])
        least = np.partition(every, every.size - limit)[every.size - limit] if every.size > limit else 0.0
        made = []
        for segment, (places, scores, later) in zip(self._segments, rough, strict=True):
            chosen = scores >= least
            order = np.argsort(places[chosen])
            best, sums = places[chosen][order], scores[chosen][order]
            if best.size:
                _add(segment, later, best.astype(np.uint16), sums)
            made.append((best, sums, later))
        return made


def _sums(segment: Segment, terms: Sequence[_Slice], mask: Mask | None) -> NDArray[np.float64]:
    """Return each point's sum of weighted values, 0 where the mask hides it."""
    if not terms:
        return np.zeros(len(segment), np.float64)
    ordinals = np.concatenate([segment.ordinals[start:end] for start, end, _ in terms])
    values = np.concatenate([segment.values[start:end] * np.float32(weight) for start, end, weight in terms])
    scores: NDArray[np.float64] = np.bincount(ordinals, values, len(segment)).astype(np.float64, copy=False)
    return scores if mask is None else scores * mask


def _add(
    segment: Segment, terms: Sequence[_Slice], places: NDArray[np.uint16], sums: NDArray[np.float64]
) -> None:
    """Add to the sums at ``places``, which ascend, what the terms are worth there."""
    for start, end, weight in terms:
        ordinals = segment.ordinals[start:end]
        at = np.minimum(np.searchsorted(ordinals, places), end - start - 1)
        holds = ordinals[at] == places
        sums[holds] += weight * segment.values[start:end][at[holds]]


def _places(segment: Segment, question: Vector) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if not segment.terms.size:
        nothing = np.zeros(len(question), np.int64)
        return nothing, nothing
    at = np.minimum(np.searchsorted(segment.terms, question.indices), segment.terms.size - 1)
    holds = segment.terms[at] == question.indices
    starts = segment.starts[at].astype(np.int64)
    return starts, np.where(holds, segment.starts[at + 1], starts).astype(np.int64)


def _inverted(
    keys: NDArray[np.uint32], ordinals: NDArray[np.uint16], values: NDArray[np.uint8]
) -> tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.uint16], NDArray[np.uint8]]:
    order = np.argsort(keys, kind="stable")
    terms, starts = np.unique(keys[order], return_index=True)
    return terms, np.append(starts, keys.size).astype(np.uint32), ordinals[order], values[order]


def _alive(segments: Sequence[Segment]) -> list[Mask]:
    """Return for each segment which of its points no later segment overrides or deletes."""
    masks: list[Mask] = []
    for number, segment in enumerate(segments):
        later = [ids for one in segments[number + 1 :] for ids in (one.ids, one.gone) if ids.size]
        mask = np.ones(len(segment), np.bool_)
        if later:
            mask = ~np.isin(segment.ids, np.concatenate(later))
        masks.append(mask)
    return masks


def _largest(scores: NDArray[np.float64], limit: int) -> NDArray[np.intp]:
    """Return where the ``limit`` largest positive scores are, ties included, in no order."""
    positive = np.flatnonzero(scores > 0.0)
    if positive.size > limit:
        least = np.partition(scores[positive], positive.size - limit)[positive.size - limit]
        positive = positive[scores[positive] >= least]
    return positive


def _best(found: Sequence[tuple[NDArray[np.float64], Ids]], limit: int) -> list[tuple[int, float]]:
    if not found:
        return []
    scores = np.concatenate([one for one, _ in found])
    ids = np.concatenate([one for _, one in found])
    order = np.lexsort((ids, -scores))[:limit]
    return [(int(ids[at]), float(scores[at])) for at in order]


__all__ = ["SEGMENT_POINTS", "Floats", "Segment", "Shard", "merged"]
