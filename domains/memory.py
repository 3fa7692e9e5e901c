"""What happened to a subscription's digests, and what the next one should do about it.

    episodes (newest 8 runs) ─▶ lessons: a check that failed in two of them, its remedy, how strongly ─▶ adjusted settings

A lesson fades by itself: each run that passes weakens it, and it is gone when fewer than two failures are in sight.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal, get_args

import msgspec

from domains import limits
from domains.digest import Plan, Settings, Verdict
from domains.verify import WEIGHTS

EventKind = Literal[
    "run_started",
    "run_completed",
    "error",
    "retry",
    "quality_low",
    "budget_exceeded",
    "injection_suspected",
    "trend_changed",
]
KINDS: Final[tuple[EventKind, ...]] = get_args(EventKind)

# Events that say how a run went.
_JUDGED: Final[frozenset[EventKind]] = frozenset(
    {"run_completed", "quality_low", "budget_exceeded", "injection_suspected"}
)
# How many of a subscription's newest runs are looked at, and how the older ones fade, run by run.
LOOK_BACK: Final = 8
FADE: Final = 0.8
# One failure is an accident, two are a habit.
HABIT: Final = 2
# Stands for a run that passed, so that two bad runs alone do not speak with full voice.
DOUBT: Final = 1.0
# Below these no remedy takes a digest.
_FEWEST: Final[Mapping[str, int]] = {"max_stories": 3, "max_sentences": 1, "max_documents": 6}
_MOST_MIN_POSTS: Final = 3
# From this weight on a model's prose is given up for quotes, where the check is one that quotes cannot fail.
DISTRUST: Final = 0.5
# The cause of an injection that never reached a model.
WITHHELD: Final = "withheld"
_TEXT_CHARS: Final = 500
_ITEMS: Final = 20
_DEPTH: Final = 4
_NAME_CHARS: Final = 64
_NAMED: Final = 8


@dataclass(frozen=True, slots=True)
class Episode:
    """An event as it is remembered. ``cause`` is a check's name, an error's class, a budget's scope or one word."""

    id: int
    kind: EventKind
    at: datetime
    cause: str
    run: int | None = None
    subscription: int | None = None
    payload: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Remedy:
    """What helps against a failing check: changes of a digest's settings at full weight, in the check's own words.

    ``extractive`` asks for quotes in place of a model's prose.
    """

    why: str
    stories: int = 0
    sentences: int = 0
    documents: int = 0
    min_posts: int = 0
    extractive: bool = False


@dataclass(frozen=True, slots=True)
class Lesson:
    """A check that failed again and again. ``weight`` in (0, 1); ``evidence`` are the episodes' ids, newest first.

    ``stories`` is how many stories the largest digest that failed it told, None when nobody noted it: fewer stories
    means fewer than those, not fewer than a setting that no window fills.
    """

    check: str
    remedy: Remedy
    weight: float
    evidence: tuple[int, ...]
    failed: int
    of: int
    stories: int | None = None

    @property
    def words(self) -> str:
        """The lesson in a sentence."""
        return f"{self.check} failed in {self.failed} of the last {self.of} digests: {self.remedy.why}"


@dataclass(frozen=True, slots=True)
class Fault:
    """What was wrong with a digest while it was made: the check, how much was asked and found, and one example."""

    check: str
    expected: float
    found: float
    detail: str = ""


_INVENTED: Final = Remedy("a model states what its sources do not: shorter prose, then quotes", sentences=-1,
                          extractive=True)  # fmt: skip
