"""What drives a trend is what its posts share and the stream before did not, spelled as people write it."""

from domains.driver import drivers, spelled
from domains.topic import units


def test_what_was_as_common_before_drives_nothing():
    own = [("n:luhva", "t:city today")] * 4
    before = [("t:city today",)] * 50 + [("n:other",)] * 50
    assert drivers(own, before) == ("n:luhva",)


def test_what_few_posts_share_drives_nothing():
    own = [("n:a", f"n:{number}") for number in range(6)]
    assert drivers(own, []) == ("n:a",)
    assert drivers([], []) == ()


def test_a_term_is_said_twice_at_least():
    assert drivers([("n:a",)], []) == ()


def test_stems_are_spelled_by_their_commonest_words_in_their_order():
    texts = ["Paper mills burn", "The paper mill burns", "A paper mill in Luhva", "#luhva"]
    pair = next(unit for unit in units(texts[1]) if unit.startswith("t:mill"))
    assert spelled([pair, "n:luhva", "#luhva", "n:nobod"], texts) == ("paper mill", "Luhva", "#luhva")
