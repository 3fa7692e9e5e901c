from dataclasses import replace
from datetime import timedelta

import pytest
from windowdesk import SUBJECTS, Desk, PlainLanguage

from agents import planner, retriever
from domains import limits
from domains.digest import Check, Plan, Settings
from domains.survey import Survey, survey
from domains.terms import Lexicon


def surveyed(desk: Desk) -> Survey:
    return survey(desk.briefing())


def plan(desk: Desk, **settings: object) -> Plan:
    return planner.plan(surveyed(desk), replace(Settings(), **settings))


def gathered(plan: Plan, desk: Desk) -> retriever.Shelf:
    return retriever.gather(plan, surveyed(desk), Settings(), Lexicon(PlainLanguage()))


def test_two_windows_give_two_plans(busy: Desk, desk: Desk) -> None:
    desk.happening(1, *SUBJECTS[0])
    quiet = plan(desk)
    crowded = plan(busy)
    assert quiet.sections == ("main",)
    assert crowded.sections == ("main", "brief")
    assert quiet.stories[0].sentences == limits.STORY_SENTENCES
    assert crowded.stories[-1].sentences == 1
    assert [step.check.name for step in quiet.steps] == ["tellable", "corroborated"]
    assert [step.check.name for step in crowded.steps] == ["tellable", "distinct", "corroborated"]
    assert quiet.reasons != crowded.reasons
    assert any("quiet" in reason for reason in quiet.reasons)


def test_nothing_to_tell_needs_no_step(desk: Desk) -> None:
    made = plan(desk)
    assert (made.stories, made.steps, made.sections) == ((), (), ())


def test_documents_stay_under_the_cap_whatever_is_asked(busy: Desk) -> None:
    for asked in (1, 7, 30):
        made = plan(busy, max_documents=asked, max_stories=50)
        rows = [row for item in made.stories for row in item.posts]
        assert len(rows) == len(set(rows)) <= min(asked, limits.DIGEST_DOCUMENTS)
        assert all(item.posts for item in made.stories)


def test_importance_puts_more_publishers_first(busy: Desk) -> None:
    stories = surveyed(busy).stories
    assert [story.families for story in stories] == sorted(
        (story.families for story in stories), reverse=True
    )


def test_strong_stories_without_a_place_are_a_matter_of_budget_and_weak_ones_of_the_floor(
    busy: Desk,
) -> None:
    busy.post("One witness saw 3 foxes cross the railway near the depot at dawn.", story=50, source="wire0")
    made = plan(busy)
    assert len(made.stories) == 12
    assert made.left_out[50] == "below_floor"
    assert sorted(made.left_out.values()) == ["below_floor", "budget", "budget"]


def test_single_publisher_stories_fill_a_thin_day(desk: Desk) -> None:
    for number, (lead, detail) in enumerate(SUBJECTS, 1):
        desk.post(f"{lead}. {detail} Cost: 4 million.", story=number, source=f"wire{number % 3}", hour=number)
    made = plan(desk)
    assert len(made.stories) == planner.FILL
    assert set(made.left_out.values()) == {"below_floor"}


def test_a_subscriber_of_one_publisher_is_told_what_there_is(desk: Desk) -> None:
    for number, (lead, detail) in enumerate(SUBJECTS, 1):
        desk.post(f"{lead}. {detail}", story=number, source="wire0", hour=number)
    assert len(plan(desk).stories) == min(len(SUBJECTS), 12) > planner.FILL


def test_min_posts_is_the_floor_when_places_are_short(desk: Desk) -> None:
    for number, (lead, detail) in enumerate(SUBJECTS, 1):
        desk.post(f"{lead}. {detail} Cost: 4 million.", story=number, source=f"wire{number % 3}", hour=number)
    assert plan(desk, min_posts=2, max_stories=12).stories == ()
    assert len(plan(desk, min_posts=2, max_stories=14).stories) == planner.FILL


def test_a_chat_needs_a_conversation_and_has_its_own_section(desk: Desk) -> None:
    for number in range(6):
        desk.post(
            f"Neighbour {number} says the lift on stair {number} is broken again.",
            story=1,
            source="chat",
            author=f"person {number}",
            reply_to="chat/1" if number else None,
            hour=number,
        )
    lone = "The cat of flat 12 is lost, grey with white paws, please call."
    desk.post(lone, story=2, source="chat", author="person 9", hour=7)
    made = plan(desk)
    assert surveyed(desk).kinds == {"chat": "chat"}
    assert [(item.story, item.section) for item in made.stories] == [(1, "chats")]
    assert made.left_out == {2: "below_floor"}


def test_offers_are_for_those_who_follow_shops(desk: Desk) -> None:
    for number in range(4):
        desk.post(
            f"Heater model {number}, price 2390 грн, in stock, order today.", story=number + 1, source="shop"
        )
    assert plan(desk).sections == ("offers",)
    for number in range(10, 16):
        desk.post(f"Council decided matter {number} on Monday.", source="wire")
    assert plan(desk).sections == ()


