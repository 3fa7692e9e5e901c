"""The deterministic verifier: every sentence of a draft is held against a literal list of rules, then the draft scored.

It fails closed: a sentence is supported only when every rule was asked and none objected. The score in [0, 1] is

    support * (0.35 coverage + 0.15 diversity + 0.20 freshness + 0.30 fitness)

    support    share of sentences, headlines included, that no rule objects to
    coverage   mean over planned stories of how much of the words its documents share is told
    diversity  mean over planned stories of publishers cited to publishers that could be
    freshness  1 - mean over sentences of the highest Jaccard of terms with another of the same story
    fitness    mean fitness of the sentences to stand alone

A draft of nothing for a plan of nothing scores 1: it asserts nothing. A draft of nothing for a plan of something, 0.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from msgspec import UnsetType

from domains import development, limits
from domains.digest import Draft, DraftStory, Finding, Precedent, Rung, Sentence, Verdict
from domains.fitness import CONTROL, LINK, MARKUP, ORDER, fitness
from domains.lure import LINE_SIGNS, lures
from domains.post import Post
from domains.terms import Lexicon, Told, repeats
from domains.text import names, numbers, words
from domains.wording import Vocabulary, content, denied, is_common, openings, root

WEIGHTS: Final = (("coverage", 0.35), ("diversity", 0.15), ("freshness", 0.20), ("fitness", 0.30))
# Nobody tells all the words of a story: so many a sentence count as full coverage.
TERMS_A_SENTENCE: Final = 6
# Of the words of written prose that say something, so many must stand in what it cites; the rest is wording.
GROUNDED: Final = 0.5
# Words that state a date or a quantity without a digit. Long ones are compared by their beginning, so that inflection
# passes; those of at most `_EXACT` letters must be the whole word ("ten" is not in "tension").
_EXACT: Final = 5
_FACT_WORDS: Final = (
    "januar februar march april august septemb octob novemb decemb monday tuesday wednesday thursday friday saturday "
    "sunday today yesterday tomorrow two three four five six seven eight nine ten hundred thousand million billion "
    "январ феврал марта марте апрел мая мае июнь июня июне июль июля июле август сентябр октябр ноябр декабр "
    "понедельник вторник среду среда четверг пятница пятницу суббот воскресен сегодня вчера завтра двое трое двух трех "
    "трёх четыре пять пяти шесть шести семь семи восемь восьми девять девяти десять десяти тысяча тысячи тысяч миллион "
    "миллиард січня січні лютого лютому березня березні квітня квітні травня травні червня червні липня липні серпня "
    "серпні вересня вересні жовтня жовтні листопада листопаді грудня грудні понеділ вівторок середу середа четвер "
    "п'ятниц субота суботу неділя неділю сьогодні учора вчора завтра двоє троє двох трьох чотири п'ять шість сім вісім "
    "дев'ять десять тисяча тисячі мільйон мільярд"
)
FACT_STEMS: Final = tuple(sorted(set(_FACT_WORDS.split())))


@dataclass(frozen=True, slots=True)
class Brief:
    """What a planned story's documents offer: the terms they share, and how much of it can be told."""

    story: int
    lang: str
    topics: frozenset[str]
    families: int
    sentences: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """All a draft is held against. ``members`` are each story's posts in the window; ``told`` what was shipped.

    ``vocabulary`` are words known to be no names; without it more sentences of a model are cut, never fewer.
    ``precedents`` are the told stories that each story continues.
    """

    posts: dict[int, Post]
    members: dict[int, frozenset[int]]
    briefs: tuple[Brief, ...]
    told: dict[int, Told]
    lexicon: Lexicon
    detect: Callable[[str], str]
    vocabulary: Vocabulary = field(default_factory=lambda: Vocabulary(()))
    precedents: Mapping[int, tuple[Precedent, ...]] = field(default_factory=dict)

    def lang(self, story: int) -> str | None:
        """Return the language ``story`` is to be told in, or None when it is not planned."""
        return next((brief.lang for brief in self.briefs if brief.story == story), None)


