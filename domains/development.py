"""What became of a continuing story since the subscriber last read of it: "12 → 17 injured", new names and places.

    told sentences ─▶ counts ─┐
    posts of the window ─▶ counts ─▶ the same thing, another number ─▶ Change, citing both posts
    posts of the window ─▶ names ─▶ those that no post cited before holds ─▶ Change

What is found is held against the posts once more by `objection`, which knows nothing of how it was found.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from domains.digest import Change, Citation, Precedent, Sentence, Shipped
from domains.entity import Finder, Mention
from domains.post import Post, Span
from domains.spelling import parts, skeleton, stem
from domains.tallied import Count, about, counts
from domains.text import numbers, words
from domains.twin import Speller

# What a reader takes in at a glance.
NUMBERS: Final = 3
NAMES: Final = 3
# Two sentences that count a thing of no great tell must share so many words beside it.
SHARED: Final = 1
_KINDS: Final = frozenset({"person", "org", "place", "name"})
# A name of fewer letters is mostly an abbreviation of something known.
_LETTERS: Final = 4


@dataclass(frozen=True, slots=True)
class _Found:
    """A count in its sentence, said by ``post``, or told of it at ``at``."""

    count: Count
    about: frozenset[str]
    post: Post
    span: Span
    at: datetime

    @property
    def citation(self) -> Citation:
        return Citation(self.post.id, self.span, self.post.quote(self.span))


def day(first_at: datetime, end: datetime, zone: str) -> int:
    """Return which day of a story the last one before ``end`` is, by the zone's calendar; its first is day 1."""
    here = ZoneInfo(zone)
    last = (end - timedelta(microseconds=1)).astimezone(here).date()
    return max((last - first_at.astimezone(here).date()).days + 1, 1)


def changes(
    shown: Sequence[Sentence], members: Sequence[Post], precedents: Sequence[Precedent], finder: Finder
) -> tuple[Change, ...]:
    """Return what is new of a story told by ``precedents``: numbers first, at most `NUMBERS` and `NAMES` of each.

    ``members`` are the story's posts that may be quoted, ``shown`` the sentences that tell it today: what they cite is
    cited first.
    """
    if not precedents:
        return ()
    cited = {one.post for sentence in shown for one in sentence.citations}
    posts = sorted(members, key=lambda post: (post.at, post.id))
    spell = Speller()
    return (*_numbers(posts, precedents, cited, spell), *_names(posts, precedents, cited, finder))


def objection(change: Change, posts: Mapping[int, Post], precedents: Iterable[Precedent]) -> str:
    """Return why ``change`` is not borne by what it cites, or "".

    The new number or name must stand in its quote, the quote in its post; the old number in a sentence that was told,
    and in the quote that this sentence cited. Neither may be the other, and a name may not have been told.
    """
    post = posts.get(change.now.post)
    if post is None:
        return f"cites post {change.now.post}, which is not in the window"
    if (
        post.boilerplate is not None
        or post.quote(change.now.span) != change.now.quote
        or not change.now.quote
    ):
        return f"the quote is not what post {change.now.post} says there"
    if change.new not in change.now.quote:
        return f"{change.new!r} is not in what it cites"
    told = [one for precedent in precedents for one in precedent.shipped]
    if change.kind != "number":
        return _known_name(change.new, told)
    if change.before is None:
        return "cites nothing for the old number"
    if change.before not in [cited for one in told for cited in one.citations]:
        return f"cites post {change.before.post} for the old number, which no earlier digest cited so"
    if change.old not in change.before.quote:
        return f"the old number {change.old} is not in what it cites"
    old, new = numbers(change.old), numbers(change.new)
    if (
        not new
        or new == old
        or not new <= numbers(change.now.quote)
        or not old <= numbers(change.before.quote)
    ):
        return f"{change.old} and {change.new} are not two numbers of what they cite"
    said = [one.text for one in told if change.before in one.citations]
    return "" if any(old <= numbers(text) for text in said) else f"{change.old} was never told"


def gist(change: Change) -> frozenset[str]:
    """Return what a change says in any language: its number, or its name's consonants."""
    return numbers(change.new) if change.kind == "number" else _skeletons([change.new])


def _numbers(
    posts: Sequence[Post], precedents: Sequence[Precedent], cited: set[int], spell: Speller
) -> Iterable[Change]:
    old, new = list(_told(precedents, spell)), list(_said(posts, spell))
    things = dict.fromkeys(one.count.marks for one in reversed(new))
    found = (_change(marks, old, new, cited) for marks in things)
    return [change for change in found if change is not None][:NUMBERS]


