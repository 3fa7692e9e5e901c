"""Which posts the writer may read: few, telling, from different publishers, and never a repeat.

plan (who gets how many documents) ─▶ gather ─▶ Shelf: a Folder of quotable lines for each story
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import Final

from domains import limits
from domains.digest import Plan, PlannedStory, Settings
from domains.extract import similarity
from domains.fitness import quotable
from domains.post import Post, Span
from domains.survey import StorySurvey, Survey
from domains.terms import Lexicon, Told, stems
from domains.text import words

# A story of hundreds of posts is judged by so many of them, taken in turn from its publishers.
SIFTED: Final = 40
# So much of a post can reach a digest: what stands below is rarely news and always costs.
LINES: Final = 12
# So many characters of a post say what it is about.
GIST_CHARS: Final = 1_500
# A line less fit than this cannot head a story.
HEADLINE_FITNESS: Final = 0.5
# Two stories whose leads are this similar (tf-idf cosine) are one happening told twice.
TWINS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence that may be quoted.

    ``place`` counts its post's sentences from 0, quotable or not; ``echo`` in [0, 1] is how much of the whole story, unread
    posts included, uses its words, relative to the story's best line; ``novelty`` in [0, 1] is
    the share of it that earlier digests did not tell.
    """

    post: int
    span: Span
    fitness: float
    place: int
    title: bool
    echo: float = 0.0
    novelty: float = 1.0

    @property
    def length(self) -> int:
        """Its length in characters."""
        return self.span[1] - self.span[0]

    @property
    def heads(self) -> bool:
        """Whether it can be a headline."""
        return self.fitness >= HEADLINE_FITNESS and self.length <= limits.HEADLINE_CHARS


@dataclass(frozen=True, slots=True)
class Folder:
    """What the writer may read of one story, in one language."""

    story: int
    lang: str
    documents: tuple[int, ...]
    lines: tuple[Line, ...]

    @property
    def tellable(self) -> bool:
        """Whether one of its lines can head the story."""
        return any(line.heads for line in self.lines)


@dataclass(frozen=True, slots=True)
class Shelf:
    """All the writer may read. ``twins`` maps a story to the one that tells the same and stands for it.

    Those the survey joined are among them; the others showed themselves only when their leads were read.
    """

    folders: tuple[Folder, ...]
    twins: dict[int, int]

    @property
    def by_story(self) -> dict[int, Folder]:
        """The folders by story."""
        return {folder.story: folder for folder in self.folders}


def gather(plan: Plan, survey: Survey, settings: Settings, lexicon: Lexicon) -> Shelf:
    """Return what the writer may read under ``plan``: for no story more documents than it was given."""
    stories = survey.by_story
    folders = tuple(_folder(planned, stories[planned.story], survey, settings) for planned in plan.stories)
    return Shelf(folders, {**survey.twins, **_twins(folders, survey, lexicon)})


def in_turn(posts: Sequence[Post], count: int) -> tuple[Post, ...]:
    """Return up to ``count`` of ``posts``, taking one of each family before the second of any."""
    rounds: Counter[str] = Counter()
    ranked: list[tuple[int, int, Post]] = []
    for position, post in enumerate(posts):
        ranked.append((rounds[post.family], position, post))
        rounds[post.family] += 1
    ranked.sort(key=lambda item: item[:2])
    return tuple(post for _, _, post in ranked[:count])


def _folder(planned: PlannedStory, story: StorySurvey, survey: Survey, settings: Settings) -> Folder:
    told = Told(story.facts.told)
    lines = {post.id: _lines(post, told) for post in in_turn(story.telling, SIFTED)}
    telling = _voices(story.telling, lines, survey)
    lang = _language(telling, settings.languages)
    telling = [post for post in telling if post.lang == lang]
    usage = Counter(stem for post in telling for stem in stems(post.text[:GIST_CHARS]))
    scores = {post.id: _tellingness(post, lines[post.id], usage) for post in telling}
    telling.sort(key=lambda post: (-scores[post.id], post.at, post.id))
    chosen = in_turn(telling, len(planned.posts))
    return Folder(
        story=story.id,
        lang=lang,
        documents=tuple(post.id for post in chosen),
        lines=_echoed([(line, post.quote(line.span)) for post in chosen for line in lines[post.id]], usage),
    )


def _lines(post: Post, told: Told) -> tuple[Line, ...]:
    """Return what can be quoted of ``post`` and was not told before."""
    title = len(post.title) if post.title and post.text.startswith(post.title) else 0
    lines: list[Line] = []
    starts = [start for start, end in post.sentences if len(words(post.text[start:end])) > 1]
    for span, fit in quotable(post)[:LINES]:
        quote = post.quote(span)
        if not told or told.is_news(quote):
            place = max(0, bisect_right(starts, span[0]) - 1)
            novelty = round(told.novelty(quote), 6)
            lines.append(Line(post.id, span, fit, place, title > 0 and span[1] <= title, novelty=novelty))
    return tuple(lines)


def _voices(posts: Sequence[Post], lines: dict[int, tuple[Line, ...]], survey: Survey) -> list[Post]:
    """Return the posts that may speak: those of a chat only when no channel has anything to quote."""
    telling = [post for post in posts if lines.get(post.id)]
    published = [
        post
        for post in telling
        if survey.kinds[post.source] == "channel" and any(line.heads for line in lines[post.id])
    ]
    return published or telling


def _language(posts: Sequence[Post], wanted: tuple[str, ...]) -> str:
    """Return the language to tell a story in: the subscriber's first, else that of most families, then posts."""
    spoken = {post.lang for post in posts}
    for lang in wanted:
        if lang in spoken:
            return lang
    families = {lang: len({post.family for post in posts if post.lang == lang}) for lang in spoken}
    count = Counter(post.lang for post in posts)
    return max(sorted(spoken - {"und"}) or ["und"], key=lambda lang: (families.get(lang, 0), count[lang]))


def _tellingness(post: Post, lines: tuple[Line, ...], usage: Counter[str]) -> float:
    """Return how well a post speaks for its story: its closeness to the others times its best opening's fitness."""
    fit = max(line.fitness for line in lines[:3])
    whole = 1.0 if lines[0].place == 0 else 0.8
    return round(_closeness(stems(post.text[:GIST_CHARS]), usage) * fit * whole, 9)


def _closeness(own: frozenset[str], usage: Counter[str]) -> float:
    """Return how many other posts use the stems ``own``, summed, over the root of their number.

    So a stray post of a badly clustered story does not speak for it, and a long one is not close by length alone.
    """
    return (1 + sum(max(usage[stem] - 1, 0) for stem in own)) / sqrt(4 + len(own))


def _echoed(lines: Sequence[tuple[Line, str]], usage: Counter[str]) -> tuple[Line, ...]:
    raw = [_closeness(stems(text), usage) for _, text in lines]
    loudest = max(raw, default=1.0)
    return tuple(
        replace(line, echo=round(own / loudest, 6)) for (line, _), own in zip(lines, raw, strict=True)
    )


def _twins(folders: Sequence[Folder], survey: Survey, lexicon: Lexicon) -> dict[int, int]:
    leads = []
    for folder in folders:
        quotes = [survey.posts[line.post].quote(line.span) for line in folder.lines if line.place < 2]
        leads.append(tuple(term for quote in quotes for term in lexicon.terms(quote, folder.lang)))
    similar = similarity(leads)
    twins: dict[int, int] = {}
    for later in range(len(folders)):
        for earlier in range(later):
            if similar[later, earlier] >= TWINS and folders[earlier].story not in twins:
                twins[folders[later].story] = folders[earlier].story
                break
    return twins