@dataclass(frozen=True, slots=True)
class Assertion:
    """One sentence of a draft in its place; ``before`` are the sentences that stand above it in the digest."""

    path: str
    story: DraftStory
    sentence: Sentence
    headline: bool
    rung: Rung
    before: tuple[tuple[Sentence, frozenset[str]], ...] = field(default=())

    @property
    def written(self) -> bool:
        """Whether somebody chose the words: no extract, and no whole quotation in a model's draft."""
        quotes = [cited.quote for cited in self.sentence.citations]
        return self.rung != "extractive" and quotes != [self.sentence.text]

    @property
    def quoted(self) -> str:
        """The quotes it cites, one a line."""
        return "\n".join(cited.quote for cited in self.sentence.citations)


@dataclass(frozen=True, slots=True)
class Rule:
    """A check: ``objection`` returns why the assertion fails it, or "" when it holds."""

    name: str
    objection: Callable[[Assertion, Evidence], str]


def _cites(assertion: Assertion, evidence: Evidence) -> str:
    if not assertion.sentence.citations:
        return "cites nothing"
    absent = [cited.post for cited in assertion.sentence.citations if cited.post not in evidence.posts]
    return f"cites post {absent[0]}, which is not in the window" if absent else ""


def _span(assertion: Assertion, evidence: Evidence) -> str:
    for cited in assertion.sentence.citations:
        start, end = cited.span
        if not 0 <= start < end <= len(evidence.posts[cited.post].text):
            return f"cites [{start}, {end}), which is not inside post {cited.post}"
    return ""


def _quote(assertion: Assertion, evidence: Evidence) -> str:
    for cited in assertion.sentence.citations:
        if evidence.posts[cited.post].quote(cited.span) != cited.quote:
            return f"the quote is not what post {cited.post} says there"
    return ""


def _member(assertion: Assertion, evidence: Evidence) -> str:
    members = evidence.members.get(assertion.story.story, frozenset())
    strange = [cited.post for cited in assertion.sentence.citations if cited.post not in members]
    return f"cites post {strange[0]}, which is no part of the story" if strange else ""


def _advertisement(assertion: Assertion, evidence: Evidence) -> str:
    sold = [cited.post for cited in assertion.sentence.citations if evidence.posts[cited.post].boilerplate]
    return f"cites post {sold[0]}, which is an advertisement or furniture" if sold else ""


def _extract(assertion: Assertion, _: Evidence) -> str:
    cited = assertion.sentence.citations
    if assertion.rung == "extractive" and (len(cited) != 1 or cited[0].quote != assertion.sentence.text):
        return "an extracted sentence must be its only quote"
    return ""


def _numbers(assertion: Assertion, _: Evidence) -> str:
    known = frozenset[str]().union(*(numbers(cited.quote) for cited in assertion.sentence.citations))
    unknown = sorted(numbers(assertion.sentence.text) - known)
    return f"the number {unknown[0]} is not in what it cites" if unknown else ""


def _facts(assertion: Assertion, _: Evidence) -> str:
    known = _fact_stems(" ".join(cited.quote for cited in assertion.sentence.citations))
    unknown = sorted(_fact_stems(assertion.sentence.text) - known)
    return f"the date or number word {unknown[0]!r} is not in what it cites" if unknown else ""


def _fact_stems(text: str) -> frozenset[str]:
    own = frozenset(word.casefold().replace("’", "'").replace("ʼ", "'") for word in words(text))
    return frozenset(
        stem
        for stem in FACT_STEMS
        if stem in own or (len(stem) > _EXACT and any(word.startswith(stem) for word in own))
    )


def _names(assertion: Assertion, evidence: Evidence) -> str:
    lang = evidence.lang(assertion.story.story) or "und"
    known = {evidence.lexicon.lemma(word, lang) for word in words(assertion.quoted)}
    roots = {root(word) for word in words(assertion.quoted)} if assertion.written else set[str]()
    named = names(assertion.sentence.text)
    # In prose a name may also begin a sentence, where it is not told from any other word.
    first = openings(assertion.sentence.text) if assertion.written else frozenset[str]()
    for name in sorted(named | first):
        if evidence.lexicon.lemma(name, lang) in known or (assertion.written and root(name) in roots):
            continue
        if name in named or not is_common(name, evidence.vocabulary):
            return f"the name {name} is not in what it cites"
    return ""


def _plain(assertion: Assertion, _: Evidence) -> str:
    text = assertion.sentence.text
    for pattern, what in (
        (CONTROL, "a control character"),
        (LINK, "a link"),
        (MARKUP, "markup"),
        (ORDER, "an order"),
    ):
        if pattern.search(text):
            return f"holds {what}"
    return "holds a line break" if "\n" in text else ""


