"""How often chance does as much, in plain words of three languages."""

import math

import pytest

from domains.lifecycle import STATES
from services import phrase
from services.trendphrase import LOCALES, chance

DAYS = (0.5, 1.2, 3, 8, 16, 40, 70, 400, 800, 365.25 * 5, 365.25 * 21, 1e9, math.inf)
SAID = {
    "en": (
        "every day", "once a day", "once in 3 days", "once a week", "once in 2 weeks", "once a month", "once in 2 months",
        "once a year", "once in 2 years", "once in 5 years", "once in 21 years",
        "less than once in 1,000 years", "less than once in 1,000 years",
    ),
    "ru": (
        "каждый день", "раз в день", "раз в 3 дня", "раз в неделю", "раз в 2 недели", "раз в месяц", "раз в 2 месяца",
        "раз в год", "раз в 2 года", "раз в 5 лет", "раз в 21 год", "реже раза в 1000 лет", "реже раза в 1000 лет",
    ),
    "uk": (
        "щодня", "раз на день", "раз на 3 дні", "раз на тиждень", "раз на 2 тижні", "раз на місяць", "раз на 2 місяці",
        "раз на рік", "раз на 2 роки", "раз на 5 років", "раз на 21 рік", "рідше разу на 1000 років",
        "рідше разу на 1000 років",
    ),
}  # fmt: skip


@pytest.mark.parametrize("lang", SAID)
def test_chance_is_said_in_plain_words(lang):
    phrases, own = phrase.LOCALES[lang], LOCALES[lang]
    said = [chance(phrases, days) for days in DAYS]
    assert said == [own.by_chance.format(often=words) for words in SAID[lang]]


@pytest.mark.parametrize("lang", phrase.LOCALES)
def test_every_state_and_unit_has_its_words(lang):
    own = LOCALES[lang]
    assert set(own.states) == set(STATES)
    assert set(own.once) == {"day", "week", "month", "year"}
    forms = len(phrase.LOCALES[lang].posts)
    assert (
        {len(several) for _, several in own.once.values()} == {len(own.posts)} == {len(own.trends)} == {forms}
    )
