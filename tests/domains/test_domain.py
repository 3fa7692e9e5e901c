from dataclasses import FrozenInstanceError, replace

import pytest

from domains import limits, verify
from domains.domain import DIGEST, TREND, Prompt


def test_the_digest_is_bounded_by_the_customers_limits() -> None:
    assert (DIGEST.limits.documents, DIGEST.limits.graph_depth) == (30, 2)
    assert (DIGEST.limits.corrections, DIGEST.limits.candidates) == (1, 2)
    assert DIGEST.limits.correct_below == limits.CORRECT_BELOW_SCORE == 0.6
    assert DIGEST.checks == verify.RULES
    assert DIGEST.prompts == ()


def test_a_trend_reads_more_and_looks_deeper_by_the_same_rules() -> None:
    assert (TREND.limits.documents, TREND.limits.graph_depth) == (50, 3)
    assert (TREND.limits.corrections, TREND.limits.candidates) == (1, 2)
    assert (TREND.checks, TREND.gate) == (DIGEST.checks, DIGEST.gate)


def test_a_domain_is_a_value() -> None:
    with pytest.raises(FrozenInstanceError):
        DIGEST.name = "trend"  # type: ignore[misc]
    answer = replace(DIGEST, name="answer", prompts=(Prompt("write", "1", "Answer from the sources."),))
    assert (DIGEST.name, answer.name) == ("digest", "answer")
    assert hash(answer) != hash(DIGEST)


def test_rules_have_names_of_their_own() -> None:
    names = [rule.name for rule in DIGEST.checks]
    assert len(names) == len(set(names))