def _lure(assertion: Assertion, evidence: Evidence) -> str:
    if not assertion.written:
        return ""
    found = lures(assertion.sentence.text, LINE_SIGNS)
    if found:
        return f"holds {found[0]}"
    own = {root(word) for word in content(assertion.sentence.text)}
    strange = own & evidence.vocabulary.luring - {root(word) for word in words(assertion.quoted)}
    return "holds a word that only lures say" if strange else ""


def _length(assertion: Assertion, _: Evidence) -> str:
    cap = limits.HEADLINE_CHARS if assertion.headline else limits.SENTENCE_CHARS
    size = len(assertion.sentence.text)
    if size == 0 or assertion.sentence.text.isspace():
        return "is empty"
    return f"is {size} characters long, of at most {cap}" if size > cap else ""


def _language(assertion: Assertion, evidence: Evidence) -> str:
    wanted = evidence.lang(assertion.story.story)
    if wanted is None:
        return "belongs to a story that was not planned"
    if not assertion.written:
        spoken = {evidence.posts[cited.post].lang for cited in assertion.sentence.citations}
    else:
        spoken = {evidence.detect(assertion.sentence.text)}
    strange = sorted(spoken - {wanted, "und"})
    return f"is written in {strange[0]}, the story in {wanted}" if strange else ""


def _grounded(assertion: Assertion, evidence: Evidence) -> str:
    if not assertion.written:
        return ""
    lang = evidence.lang(assertion.story.story) or "und"
    said = content(assertion.sentence.text)
    lemmas = {evidence.lexicon.lemma(word, lang) for word in words(assertion.quoted)}
    roots = {root(word) for word in words(assertion.quoted)}
    borne = sum(root(word) in roots or evidence.lexicon.lemma(word, lang) in lemmas for word in said)
    return "" if borne >= GROUNDED * len(said) else "most of its words are not in what it cites"


def _denial(assertion: Assertion, _: Evidence) -> str:
    if not assertion.written:
        return ""
    refused, plain = denied(assertion.sentence.text)
    quoted_refused, quoted_plain = denied(assertion.quoted)
    turned = (refused & quoted_plain) - quoted_refused or (plain & quoted_refused) - quoted_plain
    return f"denies or affirms {min(turned)!r} against what it cites" if turned else ""


def _fresh(assertion: Assertion, evidence: Evidence) -> str:
    terms = _gist(assertion.sentence, assertion.story, evidence)
    own = numbers(assertion.sentence.text)
    for other, known in assertion.before:
        # The same words with another number are another fact.
        if assertion.sentence.text == other.text or (repeats(terms, known) and not own - numbers(other.text)):
            return f"repeats {other.text[:60]!r}"
    return ""


def _untold(assertion: Assertion, evidence: Evidence) -> str:
    told = evidence.told.get(assertion.story.story)
    return "was told in an earlier digest" if told and not told.is_news(assertion.sentence.text) else ""


# In this order; each may rely on those above it, and a sentence is judged by the first that objects.
RULES: Final[tuple[Rule, ...]] = (
    # Where it comes from.
    Rule("cites", _cites),
    Rule("span", _span),
    Rule("quote", _quote),
    # A headline with another story's summary is the known failure of such systems.
    Rule("story", _member),
    Rule("advertisement", _advertisement),
    Rule("extract", _extract),
    # What it states.
    Rule("numbers", _numbers),
    Rule("facts", _facts),
    Rule("names", _names),
    # How it reads.
    Rule("plain", _plain),
    Rule("lure", _lure),
    Rule("length", _length),
    Rule("language", _language),
    # Whether its wording is borne by what it cites.
    Rule("grounded", _grounded),
    Rule("denial", _denial),
    # What it adds.
    Rule("repeat", _fresh),
    Rule("told", _untold),
)


