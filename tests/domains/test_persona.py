"""One window, several readers: each sees their own order, nobody loses what everyone should know."""

from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from domains import limits, persona
from domains.persona import SIGHT, Interest, Liking, Persona, Reweighed, Wish, reweigh, sections
from tests.domains.tastes import likes, story, terms, word

WINDOW = (
    story(1, "Flood cuts the bridge", sources=tuple("abcdefg"), importance=12.0),
    story(2, "Council raises bus fares", sources=tuple("abc"), importance=8.0),
    story(3, "Hockey club wins the cup", sources=tuple("ab"), importance=5.0),
    story(4, "Opera opens its season", sources=tuple("bc"), importance=4.0),
    story(5, "Zoo shows lynx kittens", sources=("d",), importance=2.0),
    story(6, "Hockey school takes pupils", sources=("e",), importance=1.5),
)


def order(reader: Persona | None, window=WINDOW, places: int = 12) -> tuple[int, ...]:
    return reweigh(window, reader, terms, places).order


def test_for_one_of_whom_nothing_is_known_nothing_changes():
    for reader in (None, Persona("me"), Persona("me", sentences=1)):
        taste = reweigh(WINDOW, reader, terms)
        assert taste.order == (1, 2, 3, 4, 5, 6)
        assert taste.words(3) == ""


def test_two_readers_see_one_window_in_visibly_different_orders():
    sport, art = order(likes("hockey")), order(likes("opera", "lynx"))
    assert (sport[0], art[0]) == (1, 1)
    assert sport.index(3) < art.index(3)
    assert art.index(4) < sport.index(4)
    assert sport != art != (1, 2, 3, 4, 5, 6)


def test_a_followed_word_or_source_says_so():
    taste = reweigh(WINDOW, likes("hockey"), terms)
    assert taste.words(3) == "above your floor because you follow “hockey”"
    assert taste.likings[3].wanted
    assert not taste.likings[4].wanted
    taste = reweigh(WINDOW, Persona("me", follows=(Wish("source", "d"),)), terms)
    assert taste.words(5) == "above your floor because you follow d"
    assert taste.moved[5] == 1


def test_a_muted_word_is_out_and_says_so():
    taste = reweigh(WINDOW, likes(mutes=("hockey",)), terms)
    assert taste.order == (1, 2, 4, 5)
    assert taste.muted == {3: "you mute “hockey”", 6: "you mute “hockey”"}
    assert taste.words(3) == "out of your persona because you mute “hockey”"


def test_what_everyone_should_know_is_told_though_it_is_muted():
    taste = reweigh(WINDOW, likes(mutes=("flood",)), terms)
    assert taste.muted == {}
    assert taste.words(1) == "above everyone's floor although you mute “flood”"


def test_a_muted_source_alone_mutes_a_story_and_among_others_is_silent():
    reader = Persona("me", mutes=(Wish("source", "e"), Wish("source", "b")))
    taste = reweigh(WINDOW, reader, terms)
    assert taste.muted == {6: "you mute e"}
    assert set(taste.silent) == {101, 104, 201, 301, 400}
    assert taste.silent[301] == "you mute b"


def test_a_mention_in_passing_does_not_mute():
    passing = story(7, "Mayor opens a hall", sources=("a", "b", "c"), importance=3.0)
    posts = (*passing.readable[:2], story(8, "Mayor opens a hall for hockey").readable[0])
    window = (*WINDOW, replace(passing, readable=posts, telling=posts))
    assert 7 in reweigh(window, likes(mutes=("hockey",)), terms).order


def test_every_word_of_a_phrase_must_be_there():
    assert reweigh(WINDOW, likes(mutes=("hockey pupils",)), terms).muted == {6: "you mute “hockey pupils”"}


def test_learned_words_raise_and_lower_with_confidence():
    def at(confidence: float) -> Reweighed:
        learned = (Interest("lynx", 0.8, (4,)), Interest("opera", -0.6, (5,)))
        return reweigh(WINDOW, Persona("me", terms=learned, confidence=confidence), terms)

    assert at(0.05).moved[5] == 0
    sure = at(0.9)
    assert sure.moved[5] > 0 > sure.moved[4]
    assert sure.words(5) == "above your floor because you liked stories about lynx"
    assert sure.words(4) == "lower for you because you did not like stories about opera"


