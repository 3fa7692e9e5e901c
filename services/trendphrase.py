"""What the interface says of trends, in English, Russian and Ukrainian; plural forms as in `services.phrase`."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from domains.lifecycle import State
from services import phrase
from services.phrase import Forms, Phrases

# Days of a unit of time, the longest first, and its name.
_UNITS: Final = ((365.25, "year"), (30.4, "month"), (7.0, "week"), (1.0, "day"))
NEVER_YEARS: Final = 1_000


@dataclass(frozen=True, slots=True)
class TrendPhrases:
    """The words of one language. ``once`` has for each unit of time what is said of one, and the forms of several."""

    title: str
    nothing: str
    trends: Forms
    states: Mapping[State, str]
    by_chance: str
    every_day: str
    never: str
    once: Mapping[str, tuple[str, Forms]]
    steps: Mapping[int, str]
    course: str
    next: str
    posts: Forms
    together: str
    publishers: str
    first: str
    related: str
    quoted: str


ENGLISH: Final = TrendPhrases(
    title="Trends",
    nothing="Quiet: nothing rose in this window.",
    trends=("{n} trend", "{n} trends"),
    states={
        "emerging": "emerging", "rising": "rising", "peaking": "at its peak", "fading": "fading", "over": "over",
    },
    by_chance="by chance {often}",
    every_day="every day",
    never="less than once in 1,000 years",
    once={
        "day": ("once a day", ("once in {n} day", "once in {n} days")),
        "week": ("once a week", ("once in {n} week", "once in {n} weeks")),
        "month": ("once a month", ("once in {n} month", "once in {n} months")),
        "year": ("once a year", ("once in {n} year", "once in {n} years")),
    },
    steps={900: "15 min", 3600: "1 h", 10_800: "3 h", 21_600: "6 h", 86_400: "1 day"},
    course="{spark} up to {most} in {step}",
    next="next 6 h: {low}–{posts}",
    posts=("{n} post", "{n} posts"),
    together="rose together: {names}",
    publishers="told by {names}",
    first="first: {source}, {at}",
    related="near it: {names}",
    quoted="“{text}”",
)  # fmt: skip

RUSSIAN: Final = TrendPhrases(
    title="Тренды",
    nothing="Тихо: в этом окне ничего не росло.",
    trends=("{n} тренд", "{n} тренда", "{n} трендов"),
    states={
        "emerging": "зарождается", "rising": "растёт", "peaking": "на пике", "fading": "угасает", "over": "закончился",
    },
    by_chance="случайно — {often}",
    every_day="каждый день",
    never="реже раза в 1000 лет",
    once={
        "day": ("раз в день", ("раз в {n} день", "раз в {n} дня", "раз в {n} дней")),
        "week": ("раз в неделю", ("раз в {n} неделю", "раз в {n} недели", "раз в {n} недель")),
        "month": ("раз в месяц", ("раз в {n} месяц", "раз в {n} месяца", "раз в {n} месяцев")),
        "year": ("раз в год", ("раз в {n} год", "раз в {n} года", "раз в {n} лет")),
    },
    steps={900: "15 мин", 3600: "1 ч", 10_800: "3 ч", 21_600: "6 ч", 86_400: "сутки"},
    course="{spark} до {most} за {step}",
    next="ближайшие 6 ч: {low}–{posts}",
    posts=("{n} пост", "{n} поста", "{n} постов"),
    together="выросли вместе: {names}",
    publishers="рассказывают {names}",
    first="первый пост: {source}, {at}",
    related="рядом: {names}",
    quoted="«{text}»",
)  # fmt: skip

UKRAINIAN: Final = TrendPhrases(
    title="Тренди",
    nothing="Тихо: у цьому вікні ніщо не зростало.",
    trends=("{n} тренд", "{n} тренди", "{n} трендів"),
    states={
        "emerging": "зароджується", "rising": "зростає", "peaking": "на піку", "fading": "згасає", "over": "завершився",
    },
    by_chance="випадково — {often}",
    every_day="щодня",
    never="рідше разу на 1000 років",
    once={
        "day": ("раз на день", ("раз на {n} день", "раз на {n} дні", "раз на {n} днів")),
        "week": ("раз на тиждень", ("раз на {n} тиждень", "раз на {n} тижні", "раз на {n} тижнів")),
        "month": ("раз на місяць", ("раз на {n} місяць", "раз на {n} місяці", "раз на {n} місяців")),
        "year": ("раз на рік", ("раз на {n} рік", "раз на {n} роки", "раз на {n} років")),
    },
    steps={900: "15 хв", 3600: "1 год", 10_800: "3 год", 21_600: "6 год", 86_400: "добу"},
    course="{spark} до {most} за {step}",
    next="наступні 6 год: {low}–{posts}",
    posts=("{n} допис", "{n} дописи", "{n} дописів"),
    together="зросли разом: {names}",
    publishers="розповідають {names}",
    first="перший допис: {source}, {at}",
    related="поруч: {names}",
    quoted="«{text}»",
)  # fmt: skip

LOCALES: Final[Mapping[str, TrendPhrases]] = MappingProxyType({"en": ENGLISH, "ru": RUSSIAN, "uk": UKRAINIAN})


def chance(phrases: Phrases, days: float) -> str:
    """Return in plain words that chance does as much once in so many days: "by chance once in 3 years"."""
    own = LOCALES[phrases.lang]
    return own.by_chance.format(often=_often(phrases, own, days))


def _often(phrases: Phrases, own: TrendPhrases, days: float) -> str:
    if days < 1:
        return own.every_day
    if days > NEVER_YEARS * _UNITS[0][0]:
        return own.never
    size, name = next((size, name) for size, name in _UNITS if days >= size)
    alone, several = own.once[name]
    number = round(days / size)
    return alone if number == 1 else phrase.plural(phrases, several, number)
