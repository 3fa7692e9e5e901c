from hypothesis import given, settings
from hypothesis import strategies as st

from domains.terms import Lexicon, Told, repeats, stems


class Endings:
    """A language whose only grammar is a plural s; it counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def detect(self, text: str) -> str:
        return "en"

    def lemma(self, word: str, lang: str) -> str:
        self.asked.append(word)
        return word.removesuffix("s")

    def sentences(self, text: str, lang: str) -> tuple[tuple[int, int], ...]:
        return ((0, len(text)),)


def test_terms_are_content_lemmas_in_reading_order() -> None:
    lexicon = Lexicon(Endings())
    assert lexicon.terms("The Bridges of the rivers, and 7 bridges", "en") == (
        "bridge",
        "river",
        "7",
        "bridge",
    )
    assert lexicon.gist("The Bridges of the rivers, and 7 bridges", "en") == {"bridge", "river", "7"}


def test_a_word_is_looked_up_once() -> None:
    language = Endings()
    lexicon = Lexicon(language)
    for _ in range(3):
        lexicon.terms("rivers and more rivers", "en")
    assert language.asked.count("rivers") == 1


def test_repeats_is_directed() -> None:
    headline = frozenset({"flood", "bridge"})
    fuller = frozenset({"flood", "bridge", "diver", "excavator", "depth"})
    assert repeats(headline, fuller)
    assert not repeats(fuller, headline)
    assert repeats(frozenset(), headline)
    assert not repeats(headline, frozenset())


def test_stems_are_a_cheap_lemma() -> None:
    assert stems("Мосты и мостов") == {"мосты", "мосто"}
    assert stems("расширили расширение") == {"расши"}


def test_news_is_what_was_not_told() -> None:
    told = Told(("Flood cut the Zavodska bridge, 5 injured.", "Engineers closed both lanes."))
    assert not told.is_news("Flood cut the Zavodska bridge.")
    assert told.is_news("Flood cut the Zavodska bridge, 7 injured.")
    assert told.is_news("Divers recovered a drowned excavator.")
    assert not told.is_news("Engineers closed bridge lanes.")
    assert (
        0
        < told.novelty("Engineers closed the harbour.")
        < told.novelty("Divers recovered an excavator.")
        == 1
    )


def test_nothing_told_makes_everything_news() -> None:
    nothing = Told(())
    assert not nothing
    assert nothing.is_news("Flood cut the bridge.")
    assert nothing.novelty("Flood cut the bridge.") == 1.0


@settings(deadline=None)
@given(st.lists(st.text(max_size=40), min_size=1, max_size=4))
def test_what_was_told_is_no_news(sentences: list[str]) -> None:
    told = Told(tuple(sentences))
    assert not any(told.is_news(sentence) for sentence in sentences)
    assert all(told.novelty(sentence) == 0.0 for sentence in sentences)
