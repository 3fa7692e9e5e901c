"""Faults put into drafts, as benchmarks/faults.py measures them on 200 digests, here on 40: one row of the table a test."""

import sys
from importlib import util
from pathlib import Path

import pytest

from services.language import OfflineLanguage

DIGESTS = 40
PATH = Path(__file__).parents[2] / "benchmarks" / "faults.py"
SPEC = util.spec_from_file_location("benchmark_of_faults", PATH)
faults = util.module_from_spec(SPEC)
sys.modules[SPEC.name] = faults
SPEC.loader.exec_module(faults)


@pytest.fixture(scope="module")
def language():
    return OfflineLanguage()


@pytest.fixture(scope="module")
def settings(language):
    found = faults.settings_of((faults.invented(seed, language) for seed in range(400)), language, DIGESTS)
    assert len(found) == DIGESTS
    return found


@pytest.fixture(scope="module")
def table(settings):
    return faults.measure(settings)


@pytest.mark.parametrize("rung", faults.RUNGS)
@pytest.mark.parametrize("fault", faults.NAMES)
def test_the_fault_is_caught_and_never_shipped(fault, rung, table):
    caught, shipped, injected = table[rung, fault]
    assert injected == DIGESTS
    assert caught == injected
    assert shipped == 0


def test_drafts_without_a_fault_are_not_accused(settings):
    for setting in settings:
        for rung in faults.RUNGS:
            draft = faults.replace(setting.draft, rung=rung)
            assert faults.verify.verify(draft, setting.held).findings == ()


@pytest.mark.data
@pytest.mark.skipif(not faults.TELEGRAM.exists(), reason="needs ../shared/data/tgnews_ru.jsonl")
def test_every_fault_in_real_posts_is_caught(language):
    settings = faults.settings_of(faults.real(language), language, 15)
    for (rung, fault), (caught, shipped, injected) in faults.measure(settings).items():
        assert injected >= 14
        assert caught == injected, (rung, fault)
        assert shipped == 0
