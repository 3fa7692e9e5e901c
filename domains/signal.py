"""What a subscriber did, and the persona it makes: `learn`, deterministic, in one pass over the signals.

What is followed or muted is a wish and stands until it is taken back; what was opened or rated is halved in weight each
``limits.PERSONA_HALF_LIFE``. The words of a persona are a query in the space of lemmas: the tf-idf sum of what was
liked less what was not (Rocchio, 1971), so that each weight names the word it is of and the signals it comes from.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal, get_args

from domains import limits
from domains.persona import Interest, Persona, TargetKind, Terms, Wish
from domains.terms import STOPWORDS
from domains.text import words

SignalKind = Literal["follow", "mute", "open", "rate"]
KINDS: Final[tuple[SignalKind, ...]] = get_args(SignalKind)
TARGETS: Final[tuple[TargetKind, ...]] = get_args(TargetKind)

# Weight of an opened story beside a rated one: a click says less than a judgement.
OPEN_WEIGHT: Final = 0.3
# Ratings of no opinion that every learned weight is held against: the first few signals speak softly.
DOUBT: Final = 2.0
_LANGUAGE_DOUBT: Final = 5.0
# Signals that a persona keeps as evidence of a word, and words it keeps: more than 400 gain nothing, with 150 the AUC of
# the order falls by .02 to .05 once ten stories are rated (benchmarks/persona.py).
_EVIDENCE: Final = 3
INTERESTS: Final = 400
# So many liked stories, and as many disliked ones, before their length says anything; and by how much they differ.
_LENGTHS: Final = 5
_LONGER: Final = 0.5
SENTENCES: Final = 3
_WISH_WORDS: Final = 4
_WISH_LANGUAGES: Final = ("en", "ru", "uk")


@dataclass(frozen=True, slots=True)
class Signal:
    """Something a subscriber did. ``text``, ``lang``, ``sources`` and ``sentences`` are of the story, as it was told.

    ``weight`` is 1 for a wish (0 takes it back), 1 or -1 for a rating, `OPEN_WEIGHT` for an opening.
    """

    id: int
    kind: SignalKind
    target_kind: TargetKind
    target: str
    weight: float
    at: datetime
    text: str = ""
    lang: str = "und"
    sources: tuple[str, ...] = ()
    sentences: int = 0


@dataclass(frozen=True, slots=True)
class Background:
    """How common words are in what the tenant's sources write: ``counts`` of ``documents`` headlines hold a lemma."""

    documents: int
    counts: Mapping[str, int]

    @classmethod
    def of(cls, gists: Iterable[frozenset[str]]) -> "Background":
        """Return the background that ``gists``, one a document, make."""
        counts: dict[str, int] = defaultdict(int)
        documents = 0
        for gist in gists:
            documents += 1
            for term in gist:
                counts[term] += 1
        return cls(documents, dict(counts))

    def rarity(self, term: str) -> float:
        """Return the inverse document frequency of ``term``, above 0."""
        return math.log((self.documents + 2.0) / (self.counts.get(term, 0) + 0.5))


def wish(signal: Signal, terms: Terms) -> Wish:
    """Return the wish that a follow or mute signal states."""
    forms: tuple[tuple[str, ...], ...] = ()
    if signal.target_kind == "word":
        forms = tuple(_forms(word, terms) for word in words(signal.target)[:_WISH_WORDS])
    return Wish(signal.target_kind, signal.target, tuple(form for form in forms if form), signal.id)


def is_wishable(text: str) -> bool:
    """Return whether ``text`` holds a word that can be followed: not only the commonest words of a language."""
    found = [word.casefold() for word in words(text)]
    return 0 < len(found) <= _WISH_WORDS and not all(word in STOPWORDS or len(word) < 2 for word in found)


def _forms(word: str, terms: Terms) -> tuple[str, ...]:
    low = word.casefold()
    if low in STOPWORDS:
        return ()
    return tuple(sorted({low, *(one for lang in _WISH_LANGUAGES for one in terms(low, lang))}))


