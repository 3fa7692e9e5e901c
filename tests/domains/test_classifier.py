import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.classifier import classifier, train
from domains.intent import ROUTES, Example, bundled


def test_the_classifier_depends_on_nothing_but_its_examples():
    examples = [one for one in bundled() if one.split == "train"]
    again = train(reversed(examples))
    for one in bundled()[::25]:
        assert again.guess(one.query) == classifier().guess(one.query)


def test_the_classifier_is_trained_on_no_held_out_query():
    everything = train(bundled())
    held = [one for one in bundled() if one.split == "held_out"]

    def right(model):
        return sum(model.guess(one.query).route == one.route for one in held) / len(held)

    assert right(everything) > 0.97
    assert 0.5 < right(classifier()) < 0.9


@given(st.text(max_size=80))
def test_any_text_gets_a_route_and_a_probability(text):
    guess = classifier().guess(text)
    assert guess.route in ROUTES
    assert 1 / len(ROUTES) - 1e-6 <= guess.confidence <= 1


def test_a_classifier_needs_two_routes():
    with pytest.raises(ValueError, match="at least two routes"):
        train([Example("hi", "en", "small_talk", "train")])
