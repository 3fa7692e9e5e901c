"""The words a sentence is about: `Lexicon` turns text into content lemmas; `repeats` says when two say the same.

A lexicon remembers lemmas for as long as one run lasts; it holds nothing else and is never shared by processes.
"""

from typing import Final

from domains.ports import Language
from domains.text import numbers, words

# Words that carry no news, in the three languages first served. Lower case; lemmas and frequent forms.
_EN: Final = (
    "a about after all also an and any are as at be been before being between but by can could did do does during "
    "each for from get had has have he her here him his how i if in into is it its itself just let may me might "
    "more most my new no nor not now of off on one only onto or other our out over own per said same say says she "
    "should since so some such than that the their them then there these they this those through to too under "
    "until up upon us very was we were what when where which while who whom why will with within would you your "
)
_RU: Final = (
    "а без более больше будет будут бы был была были было быть в вам вас ваш весь во вот все всего всех вы где да "
    "даже для до его ее её если есть еще ещё же за здесь и из или им иметь их к как какой ко когда которая которого "
    "которое который которые кто ли либо мне много мог могут мой мочь мы на над надо наш не него нее ней несколько "
    "нет ни них но ну о об один однако он она они оно от очень по под после потому почти при про раз с сам свой "
    "себя сейчас со стать так также такой там те тем то того тоже той только том тот ты тут у уж уже хотя чего чем "
    "через что чтобы чуть эта эти это этого этой этом этот эту я сообщать сообщить заявить рассказать сказать "
)
_UK: Final = (
    "або адже але без би був буде будуть була були було бути в вам вас ваш вже ви від він вона вони воно все всі "
    "всіх де для до є ж за завдяки зі з із і й її їм їх інший й його коли котрий крім лише ми мій могти можна на "
    "навіть над нам нас наш не неї ні ніж об один однак про при під після по поки та так також такий там те ти "
    "тільки то тобто того той тому тут у уже хоча хто це цей ця ці цього цьому цю час чи через що щоб щодо як яка "
    "яке який які якщо я повідомити повідомляти заявити розповісти сказати"
)
STOPWORDS: Final = frozenset(f"{_EN} {_RU} {_UK}".split())

# A sentence that adds less than this share of its terms to an earlier one says nothing new ...
NEW_SHARE: Final = 0.25
# ... and neither does one that shares this much of the union of both.
SAME_JACCARD: Final = 0.6


class Lexicon:
    """Content terms of text, by way of a `Language`'s lemmas, remembered."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self._lemmas: dict[tuple[str, str], str] = {}
        self._terms: dict[tuple[str, str], tuple[str, ...]] = {}

    def lemma(self, word: str, lang: str) -> str:
        """Return the dictionary form of ``word``, lower case."""
        key = (word.casefold(), lang)
        if key not in self._lemmas:
            self._lemmas[key] = self._language.lemma(key[0], lang).casefold()
        return self._lemmas[key]

    def terms(self, text: str, lang: str) -> tuple[str, ...]:
        """Return the content lemmas of ``text`` in reading order, repeats included."""
        key = (text, lang)
        if key not in self._terms:
            lemmas = (
                (word.casefold(), self.lemma(word, lang))
                for word in words(text)
                if len(word) > 1 or word.isdigit()
            )
            self._terms[key] = tuple(
                lemma for word, lemma in lemmas if word not in STOPWORDS and lemma not in STOPWORDS
            )
        return self._terms[key]

    def gist(self, text: str, lang: str) -> frozenset[str]:
        """Return the set of content lemmas of ``text``."""
        return frozenset(self.terms(text, lang))


def stems(text: str) -> frozenset[str]:
    """Return the content words of ``text`` cut to five letters: a lemma's cheap stand-in for whole windows."""
    return frozenset(word.casefold()[:5] for word in words(text) if word.casefold() not in STOPWORDS)


def repeats(new: frozenset[str], old: frozenset[str]) -> bool:
    """Return whether a sentence with the terms ``new`` says no more than one with the terms ``old``.

    It is a directed question: a sentence that contains a headline and adds to it does not repeat it.
    """
    if not new or not old:
        return not new
    shared = len(new & old)
    added = 1.0 - shared / len(new)
    return added < NEW_SHARE or shared / len(new | old) >= SAME_JACCARD


class Told:
    """What earlier digests already said of a story, ready to be asked many times."""

    def __init__(self, sentences: tuple[str, ...]) -> None:
        self._numbers = frozenset[str]().union(*(numbers(text) for text in sentences))
        self._stems = tuple(stems(text) for text in sentences)
        self._together = frozenset[str]().union(*self._stems)

    def __bool__(self) -> bool:
        return bool(self._stems)

    def novelty(self, sentence: str) -> float:
        """Return the share of a sentence's content that was not told, in [0, 1]; 1 when nothing was told."""
        new = stems(sentence) | numbers(sentence)
        return len(new - self._together - self._numbers) / max(len(new), 1)

    def is_news(self, sentence: str) -> bool:
        """Return whether ``sentence`` says something that was not told.

        A number that was not told is news even in familiar words ("7 injured" after "5 injured").
        """
        if numbers(sentence) - self._numbers:
            return True
        new = stems(sentence)
        unfamiliar = len(new - self._together) / max(len(new), 1)
        return unfamiliar >= NEW_SHARE and not any(repeats(new, old) for old in self._stems)
