"""Every word of the interface, in English, Russian and Ukrainian: one literal table a language, plural rules, dates.

A text that counts is a tuple of plural forms, picked by the rules of CLDR for whole numbers: English has (one, many),
Russian and Ukrainian (one, few, many). "{n}" is the number.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from domains.digest import Reason, Rung

Forms = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Phrases:
    """The interface in one language."""

    lang: str
    brand: str
    sections: Mapping[str, str]
    reasons: Mapping[Reason, str]
    rungs: Mapping[Rung, str]
    mixed: str
    months: Forms
    months_short: Forms
    weekdays: Forms
    languages: Mapping[str, str]
    decimal: str
    thousands: str
    stories: Forms
    posts: Forms
    sources: Forms
    publishers: Forms
    repeats: Forms
    sources_from: str
    stories_from: str
    since: str
    continuing: str
    late: str
    late_post: str
    contents: str
    notes: str
    window: str
    quiet: str
    nobody: str
    left_out: str
    left_none: str
    accounted: str
    why: str
    told_in: str
    repeats_post: str
    post: str
    story: str
    written: str
    method: str
    score: str
    run: str
    traceable: str


ENGLISH: Final = Phrases(
    lang="en",
    brand="Svodka",
    sections={
        "main": "Top stories",
        "developing": "Developing",
        "chats": "In the chats",
        "offers": "Offers",
        "brief": "In brief",
    },
    reasons={
        "duplicate": "Repeats of other posts",
        "cooled_down": "Told in an earlier digest, nothing new",
        "below_floor": "Not weighty enough",
        "budget": "No room left",
        "boilerplate": "Advertisements, signatures, bare links",
        "out_of_persona": "Outside what you follow",
        "covered": "Their story is here, told from other posts",
    },
    rungs={
        "model": "written by a model, each sentence verified",
        "cheaper_model": "written by the reserve model, each sentence verified",
        "extractive": "put together from quotations, without a model",
    },
    mixed="partly written by a model, each sentence verified, the rest quotations",
    months=(
        "January", "February", "March", "April", "May", "June",
        "July", "August", "September", "October", "November", "December",
    ),
    months_short=("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    weekdays=("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    languages={
        "en": "English", "ru": "Russian", "uk": "Ukrainian", "be": "Belarusian", "bg": "Bulgarian",
        "de": "German", "es": "Spanish", "fr": "French", "pl": "Polish",
    },
    decimal=".",
    thousands=",",
    stories=("{n} story", "{n} stories"),
    posts=("{n} post", "{n} posts"),
    sources=("{n} source", "{n} sources"),
    publishers=("{n} publisher", "{n} publishers"),
    repeats=("{n} more repeat", "{n} more repeats"),
    sources_from="{sources} from {publishers}",
    stories_from="{stories} from {posts}",
    since="since {at}",
    continuing="continued",
    late="arrived late",
    late_post="late",
    contents="Contents",
    notes="Sources",
    window="{start} – {end}, {zone}",
    quiet="Quiet: nothing happened in this window that is worth telling.",
    nobody="No posts arrived in this window.",
    left_out="What was left out and why",
    left_none="Nothing was left out: every post of this window is quoted above.",
    accounted="Every post of this window is either quoted above or counted here.",
    why="To ask about one post: svodka why SOURCE/ID",
    told_in="told in “{story}”",
    repeats_post="repeats {post}",
    post="post no. {n}",
    story="story no. {n}",
    written="This digest was {rung}",
    method="Method: {method}",
    score="Verification score: {score} of 1",
    run="Run {run}",
    traceable="Each mark leads to the post that says so.",
)  # fmt: skip

RUSSIAN: Final = Phrases(
    lang="ru",
    brand="Сводка",
    sections={
        "main": "Главное",
        "developing": "Развитие событий",
        "chats": "В чатах",
        "offers": "Предложения",
        "brief": "Коротко",
    },
    reasons={
        "duplicate": "Повторы других постов",
        "cooled_down": "Уже рассказано, нового нет",
        "below_floor": "Недостаточно весомы",
        "budget": "Не хватило места",
        "boilerplate": "Реклама, подписи, голые ссылки",
        "out_of_persona": "Вне того, за чем вы следите",
        "covered": "Их история здесь, рассказана по другим постам",
    },
    rungs={
        "model": "написана моделью, каждое предложение проверено",
        "cheaper_model": "написана запасной моделью, каждое предложение проверено",
        "extractive": "составлена из цитат, без модели",
    },
    mixed="частью написана моделью, каждое предложение проверено, остальное — цитаты",
    months=(
        "января", "февраля", "марта", "апреля", "мая", "июня",
        "июля", "августа", "сентября", "октября", "ноября", "декабря",
    ),
    months_short=(
        "янв.", "февр.", "мар.", "апр.", "мая", "июн.", "июл.", "авг.", "сент.", "окт.", "нояб.", "дек.",
    ),
    weekdays=("понедельник", "вторник", "среда", "четверг", "пятница", "суббота", "воскресенье"),
    languages={
        "en": "английский", "ru": "русский", "uk": "украинский", "be": "белорусский", "bg": "болгарский",
        "de": "немецкий", "es": "испанский", "fr": "французский", "pl": "польский",
    },
    decimal=",",
    thousands="\u00a0",
    stories=("{n} история", "{n} истории", "{n} историй"),
    posts=("{n} пост", "{n} поста", "{n} постов"),
    sources=("{n} источник", "{n} источника", "{n} источников"),
    publishers=("{n} издателя", "{n} издателей", "{n} издателей"),
    repeats=("ещё {n} повтор", "ещё {n} повтора", "ещё {n} повторов"),
    sources_from="{sources} от {publishers}",
    stories_from="{stories}, {posts}",
    since="с {at}",
    continuing="продолжение",
    late="пришло с опозданием",
    late_post="с опозданием",
    contents="Содержание",
    notes="Источники",
    window="{start} – {end}, {zone}",
    quiet="Тихо: в этом окне не случилось ничего, о чём стоило бы рассказать.",
    nobody="В этом окне не пришло ни одного поста.",
    left_out="Что не вошло и почему",
    left_none="Ничего не пропущено: каждый пост этого окна процитирован выше.",
    accounted="Каждый пост этого окна либо процитирован выше, либо учтён здесь.",
    why="Узнать о судьбе поста: svodka why SOURCE/ID",
    told_in="рассказано в «{story}»",
    repeats_post="повторяет {post}",
    post="пост № {n}",
    story="история № {n}",
    written="Эта сводка {rung}",
    method="Метод: {method}",
    score="Оценка проверки: {score} из 1",
    run="Выпуск {run}",
    traceable="Каждая сноска ведёт к посту, в котором это сказано.",
)  # fmt: skip

UKRAINIAN: Final = Phrases(
    lang="uk",
    brand="Зведення",
    sections={
        "main": "Головне",
        "developing": "Розвиток подій",
        "chats": "У чатах",
        "offers": "Пропозиції",
        "brief": "Коротко",
    },
    reasons={
        "duplicate": "Повтори інших дописів",
        "cooled_down": "Уже розказано, нового немає",
        "below_floor": "Недостатньо вагомі",
        "budget": "Забракло місця",
        "boilerplate": "Реклама, підписи, голі посилання",
        "out_of_persona": "Поза тим, за чим ви стежите",
        "covered": "Їхня історія тут, розказана за іншими дописами",
    },
    rungs={
        "model": "написане моделлю, кожне речення перевірено",
        "cheaper_model": "написане запасною моделлю, кожне речення перевірено",
        "extractive": "складене з цитат, без моделі",
    },
    mixed="частково написане моделлю, кожне речення перевірено, решта — цитати",
    months=(
        "січня", "лютого", "березня", "квітня", "травня", "червня",
        "липня", "серпня", "вересня", "жовтня", "листопада", "грудня",
    ),
    months_short=(
        "січ.", "лют.", "бер.", "квіт.", "трав.", "черв.", "лип.", "серп.", "вер.", "жовт.", "лист.", "груд.",
    ),
    weekdays=("понеділок", "вівторок", "середа", "четвер", "п’ятниця", "субота", "неділя"),
    languages={
        "en": "англійська", "ru": "російська", "uk": "українська", "be": "білоруська", "bg": "болгарська",
        "de": "німецька", "es": "іспанська", "fr": "французька", "pl": "польська",
    },
    decimal=",",
    thousands="\u00a0",
    stories=("{n} історія", "{n} історії", "{n} історій"),
    posts=("{n} допис", "{n} дописи", "{n} дописів"),
    sources=("{n} джерело", "{n} джерела", "{n} джерел"),
    publishers=("{n} видавця", "{n} видавців", "{n} видавців"),
    repeats=("ще {n} повтор", "ще {n} повтори", "ще {n} повторів"),
    sources_from="{sources} від {publishers}",
    stories_from="{stories}, {posts}",
    since="з {at}",
    continuing="продовження",
    late="надійшло із запізненням",
    late_post="із запізненням",
    contents="Зміст",
    notes="Джерела",
    window="{start} – {end}, {zone}",
    quiet="Тихо: у цьому вікні не сталося нічого, про що варто було б розповісти.",
    nobody="У цьому вікні не надійшло жодного допису.",
    left_out="Що не ввійшло і чому",
    left_none="Нічого не пропущено: кожен допис цього вікна процитовано вище.",
    accounted="Кожен допис цього вікна або процитовано вище, або враховано тут.",
    why="Дізнатися про долю допису: svodka why SOURCE/ID",
    told_in="розказано в «{story}»",
    repeats_post="повторює {post}",
    post="допис № {n}",
    story="історія № {n}",
    written="Це зведення {rung}",
    method="Метод: {method}",
    score="Оцінка перевірки: {score} з 1",
    run="Випуск {run}",
    traceable="Кожна виноска веде до допису, у якому це сказано.",
)  # fmt: skip

LOCALES: Final[Mapping[str, Phrases]] = {each.lang: each for each in (ENGLISH, RUSSIAN, UKRAINIAN)}


def plural(phrases: Phrases, forms: Forms, n: int) -> str:
    """Return the form of ``forms`` that goes with ``n``, with the number in it."""
    return forms[_form(phrases.lang, abs(n))].format(n=number(phrases, n))


def number(phrases: Phrases, n: int) -> str:
    """Return ``n`` in digits, grouped from five digits on as all three languages do."""
    return f"{n:,}".replace(",", phrases.thousands) if abs(n) >= 10_000 else str(n)


def ratio(phrases: Phrases, value: float) -> str:
    """Return ``value`` with two decimals."""
    return f"{value:.2f}".replace(".", phrases.decimal)


def moment(phrases: Phrases, at: datetime, *, year: int, today: date | None = None) -> str:
    """Return a local time such as "2 Nov, 06:12", or "06:12" on the day ``today``; a year other than ``year`` is named."""
    if at.date() == today:
        return f"{at:%H:%M}"
    named = f" {at.year}" if at.year != year else ""
    return f"{at.day} {phrases.months_short[at.month - 1]}{named}, {at:%H:%M}"


def span(phrases: Phrases, start: datetime, end: datetime) -> str:
    """Return the days that the half-open [start, end) covers, both local, as a title: "Monday, 2 November 2026"."""
    first, last = start.date(), (end - timedelta(microseconds=1)).date()
    months = phrases.months
    ending = f"{last.day} {months[last.month - 1]} {last.year}"
    if first == last:
        whole = (start.hour, start.minute, end.hour, end.minute) == (0, 0, 0, 0)
        hours = "" if whole else f", {start:%H:%M}–{end:%H:%M}"
        weekday = phrases.weekdays[last.weekday()]
        return f"{weekday[:1].upper()}{weekday[1:]}, {ending}{hours}"
    if first.year != last.year:
        return f"{first.day} {months[first.month - 1]} {first.year} – {ending}"
    if first.month != last.month:
        return f"{first.day} {months[first.month - 1]} – {ending}"
    return f"{first.day}–{ending}"


def zone(name: str, start: datetime, end: datetime) -> str:
    """Return a zone with its offset, or with both when the clocks change in between: "Europe/Kyiv (UTC+3 → UTC+2)"."""
    offsets = list(dict.fromkeys((_offset(start), _offset(end))))
    return name if offsets == [name] else f"{name} ({' → '.join(offsets)})"


def _offset(at: datetime) -> str:
    minutes = int((at.utcoffset() or timedelta()).total_seconds()) // 60
    hours, rest = divmod(abs(minutes), 60)
    sign = "−" if minutes < 0 else "+"
    return "UTC" if minutes == 0 else f"UTC{sign}{hours}" + (f":{rest:02}" if rest else "")


def _form(lang: str, n: int) -> int:
    if lang == "en":
        return int(n != 1)
    if n % 10 == 1 and n % 100 != 11:
        return 0
    return 1 if 2 <= n % 10 <= 4 and not 12 <= n % 100 <= 14 else 2