_FORM: Final = Remedy("prose that must not be shown keeps coming: quotes instead", extractive=True)
REMEDIES: Final[Mapping[str, Remedy]] = {
    # What a plan promises itself.
    "tellable": Remedy("stories had nothing to quote: fewer, of more posts", stories=-3, min_posts=1),
    "distinct": Remedy("stories told the same: fewer of them", stories=-3),
    "corroborated": Remedy("one publisher was read where several tell: fewer stories, more of each", stories=-4),
    # What the verifier holds prose against.
    **dict.fromkeys(("cites", "span", "quote", "story", "extract", "numbers", "facts", "names"), _INVENTED),
    **dict.fromkeys(("grounded", "denial"), _INVENTED),
    **dict.fromkeys(("advertisement", "plain", "lure", "length", "language", "injection"), _FORM),
    "repeat": Remedy("sentences repeated each other: fewer of them", stories=-2, sentences=-1),
    "told": Remedy("it told again what was told: fewer, of more posts", stories=-2, min_posts=1),
    # The parts of a low score.
    "support": _INVENTED,
    "coverage": Remedy("stories were told in part: fewer stories, more of each", stories=-4),
    "diversity": Remedy("too few publishers were heard: fewer stories, more documents for each", stories=-4),
    "freshness": Remedy("sentences of a story overlapped: fewer of them", sentences=-1),
    "fitness": Remedy("sentences did not stand alone: fewer, of stories with more posts", sentences=-1, min_posts=1),
    # What it costs.
    "budget": Remedy("the budget ran out: fewer stories, fewer documents", stories=-3, documents=-12),
}  # fmt: skip


