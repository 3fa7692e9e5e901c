"""The real planner, told by personas and lessons: plans differ because of the reader and because of the past."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from windowdesk import DAY, SUBJECTS, Desk, PlainLanguage

from agents import ledger, planner, retriever
from domains import memory
from domains.digest import Draft, Plan, Settings
from domains.memory import Episode
from domains.persona import Persona, Wish
from domains.survey import Survey, survey
from domains.taste import arranged, personalised, preferred
from domains.terms import Lexicon

LEXICON = Lexicon(PlainLanguage())
WORDS = (
    "bridge",
    "fares",
    "museum",
    "hockey",
    "sawmill",
    "archaeologists",
    "scanner",
    "warsaw",
    "lynx",
    "bakers",
)
TOP = (1, 2, 3)


def city() -> Desk:
    """A window in which five publishers tell three stories and two tell each of the rest."""
    desk = Desk()
    for number, (lead, detail) in enumerate(SUBJECTS, 1):
        desk.happening(number, lead, detail, sources=5 if number in TOP else 2, hour=8 + number / 10)
    return desk


CITY = city()
FACTS = survey(CITY.briefing())


def reader(*follows: str, mutes: tuple[str, ...] = (), sources: tuple[str, ...] = ()) -> Persona:
    def word(text: str) -> Wish:
        return Wish("word", text, ((text,),))

    muted = (*map(word, mutes), *(Wish("source", name) for name in sources))
    return Persona("me", follows=tuple(map(word, follows)), mutes=muted)


def planned(persona: Persona | None, settings: Settings = Settings()) -> tuple[Plan, Survey]:  # noqa: B008  frozen
    facts, taste = personalised(
        FACTS, persona, LEXICON.terms, min(settings.max_stories, settings.max_documents)
    )
    return arranged(planner.plan(facts, preferred(settings, persona)), taste), facts


def told(plan: Plan) -> list[int]:
    return [item.story for item in plan.stories]


def test_one_of_whom_nothing_is_known_gets_the_plan_of_everyone():
    assert planned(None)[0] == planned(Persona("me"))[0] == planner.plan(FACTS, Settings())


def test_two_readers_of_one_window_get_visibly_different_digests():
    few = Settings(max_stories=6)
    animals, travel = (
        planned(reader("lynx", "pottery"), few)[0],
        planned(reader("warsaw", "carriages"), few)[0],
    )
    assert told(animals) != told(travel)
    assert set(told(animals)) - set(told(travel))
    assert set(TOP) <= set(told(animals)) & set(told(travel))
    everyone = told(planned(None, few)[0])
    assert 11 in told(animals)
    assert 11 not in everyone
    assert any("above your floor because you follow “lynx”" in reason for reason in animals.reasons)


def test_what_is_muted_is_out_of_persona_and_every_post_of_it_says_why():
    plan, facts = planned(reader(mutes=("hockey",)))
    assert 4 not in told(plan)
    drops = ledger.drops(plan, {}, Draft("none", "extractive", ()), facts)
    assert sorted(drop.post for drop in drops) == sorted(facts.posts)
    muted = [drop for drop in drops if drop.reason == "out_of_persona"]
    assert [(drop.of, drop.detail) for drop in muted] == [(4, "you mute “hockey”")] * 2


def test_a_muted_publisher_is_not_read_where_others_tell_the_story():
    plan, facts = planned(reader(sources=("wire0",)))
    read = {facts.posts[row].source for item in plan.stories for row in item.posts}
    assert "wire0" not in read
    assert len(plan.stories) == 12
    # The rest of the loop works on it.
    shelf = retriever.gather(plan, facts, Settings(), LEXICON)
    settled, _ = planner.settle(planner.judge(plan, facts, shelf), facts, shelf)
    assert settled.stories


def test_a_reader_of_short_stories_gets_one_sentence_each():
    short = replace(reader("lynx"), sentences=1)
    assert {item.sentences for item in planned(short)[0].stories} == {1}
    assert preferred(Settings(max_sentences=1), replace(short, sentences=3)).max_sentences == 1


WISHES = st.lists(st.sampled_from(WORDS), max_size=3, unique=True)


@given(WISHES, WISHES, st.sets(st.sampled_from(("wire0", "wire1", "wire2"))), st.integers(3, 14))
def test_no_plan_of_any_reader_loses_a_top_story(follows, mutes, sources, places):
    plan, _ = planned(
        reader(*follows, mutes=tuple(mutes), sources=tuple(sorted(sources))), Settings(max_stories=places)
    )
    assert set(TOP) <= set(told(plan))
    assert {item.section for item in plan.stories if item.story in TOP} == {"main"}


def episodes(check: str, runs: int) -> list[Episode]:
    made: list[Episode] = []
    for run in range(1, runs + 1):
        at = DAY.start - timedelta(days=runs - run + 1)
        made.append(Episode(2 * run, "run_completed", at, "digest", run))
        made.append(Episode(2 * run + 1, "quality_low", at, check, run))
    return made


def test_the_second_plan_differs_because_the_first_digests_failed_a_check():
    settings = Settings()
    first = planner.plan(FACTS, settings)
    assert planner.plan(FACTS, memory.adjusted(settings, memory.lessons([]))) == first
    learned = memory.lessons(episodes("corroborated", 2))
    second = planner.plan(FACTS, memory.adjusted(settings, learned))
    assert [one.check for one in learned] == ["corroborated"]
    assert len(second.stories) < len(first.stories)
    documents = {item.story: len(item.posts) for item in first.stories}
    more = [item.story for item in second.stories if len(item.posts) > documents[item.story]]
    fewer = [item.story for item in second.stories if len(item.posts) < documents[item.story]]
    assert more
    assert not fewer
    assert learned[0].evidence == (5, 3)


def test_a_digest_that_really_fails_a_check_changes_the_next_plan_of_the_same_subscription():
    """From the planner's own judgement to episodes to the next plan, nothing set by hand."""
    desk = Desk()
    for number, (lead, detail) in enumerate(SUBJECTS[:8], 1):
        desk.post(f"{lead}. {detail}", story=number, source="wire0", hour=number)
        desk.post("Subscribe to us, he said", story=number, source="wire1", hour=number + 1)
    facts = survey(desk.briefing())
    past: list[Episode] = []
    plans: list[Plan] = []
    for run in (1, 2, 3):
        settings = memory.adjusted(Settings(), memory.lessons(past))
        plan = planner.plan(facts, settings)
        shelf = retriever.gather(plan, facts, settings, LEXICON)
        judged = planner.judge(plan, facts, shelf)
        plans.append(plan)
        at = DAY.start + timedelta(days=run)
        payload = {"stories": len(judged.stories)}
        past.append(Episode(len(past), "run_completed", at, "digest", run, payload=payload))
        past += [
            Episode(len(past) + number, "quality_low", at, fault.check, run)
            for number, fault in enumerate(memory.faults(judged, []))
        ]
    assert plans[0] == plans[1]
    assert len(plans[2].stories) < len(plans[0].stories)
