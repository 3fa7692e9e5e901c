"""What is learned from episodes: only habits, only bounded, and forgotten when they pass."""

import json
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains import limits, memory
from domains.digest import Check, Finding, Plan, PlannedStory, Settings, Step, Verdict
from domains.memory import Episode, adjusted, distrusted, faults, fitted, lessons
from domains.verify import RULES, WEIGHTS
from tests.rows import DAY


def history(*runs: tuple[str, ...]) -> list[Episode]:
    """Episodes of runs, the oldest first; each run is named by the checks it failed."""
    made: list[Episode] = []
    for run, checks in enumerate(runs, 1):
        at = DAY + timedelta(days=run)
        made.append(Episode(len(made) + 1, "run_completed", at, "ship", run))
        for check in checks:
            made.append(Episode(len(made) + 1, "quality_low", at, check, run))
    return made


def test_nothing_is_learned_from_nothing_from_success_or_from_one_accident():
    assert lessons([]) == ()
    assert lessons(history((), (), ())) == ()
    assert lessons(history((), ("coverage",), ())) == ()


def test_a_check_that_failed_twice_brings_its_remedy_and_evidence():
    found = lessons(history((), ("coverage",), ("coverage",)))
    assert [(one.check, one.failed, one.of) for one in found] == [("coverage", 2, 3)]
    assert found[0].evidence == (5, 3)
    assert found[0].words.startswith("coverage failed in 2 of the last 3 digests: ")
    assert adjusted(Settings(), found).max_stories < Settings().max_stories


def test_a_lesson_fades_with_each_good_run_and_is_forgotten():
    weights = [
        max((one.weight for one in lessons(history(("told",), ("told",), *[()] * good))), default=0.0)
        for good in range(9)
    ]
    assert weights == sorted(weights, reverse=True)
    assert weights[0] > weights[5] > 0
    assert weights[7] == weights[8] == 0


def test_the_order_in_which_episodes_come_does_not_matter():
    episodes = history(("told",), ("told", "coverage"), (), ("coverage",))
    assert lessons(episodes) == lessons(reversed(episodes))


def test_a_failure_noted_twice_in_a_run_counts_once():
    once = history(("coverage",), ("coverage",))
    twice = history(("coverage", "coverage"), ("coverage", "coverage"))
    assert [x.weight for x in lessons(once)] == [x.weight for x in lessons(twice)]


def test_fewer_stories_means_fewer_than_there_were():
    def learned(stories):
        past = [
            replace(one, payload={"stories": stories}) if one.kind == "run_completed" else one
            for one in history(("coverage",), ("coverage",))
        ]
        return adjusted(Settings(max_stories=12), lessons(past)).max_stories

    assert learned(8) == learned("eight") - 4 == 5
    assert learned(40) == learned("eight")
    assert learned(0) == 3


def test_an_unknown_check_and_episodes_without_a_run_teach_nothing():
    strange = [replace(one, cause="unheard_of") for one in history(("told",), ("told",))]
    orphans = [replace(one, run=None) for one in history(("told",), ("told",))]
    assert lessons(strange) == lessons(orphans) == ()


def test_invented_numbers_lead_to_quotes_and_missing_coverage_does_not():
    assert distrusted(lessons(history(*[("numbers",)] * 3)))
    assert not distrusted(lessons(history(*[("coverage",)] * 8)))


def test_a_budget_that_ran_out_asks_for_fewer_documents():
    spent = [Episode(run, "budget_exceeded", DAY, "tenant", run) for run in (1, 2)]
    found = lessons(spent)
    assert [one.check for one in found] == ["budget"]
    assert adjusted(Settings(), found).max_documents < Settings().max_documents


def test_every_rule_every_plan_check_and_every_part_of_the_score_has_a_remedy():
    names = {rule.name for rule in RULES} | {name for name, _ in WEIGHTS}
    names |= {"support", "tellable", "distinct", "corroborated"}
    assert names <= set(memory.REMEDIES)


CHECKS = st.lists(st.sampled_from(sorted(memory.REMEDIES)), max_size=4).map(tuple)
SETTINGS = st.builds(
    Settings,
    max_stories=st.integers(1, 40),
    max_sentences=st.integers(1, 3),
    max_documents=st.integers(1, 30),
    min_posts=st.integers(1, 4),
)


@given(st.lists(CHECKS, max_size=12), SETTINGS)
def test_no_history_takes_more_than_the_floor_or_gives_more_than_was_asked(runs, settings):
    found = lessons(history(*runs))
    assert all(0 < one.weight < 1 for one in found)
    after = adjusted(settings, found)
    assert min(settings.max_stories, 3) <= after.max_stories <= settings.max_stories
    assert 1 <= after.max_sentences <= settings.max_sentences
    assert min(settings.max_documents, 6) <= after.max_documents <= settings.max_documents
    assert settings.min_posts <= after.min_posts <= max(3, settings.min_posts)
    assert (after == settings) or found


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(st.characters()), VALUES, max_size=8))
def test_any_payload_fits_and_is_json(payload):
    encoded = msgspec.json.encode(fitted(payload))
    assert len(encoded) <= limits.MEMORY_PAYLOAD_BYTES
    assert "\\u0000" not in encoded.decode()
    json.loads(encoded)


def test_a_payload_that_is_too_large_names_what_was_cut():
    huge = {"trace": ["x" * 400] * 12, "run": 7, **{f"name {n}" * 20: "y" * 400 for n in range(40)}}
    kept = fitted(huge)
    assert len(msgspec.json.encode(kept)) <= limits.MEMORY_PAYLOAD_BYTES
    assert kept["run"] == 7
    assert "trace" in kept["cut"]
    assert fitted({"run": 7, "score": 0.5}) == {"run": 7, "score": 0.5}


def plan(*checks: Check, replanned: str | None = None) -> Plan:
    story = PlannedStory(1, "main", (1,), 1)
    return Plan(("main",), (story,), {}, tuple(Step("compare", one) for one in checks), (), replanned)


GOOD = {"support": 1.0, "coverage": 0.8, "diversity": 1.0, "freshness": 0.9, "fitness": 0.9}


def test_a_digest_that_was_right_at_once_has_no_fault():
    passed = Check("distinct", 2, 2, passed=True)
    assert faults(plan(passed), [Verdict(0.9, GOOD, ())]) == ()


def test_faults_are_failed_steps_findings_and_what_costs_a_low_score_most():
    failed = Check("corroborated", 0.6, 0.25, passed=False)
    low = Verdict(0.4, {**GOOD, "coverage": 0.1}, (Finding("stories[0].headline", "repeat", "again"),))
    found = faults(plan(failed, replanned="tellable"), [low, Verdict(0.1, {}, ())])
    assert [one.check for one in found] == ["corroborated", "coverage", "repeat", "tellable"]
    assert (found[0].expected, found[0].found) == (0.6, 0.25)


@pytest.mark.parametrize("support", [0.2, 0.5])
def test_a_score_that_unsupported_sentences_brought_down_is_laid_to_them(support):
    found = faults(plan(), [Verdict(support * 0.8, {**GOOD, "support": support}, ())])
    assert [one.check for one in found] == ["support"]