def _told(precedents: Sequence[Precedent], spell: Speller) -> Iterable[_Found]:
    """Yield the counts that were told: those of quotes whose numbers stand in the sentence that cited them."""
    for precedent in precedents:
        posts = {(post.id): post for post in precedent.posts}
        for one in precedent.shipped:
            held = numbers(one.text)
            for cited in one.citations:
                post = posts.get(cited.post)
                for count in counts(cited.quote, spell) if post else ():
                    if post is not None and numbers(count.shown) <= held:
                        yield _Found(count, about(cited.quote, spell), post, cited.span, one.at)


def _said(posts: Sequence[Post], spell: Speller) -> Iterable[_Found]:
    for post in posts:
        for span in post.sentences:
            quote = post.quote(span)
            for count in counts(quote, spell):
                yield _Found(count, about(quote, spell), post, span, post.at)


def _change(
    marks: frozenset[str], old: Sequence[_Found], new: Sequence[_Found], cited: set[int]
) -> Change | None:
    """Return what became of one thing counted: the newest number said of it against the last that was told."""
    said = [one for one in new if one.count.marks == marks]
    last = max(said, key=lambda one: (one.at, one.post.id))
    told = [one for one in old if one.count.marks == marks and (last.count.telling or _kin(one, last))]
    if not told or last.count.value in {one.count.value for one in told}:
        return None
    newest = max(one.at for one in told)
    latest = [one for one in told if one.at == newest]
    before = max(latest, key=lambda one: (one.post.at, one.post.id))
    rivals = {one.count.value for one in latest if one.post.at == before.post.at}
    if len(rivals) > 1 or not last.count.follows(before.count):
        return None
    same = [one for one in said if one.count.value == last.count.value]
    now = max(same, key=lambda one: (one.post.id in cited, one.at, one.post.id))
    return Change(
        kind="number",
        what=now.count.word.casefold(),
        old=before.count.shown,
        new=now.count.shown,
        before=before.citation,
        now=now.citation,
    )


def _kin(told: _Found, said: _Found) -> bool:
    return len((told.about & said.about) - said.count.marks) >= SHARED


def _names(
    posts: Sequence[Post], precedents: Sequence[Precedent], cited: set[int], finder: Finder
) -> Iterable[Change]:
    """Return the names that several posts, or one that is quoted today, hold and nothing told did."""
    known = _skeletons(post.text for precedent in precedents for post in precedent.posts)
    publishers = _skeletons(post.source.replace("_", " ") for post in posts)
    holders: defaultdict[str, dict[int, tuple[Post, Mention]]] = defaultdict(dict)
    for post in posts:
        for mention in finder.find(post.text, post.sentences):
            if mention.kind in _KINDS and _is_new(mention, known | publishers):
                holders[mention.key].setdefault(post.id, (post, mention))
    ranked = sorted(
        (held for held in holders.values() if not cited.isdisjoint(held)),
        key=lambda held: (-len({post.family for post, _ in held.values()}), min(held)),
    )
    return [change for held in ranked if (change := _named(held, cited)) is not None][:NAMES]


def _named(held: Mapping[int, tuple[Post, Mention]], cited: set[int]) -> Change | None:
    """Return the new name as a post cited today writes it, if that post or another publisher's says it in the open.

    The shortest way it is written there is the likeliest to be no case of it.
    """
    post, mention = min(
        (held[row] for row in sorted(held) if row in cited), key=lambda one: (len(one[1].name), one[0].id)
    )
    said = post.text[slice(*mention.span)]
    span = next(
        (one for one in post.sentences if one[0] <= mention.span[0] and mention.span[1] <= one[1]), None
    )
    if span is None:
        return None
    cited_so = Citation(post.id, span, post.quote(span))
    return Change("place" if mention.kind == "place" else "name", "", "", said, None, cited_so)


def _is_new(mention: Mention, known: frozenset[str]) -> bool:
    own = {skeleton(stem(word)) for word in parts(mention.name) if len(word) >= _LETTERS}
    return bool(own) and not own & known


def _known_name(name: str, told: Iterable[Shipped]) -> str:
    own = _skeletons([name])
    known = _skeletons(text for one in told for text in (one.text, *(cited.quote for cited in one.citations)))
    return f"the name {name} was told before" if own & known else ""


def _skeletons(texts: Iterable[str]) -> frozenset[str]:
    return frozenset(
        skeleton(stemmed)
        for text in texts
        for word in words(text)
        for part in parts(word)
        if len(part) >= _LETTERS and (stemmed := stem(part))
    )
