"""A window as a planner sees it: which posts can be read at all, what kind each source is, how much each story weighs.

Pure facts: nothing here chooses. Posts come out in the order (at, id), whatever order they came in.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import combinations
from math import log2
from statistics import median
from typing import Final, Literal

from domains import twin
from domains.digest import Briefing, Drop, Opening, Precedent, StoryFacts
from domains.fitness import ORDER, is_routine, quotable
from domains.post import Post
from domains.terms import Told
from domains.text import numbers
from domains.thread import Threads
from domains.window import Window

Kind = Literal["channel", "chat", "shop"]

# A source is a chat when several people write in it and answer each other, or when many write briefly.
_CHAT_AUTHORS: Final = 3
_CHAT_REPLIES: Final = 0.15
_CHAT_CROWD: Final = 5
_CHAT_CHARS: Final = 160
# A source is a shop when this share of its posts names a price and offers to sell.
_SHOP_SHARE: Final = 0.5
_PRICE: Final = re.compile(
    r"(?i)\d[\d  .,]*\s?(?:₽|₴|€|\$|zł|грн|руб|тг\b|uah|rub|usd|eur)|[$€£]\s?\d|(?:цена|ціна|price)\s*:"
)
_OFFER: Final = re.compile(
    r"(?i)артикул|в наличии|є в наявності|in stock|доставк|замов|заказ|купит|order|розмір|размер|знижк|скидк"
)

# Weights of a story's importance, in the order of what a reader misses most: independent publishers first.
_FAMILIES: Final = 3.0
_POSTS: Final = 1.0
_ANSWERS: Final = 0.7
_RECENCY: Final = 0.8
_GROWTH: Final = 0.5
_SUBSTANCE: Final = 1.0
_SUBSTANTIAL_CHARS: Final = 500
# So many sentences that were not told before make a told story news, wherever they stand.
_NEWS_SENTENCES: Final = 2


@dataclass(frozen=True, slots=True)
class StorySurvey:
    """A story's facts in this window.

    ``members`` are its posts here, ``readable`` those that may be quoted (representatives, no advertisements, in the
    subscriber's languages), both by time. ``telling`` are the readable posts it is told from: where several stories
    were joined into one, those of one of them, so that a wrong join never mixes two happenings. ``families`` and ``sources`` count over members that are
    neither advertisements nor orders to machines. ``kind`` is that of most readable posts. ``news`` is whether it says what was not told before
    (always true for a story never told). ``routine`` is whether all of it is what is
    posted every day. ``substance`` in [0, 1] grows with the length of its longest post and with figures in it.
    """

    facts: StoryFacts
    members: tuple[Post, ...]
    readable: tuple[Post, ...]
    telling: tuple[Post, ...]
    families: int
    sources: int
    answers: int
    kind: Kind
    news: bool
    routine: bool
    substance: float
    importance: float

    @property
    def id(self) -> int:
        """The story's row."""
        return self.facts.id

    @property
    def continuing(self) -> bool:
        """Whether an earlier digest of this subscription told it."""
        return bool(self.facts.told)


@dataclass(frozen=True, slots=True)
class Survey:
    """All of it. ``unread`` are the posts that cannot be read, with their fate; ``stories`` come by importance.

    Stories that tell one happening, in several languages or in pieces, are one here; ``twins`` maps each that was
    taken in to the one that stands for it.
    """

    posts: dict[int, Post]
    unread: dict[int, Drop]
    kinds: dict[str, Kind]
    stories: tuple[StorySurvey, ...]
    twins: dict[int, int]

    @property
    def by_story(self) -> dict[int, StorySurvey]:
        """The stories by row."""
        return {story.id: story for story in self.stories}


def survey(briefing: Briefing) -> Survey:
    """Return the facts of a window."""
    posts = {post.id: post for post in sorted(briefing.posts, key=_by_time)}
    unread = _unread(posts, briefing.settings.languages)
    kinds = source_kinds(posts.values())
    place = {row: number for number, row in enumerate(posts)}
    stories: list[StorySurvey] = []
    taken: set[int] = set()
    for facts in sorted(briefing.stories, key=lambda facts: facts.id):
        rows = sorted({row for row in facts.posts if row in posts} - taken, key=place.__getitem__)
        taken.update(rows)
        if rows:
            members = tuple(posts[row] for row in rows)
            stories.append(_story(facts, members, unread, kinds, briefing.window))
    threads = _threads(stories, briefing.precedents)
    stories = [
        _story(threads[story.id], story.members, unread, kinds, briefing.window)
        if story.id in threads
        else story
        for story in stories
    ]
    groups = _groups(stories, briefing.settings.languages)
    twins = {story.id: group[0].id for group in groups for story in group[1:]}
    stories = [story for story in stories if not any(story in group for group in groups)]
    for group in groups:
        members = tuple(sorted((post for story in group for post in story.members), key=_by_time))
        stories.append(_story(_joined(group), members, unread, kinds, briefing.window, group[0].telling))
    stories.sort(key=lambda story: (-story.importance, story.facts.first_at, story.id))
    return Survey(posts, unread, kinds, tuple(stories), twins)


def _threads(stories: Sequence[StorySurvey], precedents: tuple[Precedent, ...]) -> dict[int, StoryFacts]:
    """Return the facts of the stories that continue told ones: with all that was said of the matter, newest first."""
    if not precedents:
        return {}
    by_story = {one.story: one for one in precedents}
    # What was told has a number of its own: a story may be told and go on.
    told: list[tuple[int, Sequence[Post | Opening]]] = [
        (-one.story, (*one.posts, *one.openings)) for one in precedents
    ]
    now = [
        (story.id, [post for post in story.readable if not is_routine(post.text)])
        for story in stories
        if story.kind != "shop" and not story.routine
    ]
    continued = {-one.story: [-other for other in one.thread] for one in precedents}
    linked = Threads((*now, *told)).linked([story for story, _ in now], continued)
    found: dict[int, StoryFacts] = {}
    for story in stories:
        own = {story.id} & by_story.keys()
        thread = tuple(sorted(own | {-one for one in linked.get(story.id, ())}))
        if thread:
            found[story.id] = _continued(story.facts, [by_story[one] for one in thread])
    return found


def _continued(facts: StoryFacts, thread: Sequence[Precedent]) -> StoryFacts:
    shipped = sorted(
        (one for precedent in thread for one in precedent.shipped), key=lambda one: one.at, reverse=True
    )
    last = [at for at in (facts.last_told_at, *(one.at for one in shipped)) if at is not None]
    return replace(
        facts,
        first_at=min(facts.first_at, *(precedent.first_at for precedent in thread)),
        told=tuple(dict.fromkeys((*facts.told, *(one.text for one in shipped)))),
        last_told_at=max(last, default=None),
        thread=tuple(precedent.story for precedent in thread),
    )


def _groups(stories: Iterable[StorySurvey], languages: tuple[str, ...]) -> list[list[StorySurvey]]:
    """Return the groups of stories that tell one happening, each led by the one to be told."""
    by_story = {story.id: story for story in stories if story.kind != "shop" and not story.routine}
    telling = (
        (row, [post for post in story.readable if not is_routine(post.text)])
        for row, story in by_story.items()
    )
    kin = {
        (one, other)
        for one, other in combinations(sorted(row for row in by_story if by_story[row].facts.thread), 2)
        if not set(by_story[one].facts.thread).isdisjoint(by_story[other].facts.thread)
    }
    return [_led([by_story[row] for row in rows], languages) for rows in twin.Window(telling).groups(kin)]


def _led(group: list[StorySurvey], languages: tuple[str, ...]) -> list[StorySurvey]:
    """Return ``group`` with the story to be told first.

    That is one with news, in the subscriber's first language, told before, not over, of most families, latest: in
    this order, so that of two phases of a day the outcome is told. When what was told has no news in the languages it was told
    in, other languages do not make it news.
    """
    told = tuple(sentence for story in group for sentence in story.facts.told)
    spoken = {lang for story in group if story.continuing for lang in _spoken(story)}
    news = {story.id for story in group if _news(story.readable, told)}
    stale = bool(spoken) and not any(story.id in news and spoken & _spoken(story) for story in group)

    def over(story: StorySurvey) -> bool:
        """Return whether several publishers began a later piece in its language after its last word."""
        return any(
            other.families > 1
            and other.readable[0].at > story.readable[-1].at
            and _spoken(other) & _spoken(story)
            for other in group
        )

    def order(story: StorySurvey) -> tuple[bool, int, bool, bool, int, datetime, int]:
        wanted = [place for place, lang in enumerate(languages) if lang in _spoken(story)]
        unheard = stale and not story.continuing
        fresh = stale or story.id in news
        return (
            fresh and not unheard,
            -min(wanted, default=len(languages)),
            story.continuing,
            not over(story),
            story.families,
            story.readable[-1].at,
            -story.id,
        )

    return sorted(group, key=order, reverse=True)


def _spoken(story: StorySurvey) -> set[str]:
    return {post.lang for post in story.readable}


def _joined(group: list[StorySurvey]) -> StoryFacts:
    """Return the facts of several stories as of one, under the first one's row and title."""
    return replace(
        group[0].facts,
        first_at=min(story.facts.first_at for story in group),
        last_at=max(story.facts.last_at for story in group),
        posts=tuple(post for story in group for post in story.facts.posts),
        told=tuple(dict.fromkeys(sentence for story in group for sentence in story.facts.told)),
        last_told_at=max((at for story in group if (at := story.facts.last_told_at)), default=None),
        thread=tuple(sorted({one for story in group for one in story.facts.thread})),
    )


def _by_time(post: Post) -> tuple[datetime, int]:
    return post.at, post.id


def source_kinds(posts: Iterable[Post]) -> dict[str, Kind]:
    """Return what each source is, judged by how it posts."""
    by_source: dict[str, list[Post]] = defaultdict(list)
    for post in posts:
        by_source[post.source].append(post)
    return {source: _kind(own) for source, own in sorted(by_source.items())}


def _kind(posts: list[Post]) -> Kind:
    authors = len({post.author for post in posts if post.author})
    replies = sum(post.reply_to is not None for post in posts) / len(posts)
    chars = median(len(post.text) for post in posts)
    talk = authors >= _CHAT_AUTHORS and replies >= _CHAT_REPLIES
    crowd = authors >= _CHAT_CROWD and chars < _CHAT_CHARS
    if talk or crowd:
        return "chat"
    offers = sum(bool(_PRICE.search(post.text) and _OFFER.search(post.text)) for post in posts)
    return "shop" if offers / len(posts) >= _SHOP_SHARE else "channel"


def _unread(posts: dict[int, Post], languages: tuple[str, ...]) -> dict[int, Drop]:
    """Return the fate of each post that cannot be read: one readable post stands for its repeats."""
    unread: dict[int, Drop] = {}
    groups: dict[int, list[Post]] = defaultdict(list)
    for post in posts.values():
        groups[_root(post, posts)].append(post)
        if post.boilerplate is not None:
            unread[post.id] = Drop(post.id, "boilerplate", detail=post.boilerplate)
        elif languages and post.lang not in {*languages, "und"}:
            unread[post.id] = Drop(post.id, "out_of_persona", detail=f"written in {post.lang}")
        elif ORDER.search(post.text):
            unread[post.id] = Drop(post.id, "below_floor", detail="it gives orders to machines that read it")
    for root, group in groups.items():
        # The representative itself when it can be read, else the earliest repeat that can.
        fit = [post for post in group if post.id not in unread] or group
        standing = root if any(post.id == root for post in fit) else fit[0].id
        for post in group:
            if post.id != standing:
                unread[post.id] = Drop(
                    post.id, "duplicate", of=standing, detail=f"repeats {posts[standing].ref}"
                )
    return unread


def _root(post: Post, posts: dict[int, Post]) -> int:
    """Return the row that ``post`` repeats in the end; a chain that runs in a circle ends at its smallest row."""
    seen = [post.id]
    while post.duplicate_of is not None and post.duplicate_of != post.id:
        if post.duplicate_of in seen:
            return min(seen[seen.index(post.duplicate_of) :])
        seen.append(post.duplicate_of)
        if post.duplicate_of not in posts:
            break
        post = posts[post.duplicate_of]
    return seen[-1]


def _story(
    facts: StoryFacts,
    members: tuple[Post, ...],
    unread: dict[int, Drop],
    kinds: dict[str, Kind],
    window: Window,
    telling: tuple[Post, ...] | None = None,
) -> StorySurvey:
    """Return a story's survey; ``telling`` are the posts it may be told from, all readable ones unless given.

    A greeting or the day's weather among other posts is no voice: it neither tells the story nor makes it weightier.
    """
    readable = tuple(post for post in members if post.id not in unread)
    fresh = tuple(post for post in readable if not is_routine(post.text))
    routine = bool(readable) and not fresh
    quoted = (fresh or readable) if telling is None else telling
    voices = [
        post
        for post in members
        if post.boilerplate is None and not ORDER.search(post.text) and (routine or not is_routine(post.text))
    ]
    families = len({post.family for post in voices})
    answers = sum(post.reply_to is not None for post in voices)
    most = Counter(kinds[post.source] for post in readable or members)
    return StorySurvey(
        facts=facts,
        members=members,
        readable=readable,
        telling=quoted,
        families=families,
        sources=len({post.source for post in voices}),
        answers=answers,
        kind=max(sorted(most), key=lambda kind: most[kind]),
        news=_news(quoted, facts.told),
        routine=routine,
        substance=_substance(fresh or readable),
        importance=_importance(fresh or readable, len(voices), families, answers, window),
    )


def _importance(readable: tuple[Post, ...], posts: int, families: int, answers: int, window: Window) -> float:
    """Return a story's weight, the same for every subscriber: publishers, posts, answers, recency, growth, substance."""
    if not readable:
        return 0.0
    length = window.end - window.start
    places = [max(0.0, (post.at - window.start) / length) for post in readable]
    return round(
        _FAMILIES * log2(max(families, 1))
        + _POSTS * log2(max(posts, 1))
        + _ANSWERS * log2(1 + answers)
        + _RECENCY * max(places)
        + _GROWTH * sum(place >= 2 / 3 for place in places) / len(places)
        + _SUBSTANCE * _substance(readable),
        6,
    )


def _substance(readable: tuple[Post, ...]) -> float:
    if not readable:
        return 0.0
    longest = max(readable, key=lambda post: (len(post.text), -post.id))
    return min(1.0, len(longest.text) / _SUBSTANTIAL_CHARS) / 2 + (0.5 if numbers(longest.text) else 0.0)


def _news(readable: tuple[Post, ...], told: tuple[str, ...]) -> bool:
    """Return whether a post opens with what was not told, or the posts together hold two such sentences."""
    known = Told(told)
    if not known:
        return True
    found = 0
    for post in readable:
        for position, (span, _) in enumerate(quotable(post)):
            if known.is_news(post.quote(span)):
                found += 1
                if position == 0 or found >= _NEWS_SENTENCES:
                    return True
    return False