def test_daily_furniture_has_no_place(desk: Desk) -> None:
    for source in ("wire0", "wire1"):
        desk.post("Weather today: +8 by day, light rain, wind 5 m/s.", story=1, source=source)
    assert plan(desk).left_out == {1: "below_floor"}


def test_untellable_stories_force_a_second_plan_that_fills_their_places(busy: Desk) -> None:
    for number, source in enumerate(("wire0", "wire1", "wire2", "wire3", "wire4")):
        busy.post(f"Subscribe to channel {number}, he said.", story=60, source=source, hour=20)
    facts = surveyed(busy)
    first = planner.plan(facts, Settings())
    assert 60 in {item.story for item in first.stories}
    shelf = gathered(first, busy)
    judged = planner.judge(first, facts, shelf)
    check = planner.failed(judged)
    assert check is not None
    assert (check.name, check.expected, check.found) == ("tellable", 12, 11)
    second = planner.replan(facts, Settings(), judged, check, shelf)
    assert second.replanned == "tellable"
    assert second.left_out[60] == "below_floor"
    assert len(second.stories) == 12
    assert any("planned again" in reason for reason in second.reasons)
    assert planner.failed(planner.judge(second, facts, gathered(second, busy))) is None


def test_stories_that_only_one_publisher_can_be_quoted_on_are_demoted(desk: Desk) -> None:
    for number, (lead, detail) in enumerate(SUBJECTS[:6], 1):
        desk.post(f"{lead}. {detail}", story=number, source="wire0", hour=number)
        desk.post("Subscribe to us, he said", story=number, source="wire1", hour=number + 1)
    facts = surveyed(desk)
    first = planner.plan(facts, Settings())
    judged = planner.judge(first, facts, gathered(first, desk))
    check = planner.failed(judged)
    assert check is not None
    assert check.name == "corroborated"
    second = planner.replan(facts, Settings(), judged, check, gathered(judged, desk))
    assert second.sections == ("brief",)


def test_settle_takes_out_what_cannot_be_told(desk: Desk) -> None:
    desk.happening(1, *SUBJECTS[0])
    for source in ("wire0", "wire1"):
        desk.post("Subscribe to us, he said", story=2, source=source)
    facts = surveyed(desk)
    first = planner.plan(facts, Settings())
    settled, shelf = planner.settle(first, facts, gathered(first, desk))
    assert [item.story for item in settled.stories] == [1]
    assert [folder.story for folder in shelf.folders] == [1]
    assert settled.left_out == {2: "below_floor"}


def test_a_check_that_was_not_judged_has_not_failed(desk: Desk) -> None:
    desk.happening(1, *SUBJECTS[0])
    assert planner.failed(plan(desk)) is None


@pytest.mark.parametrize("sentences", [0, 1, 3])
def test_sentences_are_capped(busy: Desk, sentences: int) -> None:
    made = plan(busy, max_sentences=sentences)
    assert max(item.sentences for item in made.stories) == min(sentences, limits.STORY_SENTENCES)


def test_a_late_story_weighs_no_more_for_lying_before_the_window(desk: Desk) -> None:
    desk.happening(1, *SUBJECTS[0])
    early = surveyed(desk).stories[0].importance
    desk.posts = [replace(post, at=post.at - timedelta(days=3), late=True) for post in desk.posts]
    assert surveyed(desk).stories[0].importance < early


def test_the_check_that_failed_is_told_in_words(desk: Desk) -> None:
    desk.happening(1, *SUBJECTS[0])
    facts = surveyed(desk)
    first = planner.plan(facts, Settings())
    again = planner.replan(
        facts, Settings(), first, Check("distinct", 2.0, 1.0, passed=False), gathered(first, desk)
    )
    assert again.reasons[-1].endswith("'distinct' failed: asked 2, found 1")


def test_one_happening_told_in_two_languages_has_one_place(desk: Desk) -> None:
    en = "Luhva beat Avanhard 4-3 on penalties in Trostyn. Keeper Denys Rakochii saved two for Luhva."
    ru = "Вчера «Лугва» прошла «Авангард» по пенальти 4:3 в Тростыне. Вратарь Денис Ракочий отбил два."
    desk.post(en, story=1, source="wire0", hour=9)
    for source in ("wire1", "wire2"):
        desk.post(ru, story=2, source=source, hour=8)
    desk.happening(3, *SUBJECTS[0])
    made = plan(desk)
    assert sorted(item.story for item in made.stories) == [2, 3]
    assert any(reason.startswith("2 stories tell 1 happenings") for reason in made.reasons)
    shelf = gathered(made, desk)
    assert shelf.twins == {1: 2}
    assert shelf.by_story[2].lang == "ru"
    checks = {step.check.name: step.check.passed for step in planner.judge(made, surveyed(desk), shelf).steps}
    assert checks["distinct"]