def lessons(episodes: Iterable[Episode]) -> tuple[Lesson, ...]:
    """Return what a subscription's next digest should do differently, the weightiest first.

    ``episodes`` are of one subscription, in any order. A lesson's weight is the share of the newest `LOOK_BACK` runs
    that failed its check, each run counting `FADE` of the one after it, beside a doubt of `DOUBT`.
    """
    known = sorted(episodes, key=lambda one: (one.at, one.id), reverse=True)
    runs = list(dict.fromkeys(one.run for one in known if one.run is not None and one.kind in _JUDGED))
    place = {run: number for number, run in enumerate(runs[:LOOK_BACK])}
    failed: dict[str, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for one in known:
        check = _check_of(one)
        if one.run in place and check in REMEDIES:
            failed[check][place[one.run]].append(one.id)
    told = {
        one.run: count
        for one in known
        if one.kind == "run_completed" and isinstance(count := (one.payload or {}).get("stories"), int)
    }
    whole = DOUBT + sum(FADE**number for number in place.values())
    found = [
        Lesson(
            check=check,
            remedy=REMEDIES[check],
            weight=round(sum(FADE**number for number in at) / whole, 4),
            evidence=tuple(row for number in sorted(at) for row in at[number]),
            failed=len(at),
            of=len(place),
            stories=max((told[runs[number]] for number in at if runs[number] in told), default=None),
        )
        for check, at in failed.items()
        if len(at) >= HABIT
    ]
    return tuple(sorted(found, key=lambda one: (-one.weight, one.check)))


def _check_of(episode: Episode) -> str:
    if episode.kind == "quality_low":
        return episode.cause
    if episode.kind == "injection_suspected" and episode.cause == WITHHELD:
        # Posts kept from a model did no harm; a lesson of them would let strangers take a reader's prose away.
        return ""
    return {"budget_exceeded": "budget", "injection_suspected": "injection"}.get(episode.kind, "")


def adjusted(settings: Settings, learned: Sequence[Lesson]) -> Settings:
    """Return ``settings`` with every lesson's remedy applied as strongly as the lesson weighs.

    Of several lessons on one setting the strongest counts. Nothing rises above what the subscriber asked for, and no
    digest shrinks below three stories, one sentence and six documents (or the subscriber's own lower wish).
    """
    stories = [(one.weight, one.remedy.stories, one.stories) for one in learned]
    sentences = [(one.weight, one.remedy.sentences, None) for one in learned]
    documents = [(one.weight, one.remedy.documents, None) for one in learned]
    min_posts = settings.min_posts + max((one.remedy.min_posts for one in learned), default=0)
    return replace(
        settings,
        max_stories=_lowered("max_stories", settings.max_stories, stories),
        max_sentences=_lowered("max_sentences", settings.max_sentences, sentences),
        max_documents=_lowered("max_documents", settings.max_documents, documents),
        min_posts=max(settings.min_posts, min(_MOST_MIN_POSTS, min_posts)),
    )


def _lowered(name: str, own: int, changes: Sequence[tuple[float, int, int | None]]) -> int:
    """Return ``own`` lowered by the strongest of ``changes``: (weight, change at full weight, what there was)."""
    wanted = [
        min(own, own if seen is None else seen) - math.ceil(weight * -change)
        for weight, change, seen in changes
        if change < 0
    ]
    return max(min(own, _FEWEST[name]), min([own, *wanted]))


def distrusted(learned: Iterable[Lesson]) -> bool:
    """Return whether the next digest should be quoted, not written: a model's prose failed too often."""
    return any(one.remedy.extractive and one.weight >= DISTRUST for one in learned)


def faults(plan: Plan, verdicts: Sequence[Verdict]) -> tuple[Fault, ...]:
    """Return what was wrong with a digest before it was mended, by check; empty for one that was right at once.

    ``plan`` is the one that was carried out (``replanned`` names the first plan's failed check), ``verdicts`` those on
    the drafts before cutting, the best first. A score under ``limits.CORRECT_BELOW_SCORE`` is laid to the part that
    costs most of it.
    """
    found: dict[str, Fault] = {}
    if plan.replanned:
        found[plan.replanned] = Fault(plan.replanned, 1.0, 0.0, "the first plan was given up")
    for step in plan.steps:
        if step.check.passed is False:
            found[step.check.name] = Fault(step.check.name, step.check.expected, step.check.found or 0.0)
    best = verdicts[0] if verdicts else None
    if best is not None:
        for finding in best.findings:
            found.setdefault(finding.check, Fault(finding.check, 1.0, 0.0, f"{finding.path}: {finding.why}"))
        if plan.stories and not best.score >= limits.CORRECT_BELOW_SCORE:
            part = _costliest(best)
            found.setdefault(
                part, Fault(part, limits.CORRECT_BELOW_SCORE, best.score, f"score {best.score:.3f}")
            )
    return tuple(found[name] for name in sorted(found))


def _costliest(verdict: Verdict) -> str:
    quality = sum(weight * verdict.parts.get(name, 0.0) for name, weight in WEIGHTS)
    support = verdict.parts.get("support", 0.0)
    lost = {name: support * weight * (1.0 - verdict.parts.get(name, 0.0)) for name, weight in WEIGHTS}
    lost["support"] = (1.0 - support) * quality
    return max(sorted(lost), key=lambda name: lost[name])


def fitted(payload: Mapping[str, Any], most: int = limits.MEMORY_PAYLOAD_BYTES) -> dict[str, Any]:
    """Return ``payload`` as JSON values that encode in at most ``most`` bytes and that Postgres accepts.

    Long texts, lists and deep values are cut; when that is not enough, the largest entries go and ``cut`` names them.
    """
    kept = {plain_text(str(key))[:_NAME_CHARS]: _plain(value, _DEPTH) for key, value in payload.items()}
    cut: list[str] = []
    while kept and len(msgspec.json.encode({**kept, "cut": cut} if cut else kept)) > most:
        largest = max(sorted(kept), key=lambda key: len(msgspec.json.encode(kept[key])) + len(key))
        del kept[largest]
        # The names alone must not fill the room either.
        cut = [*cut, largest][:_NAMED]
    return {**kept, "cut": cut} if cut else kept


def _plain(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        # Postgres writes numbers out in full, and takes no NaN: what would be long, or is none, is kept as text.
        return value if value == 0 or 1e-6 <= abs(value) < 1e15 else str(value)
    if isinstance(value, Mapping) and depth:
        pairs = list(value.items())[:_ITEMS]
        return {plain_text(str(key))[:_NAME_CHARS]: _plain(inner, depth - 1) for key, inner in pairs}
    if isinstance(value, list | tuple | set | frozenset) and depth:
        return [_plain(inner, depth - 1) for inner in list(value)[:_ITEMS]]
    return plain_text(str(value))[:_TEXT_CHARS]


def plain_text(text: str) -> str:
    """Return ``text`` without what Postgres cannot keep: NUL and lone surrogates."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()