def test_learned_sources_and_languages_count():
    window = (story(1, "one", sources=("a",), lang="en"), story(2, "two", sources=("b",), lang="uk"))
    assert order(Persona("me", sources=(Interest("b", 0.6, (1,)),)), window) == (2, 1)
    assert order(Persona("me", languages=(Interest("uk", 0.6, (1,)),)), window) == (2, 1)
    assert order(Persona("me", follows=(Wish("language", "uk"),)), window) == (2, 1)
    assert order(Persona("me", mutes=(Wish("language", "en"),)), window) == (2,)


def test_stale_and_routine_stories_are_no_floor():
    stale = story(7, "Flood again", sources=tuple("abcdefghij"), importance=14.0, news=False)
    taste = reweigh((stale, *WINDOW), likes(mutes=("again",)), terms)
    assert 7 in taste.muted
    assert taste.likings[1].floor


NAMES = st.sampled_from(("flood", "bus", "hockey", "opera", "zoo", "court", "mill", "rain"))
SOURCES = st.sampled_from(tuple("abcdef"))
STORIES = st.lists(
    st.tuples(st.lists(NAMES, min_size=1, max_size=3), st.sets(SOURCES, min_size=1), st.floats(0, 15)),
    max_size=14,
).map(
    lambda found: tuple(
        sorted(
            (
                story(row, " ".join(text), sources=tuple(sorted(sources)), importance=round(weight, 3))
                for row, (text, sources, weight) in enumerate(found, 1)
            ),
            key=lambda one: -one.importance,
        )
    )
)
WISHES = st.lists(NAMES.map(word) | SOURCES.map(lambda name: Wish("source", name)), max_size=4).map(tuple)
WEIGHTS = st.floats(-1, 1)
PERSONAS = st.builds(
    Persona,
    st.just("me"),
    follows=WISHES,
    mutes=WISHES,
    terms=st.dictionaries(NAMES, WEIGHTS).map(lambda d: tuple(Interest(n, w, ()) for n, w in d.items())),
    confidence=st.floats(0, 0.99),
    sources=st.dictionaries(SOURCES, WEIGHTS).map(lambda d: tuple(Interest(n, w, ()) for n, w in d.items())),
)


@given(STORIES, PERSONAS, st.integers(1, 14))
def test_no_persona_loses_a_top_story(window, reader, places):
    assume(not reader.neutral)
    taste = reweigh(window, reader, terms, places)
    top = sorted(
        (one for one in window if one.families >= limits.FLOOR_FAMILIES),
        key=lambda one: (-one.families, -one.importance, one.id),
    )
    sight = min(places, SIGHT)
    for one in top[: min(limits.FLOOR_STORIES, sight)]:
        assert one.id in taste.order[:sight]
        assert one.id not in taste.muted


@given(STORIES, PERSONAS, st.integers(1, 14))
def test_every_story_is_either_ordered_or_muted_with_a_reason(window, reader, places):
    taste = reweigh(window, reader, terms, places)
    assert sorted([*taste.order, *taste.muted]) == sorted(one.id for one in window)
    assert all(taste.muted.values())
    told = {one.id: {post.id for post in one.telling} for one in window if one.id not in taste.muted}
    assert all(posts - taste.silent.keys() for posts in told.values())


@given(STORIES, PERSONAS)
def test_the_same_window_and_reader_give_the_same(window, reader):
    assert reweigh(window, reader, terms) == reweigh(window, reader, terms)
    assert all(abs(one.interest) <= persona.MOST for one in reweigh(window, reader, terms).likings.values())


def test_sections_between_the_first_and_the_last_come_by_interest():
    home = {1: "main", 2: "developing", 3: "chats", 4: "offers", 5: "brief"}
    likings = {row: Liking(row, value, value) for row, value in ((1, -1.0), (3, 0.5), (4, 1.0), (5, 1.5))}
    names = ("main", "developing", "chats", "offers", "brief")
    assert sections(names, home, likings) == ("main", "offers", "chats", "developing", "brief")
    assert sections(names, home, {}) == names
    assert sections((), {}, likings) == ()
    assert sections(("brief",), home, likings) == ("brief",)
