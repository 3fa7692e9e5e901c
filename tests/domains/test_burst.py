from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from domains.burst import Expected, Prior, Quiet, discoveries, expected, in_words, scanned, settled, tail

DAY = timedelta(days=1)
P = st.floats(1e-12, 1.0)
KINDS = st.sampled_from(["story", "term", "name"])


@given(st.integers(0, 200), st.floats(1e-4, 50), st.floats(0.1, 30))
def test_the_tail_is_that_of_a_negative_binomial(count, mean, size):
    exact = stats.nbinom.sf(count - 1, size, size / (size + mean))
    assert tail(count, Expected(mean, size)) == pytest.approx(exact, rel=1e-6, abs=1e-300)


@given(st.integers(0, 60), st.floats(1e-3, 20), st.floats(0.1, 20))
def test_more_mentions_are_never_less_unusual(count, mean, size):
    assert tail(count + 1, Expected(mean, size)) <= tail(count, Expected(mean, size))


def test_nothing_is_certain_and_something_from_nothing_impossible():
    assert tail(0, Expected(3.0, 1.0)) == 1.0
    assert tail(1, Expected(0.0, 1.0)) == 0.0


@given(st.floats(1e-5, 0.01), st.floats(0.1, 5), st.floats(0, 1000), st.floats(1, 1e5), st.floats(0.1, 500))
def test_a_busier_stream_expects_more_and_a_longer_silence_less(rate, size, past, before, exposure):
    prior = Prior(rate, size)
    law = expected(prior, past, before, exposure)
    assert expected(prior, past, before, 2 * exposure).mean == pytest.approx(2 * law.mean)
    assert expected(prior, past, 2 * before, exposure).mean <= law.mean
    assert law.size <= prior.noise


def test_without_history_the_prior_speaks():
    assert expected(Prior(0.01, 2.0), 0, 0, 300) == Expected(pytest.approx(3.0), 2.0)


def test_a_unit_as_old_as_the_stream_is_judged_by_its_own_past():
    assert settled(Prior(1e-4, 0.3), 400, 500, 100).mean == pytest.approx(80)
    assert settled(Prior(1e-4, 0.3), 0, 500, 100) == expected(Prior(1e-4, 0.3), 0, 500, 100)
    assert settled(Prior(1e-4, 0.3), 0, 0, 100).mean == pytest.approx(0.01)


@given(st.lists(st.tuples(P, KINDS), max_size=40), st.floats(0.01, 0.5))
def test_discoveries_are_the_smallest_and_grow_with_the_rate(tests, rate):
    p_values, kinds = [p for p, _ in tests], [kind for _, kind in tests]
    tested = {kind: kinds.count(kind) + 5 for kind in ("story", "term", "name")}
    found = discoveries(p_values, kinds, tested, rate)
    more = discoveries(p_values, kinds, tested, min(1.0, 2 * rate))
    assert np.all(more[found])
    for kind in set(kinds):
        own = [(p, hit) for p, of, hit in zip(p_values, kinds, found, strict=True) if of == kind]
        worst = max((p for p, hit in own if hit), default=0.0)
        assert all(hit for p, hit in own if p < worst)


def test_one_kind_is_plain_benjamini_hochberg():
    p_values = [0.001, 0.011, 0.02, 0.041, 0.9]
    found = discoveries(p_values, ["term"] * 5, {"term": 5}, 0.05)
    assert found.tolist() == [True, True, True, False, False]
    assert (stats.false_discovery_control(p_values) <= 0.05).tolist() == found.tolist()


def test_tests_without_a_p_value_make_it_harder():
    assert discoveries([0.01], ["story"], {"story": 1}, 0.1).all()
    assert not discoveries([0.01], ["story"], {"story": 100}, 0.1).any()


def test_a_million_terms_do_not_silence_a_story():
    tested = {"story": 100, "term": 1_000_000}
    assert discoveries([1e-4], ["story"], tested, 0.1).all()
    assert not discoveries([1e-4], ["term"], tested, 0.1).any()


def test_more_p_values_than_tests_are_refused():
    with pytest.raises(ValueError, match="more p-values"):
        discoveries([0.1, 0.2], ["story", "story"], {"story": 1}, 0.1)


def test_on_pure_noise_false_discoveries_keep_below_the_rate():
    rng = np.random.default_rng(3)
    hits = [
        discoveries(list(rng.uniform(size=80)), ["story"] * 80, {"story": 80}, 0.1).any() for _ in range(1500)
    ]
    assert np.mean(hits) < 0.125


def test_scanning_pays_for_each_place_and_scale():
    assert scanned(1e-4, timedelta(hours=1), DAY, 4) == pytest.approx(96e-4)
    assert scanned(0.5, DAY, DAY, 4) == 1.0


def test_the_prior_is_learned_from_quiet_units():
    rng = np.random.default_rng(5)
    quiet = Quiet(Prior(1e-5, 0.5))
    for _ in range(6000):
        exposure = float(rng.integers(300, 1500))
        quiet.learn(float(rng.poisson(rng.gamma(0.5, 1e-4 / 0.5) * exposure)), exposure)
    learned = quiet.prior()
    assert learned.rate == pytest.approx(1e-4, rel=0.15)
    again = Quiet(Prior(1e-5, 0.5))
    again.restore(quiet.state())
    assert again.prior() == learned


def test_aftermath_of_a_few_does_not_make_chance_likelier():
    calm, stirred = Quiet(Prior(1e-4, 0.5)), Quiet(Prior(1e-4, 0.5))
    for number in range(1000):
        calm.learn(float(number % 20 == 0), 1000)
        stirred.learn(40.0 * (number % 20 == 0), 1000)
    assert stirred.prior() == calm.prior()


def test_nothing_learned_is_the_default():
    default = Prior(1e-4, 0.5)
    quiet = Quiet(default)
    quiet.learn(3, 0)
    assert quiet.prior() is default


@pytest.mark.parametrize(
    ("p", "words"),
    [
        (1e-6, "once in 9 years"),
        (1e-5, "once in 11 months"),
        (1 / 30000, "once in 3 months"),
        (1 / 2500, "once a week"),
        (1 / 900, "once in 3 days"),
        (1 / 250, "every day"),
        (0.0, "less than once in 1,000 years"),
    ],
)
def test_in_words(p, words):
    assert in_words(p, 300) == words