def decay(weight: float, at: datetime, now: datetime) -> float:
    """Return ``weight`` halved for each ``limits.PERSONA_HALF_LIFE`` between ``at`` and ``now``, 0 past the horizon."""
    age = max(now - at, timedelta())
    return 0.0 if age > limits.PERSONA_HORIZON else weight * 0.5 ** (age / limits.PERSONA_HALF_LIFE)


def learn(
    subscriber: str,
    signals: Iterable[Signal],
    now: datetime,
    terms: Terms,
    background: Background,
    subscribed: Sequence[str] = (),
) -> Persona:
    """Return the persona that ``signals`` make as of ``now``, without version; the order they come in does not matter.

    ``subscribed`` are the sources that the subscriber's subscriptions name: followed until they are muted.
    """
    known = sorted((one for one in signals if one.at <= now), key=lambda one: (one.at, one.id))
    follows, mutes = _wishes(known, terms, subscribed)
    # A story that is rated again was rated so; one that is opened again was opened.
    judged = {(one.kind, one.target): one for one in known if one.kind in {"open", "rate"}}
    newest_last = sorted(judged.values(), key=lambda one: (one.at, one.id))
    told = [(one, mass) for one in newest_last if (mass := decay(one.weight, one.at, now))]
    total = sum(abs(mass) for _, mass in told)
    persona = Persona(
        subscriber=subscriber,
        follows=follows,
        mutes=mutes,
        terms=_terms(told, terms, background),
        confidence=round(total / (total + DOUBT), 4),
        sources=_affinity(((source, one.id, mass) for one, mass in told for source in one.sources), DOUBT),
        languages=_affinity(
            ((one.lang, one.id, mass) for one, mass in told if one.lang != "und"), _LANGUAGE_DOUBT
        ),
        sentences=_length(known, told),
    )
    return summarised(persona)


def _wishes(
    known: Sequence[Signal], terms: Terms, subscribed: Sequence[str]
) -> tuple[tuple[Wish, ...], tuple[Wish, ...]]:
    """Return what is followed and what is muted: of each target the last word counts."""
    last: dict[tuple[TargetKind, str], Signal] = {}
    for one in known:
        if one.kind in {"follow", "mute"} and one.target_kind != "length":
            last[one.target_kind, _key(one)] = one
    standing = [one for _, one in sorted(last.items()) if one.weight > 0]
    follows = [wish(one, terms) for one in standing if one.kind == "follow"]
    mutes = [wish(one, terms) for one in standing if one.kind == "mute"]
    follows += [Wish("source", name) for name in sorted(set(subscribed)) if ("source", name) not in last]
    return tuple(follows), tuple(mutes)


def _key(one: Signal) -> str:
    return one.target.casefold() if one.target_kind == "word" else one.target


def _terms(
    told: Sequence[tuple[Signal, float]], terms: Terms, background: Background
) -> tuple[Interest, ...]:
    """Return the words of what was liked less those of what was not, as a unit vector, the weightiest first.

    Each story counts as a unit vector of its words' rarities, times its signal's weight.
    """
    sums: dict[str, float] = defaultdict(float)
    shares: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for one, mass in told:
        gist = {term: background.rarity(term) for term in set(terms(one.text, one.lang))}
        length = math.sqrt(sum(rarity * rarity for rarity in gist.values()))
        for term, rarity in gist.items():
            sums[term] += mass * rarity / length
            shares[term].append((mass, one.id))
    heavy = sorted(((value, term) for term, value in sums.items()), key=_heaviest)[:INTERESTS]
    length = math.sqrt(sum(value * value for value, _ in heavy))
    if not length:
        return ()
    return tuple(
        Interest(term, round(value / length, 4), _newest(shares[term], value))
        for value, term in heavy
        if round(value / length, 4)
    )


