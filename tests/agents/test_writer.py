from dataclasses import replace

import pytest
from windowdesk import SUBJECTS, Desk, desk_of

from agents import writer
from domains import limits

LEAD, DETAIL = SUBJECTS[0]


@pytest.mark.parametrize("method", writer.METHODS, ids=lambda method: method.name)
def test_every_line_is_a_span_and_none_repeats_the_headline(busy: Desk, method: writer.Method) -> None:
    before = desk_of(busy)
    draft = writer.write(method, before)
    assert draft.method == method.name
    assert len(draft.stories) == len(before.plan.stories)
    for planned, story in zip(before.plan.stories, draft.stories, strict=True):
        assert len(story.sentences) <= planned.sentences
        assert len(story.headline.text) <= limits.HEADLINE_CHARS
        assert not story.headline.text.endswith(".")
        for line in (story.headline, *story.sentences):
            (cited,) = line.citations
            assert before.survey.posts[cited.post].quote(cited.span) == cited.quote == line.text
        assert all(story.headline.text not in one.text for one in story.sentences)


def test_a_title_heads_its_story(desk: Desk) -> None:
    desk.post(f"{DETAIL} {LEAD} near the old harbour.", story=1, source="a")
    desk.post(f"{LEAD}\n{DETAIL} Divers inspect pillars.", story=1, source="feed", title=LEAD)
    story = writer.write(writer.SUBMODULAR, desk_of(desk)).stories[0]
    assert story.headline.text == LEAD
    assert story.headline.citations[0].post == 2


def test_the_words_that_publishers_share_make_the_headline(desk: Desk) -> None:
    desk.post("Mayor drinks coffee at the square every single morning.", story=1, source="a", hour=1)
    for number, source in enumerate("bcd"):
        desk.post(f"{LEAD} after rain. Witness {number} called.", story=1, source=source, hour=2 + number)
    story = writer.write(writer.SUBMODULAR, desk_of(desk)).stories[0]
    assert story.headline.text == f"{LEAD} after rain"


def test_a_dangling_line_is_never_taken(desk: Desk) -> None:
    desk.post(f"{LEAD}. He promised to repair everything before Friday.", story=1, source="a")
    desk.post(f"{LEAD}. According to him nobody drowned in the river.", story=1, source="b")
    story = writer.write(writer.MMR, desk_of(desk)).stories[0]
    assert story.sentences == ()


def test_one_headline_is_not_used_by_two_stories(desk: Desk) -> None:
    desk.happening(1, LEAD, DETAIL)
    before = desk_of(desk)
    first = writer.write_story(writer.MMR, before.plan.stories[0], before, [])
    assert first is not None
    second = writer.write_story(
        writer.MMR, before.plan.stories[0], before, writer.spoken(replace(first, sentences=()), before)
    )
    assert second is None or second.headline.text != first.headline.text


def test_banned_lines_are_not_taken(desk: Desk) -> None:
    desk.happening(1, LEAD, DETAIL)
    before = desk_of(desk)
    item = before.plan.stories[0]
    lines = before.shelf.folders[0].lines
    everything = frozenset((line.post, line.span[0]) for line in lines)
    assert writer.write_story(writer.MMR, item, before, [], everything) is None


def test_an_abbreviation_keeps_its_full_stop(desk: Desk) -> None:
    desk.post("Повінь відрізала міст у Сольвичі, збитки сягнули 20 млн.", story=1, source="a")
    desk.post("Повінь відрізала міст у Сольвичі, збитки сягнули 20 млн.", story=1, source="b")
    story = writer.write(writer.SUBMODULAR, desk_of(desk)).stories[0]
    assert story.headline.text.endswith("млн.")


def test_the_longer_headline_wins_when_it_says_all_of_the_shorter(desk: Desk) -> None:
    for number, source in enumerate("abc"):
        desk.post(f"Train hit a paver. Traffic stopped for {number + 2} hours.", story=1, source=source)
    desk.post("Train hit a paver at the Shchelkovo crossing.", story=1, source="d")
    story = writer.write(writer.SUBMODULAR, desk_of(desk)).stories[0]
    assert story.headline.text == "Train hit a paver at the Shchelkovo crossing"


@pytest.mark.parametrize(
    "again",
    [
        # A clause of it was told, in the same numbers.
        "The carrier Soltrans had asked for fifteen hryvnias, schoolchildren will pay 7 hryvnias.",
        # It holds the whole of a sentence that was told.
        "Deputy mayor Inna Dzvonar asked the carrier to buy twelve new buses.",
    ],
)
def test_what_a_sentence_has_told_is_not_told_in_another(desk: Desk, again: str) -> None:
    desk.post(
        "Bus fare in Solvych rises to 14 hryvnias. Schoolchildren will pay 7 hryvnias. "
        "The carrier buy twelve new buses.",
        story=1,
        source="a",
    )
    desk.post(f"Bus fare in Solvych rises to 14 hryvnias. {again}", story=1, source="b", hour=9)
    desk.post("Bus fare in Solvych rises to 14 hryvnias, in three weeks.", story=1, source="c", hour=10)
    for method in writer.METHODS:
        (story,) = writer.write(method, desk_of(desk)).stories
        told = " ".join(sentence.text for sentence in story.sentences)
        assert (told.count("7 hryvnias"), told.count("twelve new buses")) in {(1, 1), (1, 0), (0, 1)}


def test_the_same_words_with_another_number_are_another_fact(desk: Desk) -> None:
    desk.post(
        "Bus fare in Solvych rises. Schoolchildren will pay 7 hryvnias before noon.", story=1, source="a"
    )
    desk.post(
        "Bus fare in Solvych rises. From next year on, schoolchildren will pay 9 hryvnias.",
        story=1,
        source="b",
        hour=9,
    )
    (story,) = writer.write(writer.MMR, desk_of(desk)).stories
    assert len(story.sentences) == 2
