"""Which posts the writer may read: few, telling, from different publishers, and never a repeat.

plan (who gets how many documents) ─▶ gather ─▶ Shelf: a Folder of quotable lines for each story
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

from domains import limits
from domains.digest import Plan, PlannedStory, Settings
from domains.extract import similarity
from domains.fitness import quotable
from domains.post import Post, Span
from domains.survey import StorySurvey, Survey
from domains.terms import Lexicon, Told, stems

# A story of hundreds of posts is judged by so many of them, taken in turn from its publishers.
SIFTED: Final = 40
# So much of a post can reach a digest: what stands below is rarely news and always costs.
LINES: Final = 12
# A line less fit than this cannot head a story.
HEADLINE_FITNESS: Final = 0.5
# Two stories whose leads are this similar (tf-idf cosine) are one happening told twice.
TWINS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence that may be quoted: ``place`` counts the quotable ones of its post from 0."""

    post: int
    span: Span
    fitness: float
    place: int
    title: bool


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
        return any(_heads(line) for line in self.lines)


@dataclass(frozen=True, slots=True)
class Shelf:
    """All the writer may read. ``twins`` maps a story to the more important one that tells the same."""

    folders: tuple[Folder, ...]
    twins: dict[int, int]

    @property
    def by_story(self) -> dict[int, Folder]:
        """The folders by story."""
        return {folder.story: folder for folder in self.folders}


def gather(plan: Plan, survey: Survey, settings: Settings, lexicon: Lexicon) -> Shelf:
    """Return what the writer may read under ``plan``: for no story more documents than it was given."""
    stories = survey.by_story
    folders = tuple(_folder(planned, stories[planned.story], settings) for planned in plan.stories)
    return Shelf(folders, _twins(folders, survey, lexicon))


def in_turn(posts: Sequence[Post], count: int) -> tuple[Post, ...]:
    """Return up to ``count`` of ``posts``, taking one of each family before the second of any."""
    rounds: Counter[str] = Counter()
    ranked: list[tuple[int, int, Post]] = []
    for position, post in enumerate(posts):
        ranked.append((rounds[post.family], position, post))
        rounds[post.family] += 1
    ranked.sort(key=lambda item: item[:2])
    return tuple(post for _, _, post in ranked[:count])


def _folder(planned: PlannedStory, story: StorySurvey, settings: Settings) -> Folder:
    told = Told(story.facts.told)
    lines = {post.id: _lines(post, told) for post in in_turn(story.readable, SIFTED)}
    telling = [post for post in story.readable if lines.get(post.id)]
    lang = _language(telling, settings.languages)
    telling = [post for post in telling if post.lang == lang]
    scores = _tellingness(telling, lines)
    telling.sort(key=lambda post: (-scores[post.id], post.at, post.id))
    chosen = in_turn(telling, len(planned.posts))
    return Folder(
        story=story.id,
        lang=lang,
        documents=tuple(post.id for post in chosen),
        lines=tuple(line for post in chosen for line in lines[post.id]),
    )


def _lines(post: Post, told: Told) -> tuple[Line, ...]:
    """Return what can be quoted of ``post`` and was not told before."""
    title = len(post.title) if post.title and post.text.startswith(post.title) else 0
    lines = (
        Line(post.id, span, fit, place, title > 0 and span[1] <= title)
        for place, (span, fit) in enumerate(quotable(post)[:LINES])
    )
    return tuple(line for line in lines if not told or told.is_news(post.quote(line.span)))


def _heads(line: Line) -> bool:
    return line.fitness >= HEADLINE_FITNESS and line.span[1] - line.span[0] <= limits.HEADLINE_CHARS


def _language(posts: Sequence[Post], wanted: tuple[str, ...]) -> str:
    """Return the language to tell a story in: the subscriber's first, else that of most families, then posts."""
    spoken = {post.lang for post in posts}
    for lang in wanted:
        if lang in spoken:
            return lang
    families = {lang: len({post.family for post in posts if post.lang == lang}) for lang in spoken}
    count = Counter(post.lang for post in posts)
    return max(sorted(spoken - {"und"}) or ["und"], key=lambda lang: (families.get(lang, 0), count[lang]))


def _tellingness(posts: Sequence[Post], lines: dict[int, tuple[Line, ...]]) -> dict[int, float]:
    """Return for each post how close it is to what the story's posts share, times its best line's fitness.

    Closeness is the mean document frequency of its stems in the story over the root of their number, so that a
    stray post of a badly clustered story does not speak for it.
    """
    own = {post.id: stems(post.text[:1500]) for post in posts}
    df = Counter(stem for found in own.values() for stem in found)
    scores: dict[int, float] = {}
    for post in posts:
        shared = sum(df[stem] - 1 for stem in own[post.id])
        closeness = (1 + shared) / sqrt(1 + len(own[post.id]))
        fit = max(line.fitness for line in lines[post.id][:3])
        whole = 1.0 if lines[post.id][0].place == 0 else 0.8
        scores[post.id] = round(closeness * fit * whole, 9)
    return scores


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
