"""The extractive writer: a headline and a few sentences for each story, every one a span of a post.

It asks `domains.extract` what to take; here is only what makes a headline, and what must not be said twice.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from agents.retriever import Folder, Line, Shelf
from domains import limits
from domains.digest import Citation, Draft, DraftStory, Plan, PlannedStory, Sentence
from domains.extract import Candidate, centrality, mmr, submodular
from domains.survey import Survey
from domains.terms import Lexicon, repeats
from domains.text import numbers

# A longer headline may score so much less than the one it contains.
_FULLER: Final = 0.5
# A sentence less fit than this leaves the reader asking who "he" is.
SENTENCE_FITNESS: Final = 0.5
# A headline longer than this, in characters, is a paragraph; shorter than that, a word.
HEADLINE_LONG: Final = 140
HEADLINE_SHORT: Final = 35
# What a line's place in its post says of its being a headline: titles and first sentences are written to be one.
_TITLE: Final = 1.2
_PLACES: Final = (1.0, 0.55, 0.4)
# Of a sentence's terms, this share must be new to what its story says already; with a new figure less will do.
_NEW: Final = 0.55
_NEW_WITH_NUMBER: Final = 0.35
# A clause of at least so many terms, this share of which one earlier sentence has, was told.
_CLAUSE_TERMS: Final = 3
_RESTATED: Final = 0.75
# What a sentence's place in its post says of its adding to the headline: other posts' openings say the same again.
_DETAIL: Final = (0.7, 1.0, 0.95, 0.9, 0.85)

# Where one statement of a sentence ends and the next begins; not the comma of "18,6".
_JOINT: Final = re.compile(r"[,;:]\s|\s[—–-]\s")
# A full stop that belongs to the word before it: "2024 г.", "и др.", "U.S.", "...".
_ABBREVIATED: Final = re.compile(
    r"(?:\.|\b[a-zа-яіїєґ]{1,2}|\b(?:тыс|руб|млн|млрд|коп|чел|тис|грн|обл|Inc|Ltd|Corp))\.$"
)
# A line is known by its post and where it begins: a headline loses its final full stop.
Place = tuple[int, int]
Said = tuple[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Method:
    """A way to choose sentences: takes candidates, how many, and which are said already; returns indices."""

    name: str
    choose: Callable[[Sequence[Candidate], int, Sequence[int]], tuple[int, ...]]


SUBMODULAR: Final = Method("submodular", submodular)
MMR: Final = Method("mmr", mmr)
METHODS: Final = (SUBMODULAR, MMR)


@dataclass(frozen=True, slots=True)
class Desk:
    """What lies before the writer: the plan, what may be read, and the facts."""

    plan: Plan
    shelf: Shelf
    survey: Survey
    lexicon: Lexicon

    def quote(self, line: Line) -> str:
        """Return the text of ``line``."""
        return self.survey.posts[line.post].quote(line.span)

    def gist(self, folder: Folder, line: Line) -> frozenset[str]:
        """Return the content terms of ``line``."""
        return self.lexicon.gist(self.quote(line), folder.lang)

    def clauses(self, text: str, lang: str) -> list[Said]:
        """Return the parts of a sentence between its commas and dashes that say something, with their terms.

        A sentence that has only one is none.
        """
        parts = _JOINT.split(text)
        told = ((part, self.lexicon.gist(part, lang)) for part in parts if len(parts) > 1)
        return [(part, terms) for part, terms in told if len(terms) >= _CLAUSE_TERMS]


def write(method: Method, desk: Desk) -> Draft:
    """Return a draft of the whole plan by ``method``; a story without a headline of its own is left out."""
    said: list[Said] = []
    stories: list[DraftStory] = []
    for planned in desk.plan.stories:
        story = write_story(method, planned, desk, said)
        if story is not None:
            stories.append(story)
            said += spoken(story, desk)
    return Draft(method.name, "extractive", tuple(stories))


def write_story(
    method: Method,
    planned: PlannedStory,
    desk: Desk,
    said: Sequence[Said],
    banned: frozenset[Place] = frozenset(),
) -> DraftStory | None:
    """Return a story that repeats nothing of ``said`` and takes no ``banned`` line, or None without a headline."""
    folder = desk.shelf.by_story[planned.story]
    candidates = _candidates(folder, desk)
    headline = _headline(folder, candidates, desk, said, banned)
    if headline is None:
        return None
    bare = DraftStory(
        planned.story, planned.section, _sentence(_unstopped(folder.lines[headline], desk), desk), ()
    )
    return complete(method, bare, planned, desk, said, banned)


def complete(
    method: Method,
    story: DraftStory,
    planned: PlannedStory,
    desk: Desk,
    said: Sequence[Said],
    banned: frozenset[Place] = frozenset(),
) -> DraftStory:
    """Return ``story`` with sentences added up to the planned number, as far as there is something new to say."""
    folder = desk.shelf.by_story[planned.story]
    own = (story.headline, *story.sentences)
    cited = {(one.post, one.span[0]) for sentence in own for one in sentence.citations}
    taken = [index for index, line in enumerate(folder.lines) if (line.post, line.span[0]) in cited]
    known = [*said, *spoken(story, desk)]
    start = len(known) - len(own)
    added: list[Line] = []
    wanted = planned.sentences - len(story.sentences)
    order = method.choose(_candidates(folder, desk), len(folder.lines), taken) if wanted > 0 else ()
    for index in order:
        line = folder.lines[index]
        text, gist = desk.quote(line), desk.gist(folder, line)
        fit = line.fitness >= SENTENCE_FITNESS and len(text) <= limits.SENTENCE_CHARS
        if not fit or (line.post, line.span[0]) in banned:
            continue
        if _repeated(text, gist, known) or not _adds(text, gist, known[start:]):
            continue
        if _restated(gist, desk.clauses(text, folder.lang), known[start:]):
            continue
        added.append(line)
        known.append((text, gist))
        if len(added) == wanted:
            break
    sentences = (*story.sentences, *(_sentence(line, desk) for line in _reading_order(added)))
    return DraftStory(story.story, story.section, story.headline, sentences, changes=story.changes)


def spoken(story: DraftStory, desk: Desk) -> list[Said]:
    """Return the sentences of ``story`` with their terms, to be held against what comes after."""
    lang = desk.shelf.by_story[story.story].lang
    return [(one.text, desk.lexicon.gist(one.text, lang)) for one in (story.headline, *story.sentences)]


def _candidates(folder: Folder, desk: Desk) -> list[Candidate]:
    posts = desk.survey.posts
    times = [posts[row].at for row in folder.documents]
    age = max((max(times) - min(times)).total_seconds(), 1.0) if times else 1.0
    made: list[Candidate] = []
    for line in folder.lines:
        post = posts[line.post]
        recency = (post.at - min(times)).total_seconds() / age
        made.append(
            Candidate(
                post=line.post,
                span=line.span,
                at=post.at,
                terms=desk.lexicon.terms(desk.quote(line), folder.lang),
                weight=line.fitness
                * (0.85 + 0.15 * recency)
                * (0.5 + 0.5 * line.novelty)
                * _DETAIL[min(line.place, len(_DETAIL) - 1)],
                group=post.family,
            )
        )
    return made


def _headline(
    folder: Folder,
    candidates: Sequence[Candidate],
    desk: Desk,
    said: Sequence[Said],
    banned: frozenset[Place],
) -> int | None:
    """Return the index of the line that can head the story best and repeats nothing said."""
    central = centrality(candidates)
    scored: list[tuple[float, int]] = []
    for index, line in enumerate(folder.lines):
        place = (line.post, line.span[0])
        if (
            line.heads
            and place not in banned
            and not _repeated(desk.quote(line), desk.gist(folder, line), said)
        ):
            scored.append((_headline_score(line, float(central[index])), index))
    if not scored:
        return None
    scored.sort(key=lambda pair: (-pair[0], candidates[pair[1]].key))
    best = scored[0][1]
    core = desk.gist(folder, folder.lines[best])
    # Where another line says all of the best one and more, and is still a headline, it says it better.
    fuller = (
        index
        for score, index in scored[1:]
        if score >= _FULLER * scored[0][0]
        and folder.lines[index].length <= HEADLINE_LONG
        and core < desk.gist(folder, folder.lines[index])
    )
    return next(fuller, best)


def _headline_score(line: Line, central: float) -> float:
    place = _TITLE if line.title else _PLACES[min(line.place, len(_PLACES) - 1)]
    shape = 0.6 if line.length > HEADLINE_LONG else 0.7 if line.length < HEADLINE_SHORT else 1.0
    typical = 0.25 + 0.25 * central + 0.5 * line.echo
    return round(line.fitness * place * shape * typical * (0.2 + 0.8 * line.novelty), 9)


def _repeated(text: str, gist: frozenset[str], said: Iterable[Said]) -> bool:
    own = numbers(text)
    return any(text == other or (repeats(gist, known) and not own - numbers(other)) for other, known in said)


def _adds(text: str, gist: frozenset[str], said: Sequence[Said]) -> bool:
    """Return whether a sentence tells a reader enough that its own story has not said yet."""
    known = frozenset[str]().union(*(terms for _, terms in said))
    figures = frozenset[str]().union(*(numbers(other) for other, _ in said))
    least = _NEW_WITH_NUMBER if numbers(text) - figures else _NEW
    return len(gist - known) >= least * len(gist)


def _restated(gist: frozenset[str], clauses: Sequence[Said], said: Sequence[Said]) -> bool:
    """Return whether a sentence holds all of one that its story has told, or a clause that one of them has told.

    ``said`` begins with the headline, which a sentence may say at length, but not as one clause of several.
    """
    held = any(len(known) > 1 and known <= gist for _, known in said[1:])
    return held or any(
        len(terms & known) >= _RESTATED * len(terms) and not numbers(clause) - numbers(other)
        for clause, terms in clauses
        for other, known in said
    )


def _unstopped(line: Line, desk: Desk) -> Line:
    """Return ``line`` without its final full stop, which a headline does not have."""
    text = desk.quote(line)
    if text.endswith(".") and not _ABBREVIATED.search(text):
        return replace(line, span=(line.span[0], line.span[1] - 1))
    return line


def _reading_order(lines: Sequence[Line]) -> list[Line]:
    """Return ``lines`` best post first, those of one post in the order they were written."""
    first: dict[int, int] = {}
    for rank, line in enumerate(lines):
        first.setdefault(line.post, rank)
    return sorted(lines, key=lambda line: (first[line.post], line.span))


def _sentence(line: Line, desk: Desk) -> Sentence:
    quote = desk.quote(line)
    return Sentence(quote, (Citation(line.post, line.span, quote),))
