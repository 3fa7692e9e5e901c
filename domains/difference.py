"""What differs between two digests of one window, in words."""

from collections import Counter
from collections.abc import Iterator

from msgspec import UNSET

from domains.digest import Digest, DigestStory, Drop


def difference(old: Digest, new: Digest) -> tuple[str, ...]:
    """Return lines that say what ``new`` shows otherwise than ``old``: stories, sentences, order, counts by reason.

    Lines begin with "-" (gone), "+" (come), "~" (changed). Equal digests give no line.
    """
    return (*_stories(old, new), *_counts(old, new), *_rest(old, new))


def _stories(old: Digest, new: Digest) -> Iterator[str]:
    before = {story.story: story for story in old.stories}
    after = {story.story: story for story in new.stories}
    for number, story in before.items():
        if number not in after:
            yield f"- story {number}: {story.headline.text}"
    for number, story in after.items():
        if number not in before:
            yield f"+ story {number}: {story.headline.text}"
        else:
            yield from _within(before[number], story)
    kept_before = [number for number in before if number in after]
    kept_after = [number for number in after if number in before]
    if kept_before != kept_after:
        yield f"~ order of stories: {_row(kept_before)} → {_row(kept_after)}"


def _within(old: DigestStory, new: DigestStory) -> Iterator[str]:
    name = f"story {new.story}"
    if old.headline.text != new.headline.text:
        yield f"~ {name} headline: {old.headline.text} → {new.headline.text}"
    if old.section != new.section:
        yield f"~ {name} section: {old.section} → {new.section}"
    for what in (
        "posts",
        "sources",
        "families",
        "languages",
        "since",
        "repeats",
        "continuing",
        "late",
        "rung",
        "day",
        "thread",
    ):
        was, now = getattr(old, what), getattr(new, what)
        if was != now:
            yield f"~ {name} {what}: {_row(was)} → {_row(now)}"
    if old.trend != new.trend:
        yield f"~ {name} trend: {_trend(old)} → {_trend(new)}"
    if old.changes != new.changes:
        yield f"~ {name} changes: {_changes(old)} → {_changes(new)}"
    before, after = [s.text for s in old.sentences], [s.text for s in new.sentences]
    yield from (f"- {name} ({new.headline.text}): {text}" for text in before if text not in after)
    yield from (f"+ {name} ({new.headline.text}): {text}" for text in after if text not in before)


def _trend(story: DigestStory) -> str:
    facts = story.trend
    return "–" if facts is UNSET else f"{facts.state} at {facts.at:%Y-%m-%d %H:%M}, {facts.posts} posts"


def _changes(story: DigestStory) -> str:
    changes = () if story.changes is UNSET else story.changes
    return "; ".join(f"{one.what} {one.old} → {one.new}".strip(" →") for one in changes) or "–"


def _counts(old: Digest, new: Digest) -> Iterator[str]:
    if len(old.shown) != len(new.shown):
        yield f"~ posts cited: {len(old.shown)} → {len(new.shown)}"
    elif set(old.shown) != set(new.shown):
        gone, come = sorted({*old.shown} - {*new.shown}), sorted({*new.shown} - {*old.shown})
        yield f"~ posts cited: {_row(gone)} → {_row(come)}"
    before = Counter(drop.reason for drop in old.drops)
    after = Counter(drop.reason for drop in new.drops)
    for reason in sorted(before | after):
        if before[reason] != after[reason]:
            yield f"~ posts left out ({reason}): {before[reason]} → {after[reason]}"
    moved = {_fate(drop) for drop in old.drops} ^ {_fate(drop) for drop in new.drops}
    if moved and before == after:
        yield f"~ posts left out otherwise: {_row(sorted({post for post, *_ in moved}))}"


def _fate(drop: Drop) -> tuple[int, str, int | None, str]:
    return drop.post, drop.reason, drop.of, drop.detail


def _rest(old: Digest, new: Digest) -> Iterator[str]:
    for name in ("rung", "method", "sections", "zone", "window"):
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            yield f"~ {name}: {_row(before)} → {_row(after)}"
    if round(old.score, 6) != round(new.score, 6):
        yield f"~ score: {old.score:.3f} → {new.score:.3f}"


def _row(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