def _affinity(parts: Iterable[tuple[str, int, float]], doubt: float) -> tuple[Interest, ...]:
    """Return for each name the mean of its signals' weights, held against ``doubt`` signals of no opinion."""
    shares: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for name, row, mass in parts:
        shares[name].append((mass, row))
    found = [
        (sum(mass for mass, _ in own) / (sum(abs(mass) for mass, _ in own) + doubt), name)
        for name, own in shares.items()
    ]
    return tuple(
        Interest(name, round(value, 4), _newest(shares[name], value))
        for value, name in sorted(found, key=_heaviest)[:INTERESTS]
        if round(value, 4)
    )


def _heaviest(pair: tuple[float, str]) -> tuple[float, str]:
    return -abs(pair[0]), pair[1]


def _newest(shares: Sequence[tuple[float, int]], value: float) -> tuple[int, ...]:
    """Return the signals that pull as ``value`` does, the newest first."""
    own = [row for mass, row in shares if mass * value > 0]
    return tuple(reversed(own[-_EVIDENCE:]))


def _length(known: Sequence[Signal], told: Sequence[tuple[Signal, float]]) -> int | None:
    """Return how many sentences a story should have: what was asked for last, else what was liked, when it differs."""
    asked = [one for one in known if one.kind == "follow" and one.target_kind == "length"]
    if asked and asked[-1].weight > 0:
        return max(1, min(SENTENCES, int(asked[-1].target)))
    liked = [one.sentences for one, mass in told if mass > 0 and one.sentences]
    disliked = [one.sentences for one, mass in told if mass < 0 and one.sentences]
    if min(len(liked), len(disliked)) < _LENGTHS:
        return None
    mean = sum(liked) / len(liked)
    if abs(mean - sum(disliked) / len(disliked)) < _LONGER:
        return None
    return max(1, min(SENTENCES, round(mean)))


def tokens(text: str) -> int:
    """Return no fewer tokens than ``text`` has: tokenizers of today take 3 bytes or more for one, in Cyrillic too."""
    return math.ceil(len(text.encode("utf-8", "replace")) / 3)


def summarised(persona: Persona) -> Persona:
    """Return ``persona`` with its summary of at most ``limits.PERSONA_SUMMARY_TOKENS`` tokens, and what that rests on.

    Deterministic; wishes come first, then what was learned, as far as there is room for whole names.
    """
    liked = [one for one in persona.terms if one.weight > 0]
    disliked = [one for one in persona.terms if one.weight < 0]
    clauses: list[tuple[str, list[tuple[str, tuple[int, ...]]]]] = [
        ("Follows", [(_quoted(one), _ids(one)) for one in persona.follows]),
        ("Mutes", [(_quoted(one), _ids(one)) for one in persona.mutes]),
        ("Likes", [(one.name, one.evidence) for one in liked[:12]]),
        ("Likes less", [(one.name, one.evidence) for one in disliked[:8]]),
        ("Likes sources", [(one.name, one.evidence) for one in persona.sources if one.weight > 0][:6]),
        ("Reads", [(one.name, one.evidence) for one in persona.languages if one.weight > 0][:3]),
    ]
    if persona.sentences:
        clauses.append(("Sentences a story", [(str(persona.sentences), ())]))
    text, evidence = "", dict[int, None]()
    for title, items in clauses:
        names: list[str] = []
        for name, ids in items:
            longer = f"{text} {title}: {', '.join([*names, name])}.".strip()
            if tokens(longer) > limits.PERSONA_SUMMARY_TOKENS:
                break
            names.append(name)
            evidence.update(dict.fromkeys(ids))
        if names:
            text = f"{text} {title}: {', '.join(names)}.".strip()
    return replace(persona, summary=text, evidence=tuple(evidence))


def _quoted(one: Wish) -> str:
    return f"{one.target_kind} {one.target}" if one.target_kind != "word" else one.target


def _ids(one: Wish) -> tuple[int, ...]:
    return () if one.evidence is None else (one.evidence,)