def verify(draft: Draft, evidence: Evidence, rules: tuple[Rule, ...] = RULES) -> Verdict:
    """Return the verdict on ``draft``. Raises ValueError when there is no rule to hold it against."""
    if not rules:
        raise ValueError("a draft cannot be verified by no rules")
    findings: list[Finding] = []
    asserted = 0
    for assertion in assertions(draft, evidence):
        asserted += 1
        if finding := objection(assertion, evidence, rules):
            findings.append(Finding(assertion.path, *finding))
    for path, why in _changes(draft, evidence):
        asserted += 1
        if why:
            findings.append(Finding(path, "change", why))
    parts = {"support": 1 - len(findings) / asserted if asserted else float(not evidence.briefs)}
    parts |= _quality(draft, evidence) if asserted else {name: parts["support"] for name, _ in WEIGHTS}
    score = parts["support"] * sum(weight * parts[name] for name, weight in WEIGHTS)
    rounded = {name: round(value, 6) for name, value in parts.items()}
    return Verdict(round(min(max(score, 0.0), 1.0), 6), rounded, tuple(findings))


def _changes(draft: Draft, evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Yield for each change that ``draft`` states its path, and why it is not borne by what it cites, or ""."""
    for number, story in enumerate(draft.stories):
        precedents = evidence.precedents.get(story.story, ())
        members = evidence.members.get(story.story, frozenset())
        own = {row: post for row, post in evidence.posts.items() if row in members} if story.changes else {}
        for index, change in enumerate(story.changes):
            yield f"stories[{number}].changes[{index}]", development.objection(change, own, precedents)


def assertions(draft: Draft, evidence: Evidence) -> Iterator[Assertion]:
    """Yield every sentence of ``draft`` from the top of the digest down."""
    before: list[tuple[Sentence, frozenset[str]]] = []
    for number, story in enumerate(draft.stories):
        place = f"stories[{number}]"
        lines = [(f"{place}.headline", story.headline)]
        lines += [(f"{place}.sentences[{index}]", one) for index, one in enumerate(story.sentences)]
        for position, (path, sentence) in enumerate(lines):
            yield Assertion(path, story, sentence, position == 0, rung_of(story, draft), tuple(before))
            before.append((sentence, _gist(sentence, story, evidence)))


def rung_of(story: DraftStory, draft: Draft) -> Rung:
    """Return the rung that wrote ``story``: its own, or its draft's."""
    return draft.rung if isinstance(story.rung, UnsetType) else story.rung


def objection(assertion: Assertion, evidence: Evidence, rules: tuple[Rule, ...]) -> tuple[str, str] | None:
    """Return the name of the first of ``rules`` that objects, and why; None when all hold."""
    objected = ((rule.name, rule.objection(assertion, evidence)) for rule in rules)
    return next(((name, why) for name, why in objected if why), None)


def _gist(sentence: Sentence, story: DraftStory, evidence: Evidence) -> frozenset[str]:
    return evidence.lexicon.gist(sentence.text, evidence.lang(story.story) or "und")


def _quality(draft: Draft, evidence: Evidence) -> dict[str, float]:
    drafted = {story.story: story for story in draft.stories}
    coverage: list[float] = []
    diversity: list[float] = []
    overlaps: list[float] = []
    fit: list[float] = []
    for brief in evidence.briefs:
        story = drafted.get(brief.story)
        gists = [_gist(one, story, evidence) for one in (story.headline, *story.sentences)] if story else []
        room = min(len(brief.topics), TERMS_A_SENTENCE * (1 + brief.sentences))
        told = len(brief.topics & frozenset[str]().union(*gists))
        coverage.append(min(1.0, told / room) if room else float(bool(gists)))
        could = min(brief.families, 1 + brief.sentences)
        diversity.append(min(1.0, _families(story, evidence) / could) if could and story else 0.0)
        overlaps += [_nearest(index, gists) for index in range(len(gists))]
    for story in draft.stories:
        fit += [fitness(one.text) for one in (story.headline, *story.sentences)]
    return {
        "coverage": _mean(coverage),
        "diversity": _mean(diversity),
        "freshness": 1 - _mean(overlaps),
        "fitness": _mean(fit),
    }


def _families(story: DraftStory, evidence: Evidence) -> int:
    cited = {one.post for line in (story.headline, *story.sentences) for one in line.citations}
    return len({evidence.posts[row].family for row in cited if row in evidence.posts})


def _nearest(index: int, gists: list[frozenset[str]]) -> float:
    own = gists[index]
    return max(
        (len(own & other) / max(len(own | other), 1) for place, other in enumerate(gists) if place != index),
        default=0.0,
    )


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0
