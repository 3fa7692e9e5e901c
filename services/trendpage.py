"""A trend's card as a reader sees it: its facts in words, and its course as bars to be drawn."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from domains.card import Course, Facts
from domains.digest import TRENDS, Digest
from domains.lifecycle import State
from services import phrase, trendphrase
from services.phrase import Phrases

Moment = Callable[[datetime], str]
NAMED: Final = 5
# The drawing's size in its own units; a bar takes its share of the width, the gap after it included.
WIDTH: Final = 144
HEIGHT: Final = 32
GAP: Final = 2


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a drawing: its left edge, its top, and its size."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a trend entered a state."""

    x: int
    state: State


@dataclass(frozen=True, slots=True)
class Drawing:
    """A trend's course: bars of posts, marks of states; ``label`` says the same in words. Only numbers are drawn."""

    width: int
    height: int
    bars: tuple[Bar, ...]
    marks: tuple[Mark, ...]
    label: str


def title(section: str, phrases: Phrases) -> str:
    """Return the title of the section of trends, "" for any other."""
    return trendphrase.LOCALES[phrases.lang].title if section == TRENDS else ""


def nothing(digest: Digest, phrases: Phrases) -> str:
    """Return what a digest of trends says when there is none, "" for any other digest."""
    return trendphrase.LOCALES[phrases.lang].nothing if digest.method == TRENDS else ""


def summary(digest: Digest, phrases: Phrases, posts: int) -> str:
    """Return how many stories and trends of how many posts a digest tells; a digest of trends answers for no posts."""
    risen = sum(story.section == TRENDS for story in digest.stories)
    told = phrase.plural(phrases, phrases.stories, len(digest.stories) - risen)
    trends = phrase.plural(phrases, trendphrase.LOCALES[phrases.lang].trends, risen)
    if digest.method == TRENDS:
        return trends
    counted = f"{told}, {trends}" if risen else told
    return phrases.stories_from.format(stories=counted, posts=phrase.plural(phrases, phrases.posts, posts))


def drawing(facts: Facts, phrases: Phrases) -> Drawing | None:
    """Return what there is to draw, or None."""
    course = facts.course
    most = max(course.counts, default=0)
    if not most:
        return None
    step = WIDTH // len(course.counts)
    bars = []
    for number, count in enumerate(course.counts):
        height = max(1, round(HEIGHT * count / most)) if count else 1
        bars.append(Bar(step * number, HEIGHT - height, step - GAP, height))
    width = step * len(course.counts)
    end = course.start + timedelta(seconds=course.step_s * len(course.counts))
    marks = tuple(
        Mark(round(width * ((one.at - course.start) / (end - course.start))), one.state)
        for one in facts.turns
        if course.start <= one.at <= end
    )
    return Drawing(width, HEIGHT, tuple(bars), marks, _course(course, phrases))


def badge(facts: Facts, phrases: Phrases) -> str:
    """Return a trend's state in words."""
    return trendphrase.LOCALES[phrases.lang].states[facts.state]


def lines(facts: Facts, phrases: Phrases, moment: Moment) -> Iterator[str]:
    """Yield what is counted of a trend, in words: chance, course, what is next, who and what, what is near."""
    own = trendphrase.LOCALES[phrases.lang]
    yield trendphrase.chance(phrases, facts.days)
    if facts.course.counts:
        yield _course(facts.course, phrases)
    if len(facts.turns) > 1:
        yield " → ".join(f"{own.states[one.state]} {moment(one.at)}" for one in facts.turns)
    if facts.low is not None and facts.high is not None and facts.state != "over":
        posts = phrase.plural(phrases, own.posts, facts.high)
        yield own.next.format(low=facts.low, posts=posts)
    if facts.first is not None:
        yield own.first.format(source=facts.first.source, at=moment(facts.first.at))
    if facts.publishers:
        yield own.publishers.format(names=_listed(facts.publishers))
    if facts.names or facts.words:
        yield own.together.format(names=_listed((*facts.names, *facts.words)))
    if facts.related:
        yield own.related.format(names=_listed(own.quoted.format(text=one.title) for one in facts.related))


def _course(course: Course, phrases: Phrases) -> str:
    own = trendphrase.LOCALES[phrases.lang]
    step = own.steps[course.step_s]
    return own.course.format(spark=course.spark, most=max(course.counts), step=step)


def _listed(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:NAMED]) + (f" +{len(listed) - NAMED}" if len(listed) > NAMED else "")
