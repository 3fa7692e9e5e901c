"""Schedules in words, read into cron: "weekdays 8:30, weekends 10:00", «по будням в 8:30», «щодня о 7:00».

words ─▶ tokens (what each word stands for) ─▶ clauses (days, times or a step) ─▶ cron expressions with "; " between them

English, Russian and Ukrainian, also mixed. A word that stands for nothing is an error that names it: a schedule that is
guessed wrong is worse than one that is asked for again.
"""

import difflib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NoReturn

from domains.errors import UsageError

EXAMPLES: Final = (
    "weekdays 8:30", "daily 7:00 and 19:00", "every monday 9am", "mon-fri 8:30, weekends 10:00", "every 3 hours",
    "weekdays every 2 hours from 9 to 18", "monthly on the 1st at 9:00", "по будням в 8:30", "щодня о 7:00",
)  # fmt: skip
SUN, MON, TUE, WED, THU, FRI, SAT = range(7)
WEEK: Final = frozenset(range(7))
WORKDAYS: Final = frozenset(range(MON, SAT))
WEEKEND: Final = frozenset({SAT, SUN})
LONGEST: Final = 200


@dataclass(frozen=True, slots=True)
class Token:
    """A word as it was written, what kind of thing it stands for, and which."""

    word: str
    kind: str
    days: frozenset[int] = frozenset()
    unit: str = ""
    hour: int = 0
    minute: int = 0


_DAYS: Final = (
    (SUN, "sunday sundays sun воскресенье воскресенья воскресеньям вс нд неділя неділі неділю неділях неділям щонеділі"),
    (MON, "monday mondays mon понедельник понедельникам понедельника пн понеділок понеділка понеділкам понеділках"),
    (MON, "щопонеділка"),
    (TUE, "tuesday tuesdays tue tues вторник вторникам вторника вт вівторок вівторка вівторкам вівторках щовівторка"),
    (WED, "wednesday wednesdays wed среда среду средам среды ср середа середу середи середам середах щосереди"),
    (THU, "thursday thursdays thu thur thurs четверг четвергам четверга чт четвер четверга четвергам четвергах"),
    (THU, "щочетверга"),
    (FRI, "friday fridays fri пятница пятницу пятницам пятницы пт п'ятниця п'ятницю п'ятниці п'ятницях п'ятницям"),
    (FRI, "щоп'ятниці"),
    (SAT, "saturday saturdays sat суббота субботу субботам субботы сб субота суботу суботи суботам суботах щосуботи"),
)  # fmt: skip
_WORDS: Final[tuple[tuple[Token, str], ...]] = (
    *((Token("", "days", frozenset({day})), words) for day, words in _DAYS),
    (Token("", "days", WEEK), "daily everyday ежедневно щодня щоденно"),
    (Token("", "days", WORKDAYS), "weekday weekdays workday workdays будни будням буднях будні будніх рабочим рабочие"),
    (Token("", "days", WORKDAYS), "робочі робочим робочих"),
    (Token("", "days", WEEKEND), "weekend weekends выходные выходным выходных вихідні вихідним вихідних"),
    (Token("", "every"), "every each once per каждый каждая каждое каждую каждые каждого раз кожен кожний кожна кожне"),
    (Token("", "every"), "кожну кожні кожних кожного кожної"),
    (Token("", "unit", unit="minute"), "minute minutes min mins минута минуту минуты минут мин хвилина хвилину хвилини"),
    (Token("", "unit", unit="minute"), "хвилин хв"),
    (Token("", "unit", unit="hour"), "hour hours h o'clock oclock час часа часов ч година годину години годин годині"),
    (Token("", "unit", unit="hour"), "год"),
    (Token("", "unit", unit="day"), "day days день дней дням дни дні днів днями днях"),
    (Token("", "unit", unit="week"), "week weeks weekly неделя неделю недели недель еженедельно тиждень тижня тижні"),
    (Token("", "unit", unit="week"), "тижнів щотижня щотижнево"),
    (Token("", "unit", unit="month"), "month months monthly месяц месяца месяцев ежемесячно місяць місяця місяці"),
    (Token("", "unit", unit="month"), "місяців щомісяця щомісячно"),
    (Token("", "step", unit="hour"), "hourly ежечасно щогодини щогодинно"),
    (Token("", "last"), "last последний последнюю последнее последняя останній останню останнє остання останнього"),
    (Token("", "date"), "числа число"),
    (Token("", "half", hour=0), "am утра ночи ранку ночі"),
    (Token("", "half", hour=12), "pm дня вечера вечора пополудни пополудні"),
    (Token("", "time", hour=12), "noon полдень полудень опівдні"),
    (Token("", "time"), "midnight полночь північ опівночі"),
    (Token("", "between"), "between между між"),
    (Token("", "to"), "to till until through по до"),
    (Token("", "and"), "and и та і й"),
    (Token("", "at"), "at в во у о об"),
    (Token("", "fill"), "on the of in a an from на с со з із зі от від"),
)  # fmt: skip
_PARTS: Final = re.compile(
    r"(?P<time>\d{1,2}[:.]\d{2})(?!\d)|(?P<nth>\d{1,2}(?:-?(?:st|nd|rd|th|го|е|те))(?![^\W\d_]))|(?P<number>\d+)"
    r"|(?P<word>[^\W\d_]+(?:'[^\W\d_]+)*)|(?P<and>[,;+&])|(?P<dash>[-–—])|(?P<space>\s+)|(?P<other>.)",
    re.DOTALL,
)


def read(phrase: str) -> str:
    """Return the cron expressions of a phrase, "; " between them. Raises UsageError that names the word it fails at."""
    return _Reader(phrase).read()


@dataclass(slots=True)
class _Clause:
    """Days and the times on them, or a step between times; ``dates`` are of the month, ``last`` its last such day."""

    days: frozenset[int] = frozenset()
    dates: list[str] = field(default_factory=list)
    last: int | None = None
    monthly: bool = False
    weekly: bool = False
    times: list[tuple[int, int]] = field(default_factory=list)
    step: tuple[int, str] | None = None
    span: tuple[tuple[int, int], tuple[int, int]] | None = None
    timed_first: bool = False

    @property
    def has_days(self) -> bool:
        return bool(self.days or self.dates) or self.last is not None or self.monthly or self.weekly

    @property
    def has_times(self) -> bool:
        return bool(self.times) or self.step is not None or self.span is not None


class _Reader:
    """One phrase on its way to cron: a place in its tokens, and the clauses read so far."""

    def __init__(self, phrase: str) -> None:
        self._phrase = phrase
        self._tokens = self._split(phrase)
        self._place = -1
        self._every = self._last = self._between = False
        self._clauses = [_Clause()]

    def read(self) -> str:
        while (token := self._next()) is not None:
            self._take(token)
        if self._every or self._last:
            self._fail(f"it ends before it says which days, or how often ({self._tokens[-1].word!r})")
        if len(self._clauses) > 1 and not all(clause.has_days for clause in self._clauses):
            self._fail("where there are several times of several days, each needs its days")
        lines = [line for clause in self._clauses for line in self._lines(clause)]
        return "; ".join(dict.fromkeys(lines))

    # Words into tokens.

    def _split(self, phrase: str) -> list[Token]:
        if len(phrase) > LONGEST:
            raise UsageError(f"a schedule has at most {LONGEST} characters", remedy=_remedy())
        text = (
            unicodedata.normalize("NFKC", phrase).casefold().translate(dict.fromkeys(map(ord, "’ʼ`ʹ"), "'"))
        )
        text = re.sub(r"\b([ap])\.\s?m\b\.?", r"\1m", text)
        known = {word: replace(token, word=word) for token, words in _WORDS for word in words.split()}
        tokens = [self._token(part, known) for part in _PARTS.finditer(text) if part.lastgroup != "space"]
        if not tokens:
            self._fail("it is empty")
        return tokens

    def _token(self, part: re.Match[str], known: Mapping[str, Token]) -> Token:
        word, kind = part[0], part.lastgroup or "other"
        if kind == "word":
            return known[word] if word in known else self._unknown(word, known)
        if kind in {"time", "nth", "number"}:
            hour, _, minute = re.sub(r"[^\d:.]", "", word).replace(".", ":").partition(":")
            return Token(word, kind, hour=int(hour[:6]), minute=int(minute or 0))
        if kind == "other":
            self._fail(f"{word!r} means nothing here")
        return Token(word, kind)

    def _unknown(self, word: str, known: Mapping[str, Token]) -> NoReturn:
        near = difflib.get_close_matches(word, [one for one in known if len(one) > 3], n=1, cutoff=0.7)
        self._fail(f"unknown word {word!r}" + (f", is it {near[0]!r}?" if near else ""))

    # Tokens into clauses.

    def _next(self) -> Token | None:
        self._place += 1
        return self._tokens[self._place] if self._place < len(self._tokens) else None

    def _kind(self, ahead: int = 1) -> str:
        place = self._place + ahead
        return self._tokens[place].kind if 0 <= place < len(self._tokens) else ""

    def _take(self, token: Token) -> None:
        match token.kind:
            case "every":
                self._every = True
            case "last":
                self._last = True
            case "between":
                self._between = True
            case "days":
                self._take_days(token)
            case "unit":
                self._take_unit(token)
            case "step":
                self._step(1, token)
            case "nth":
                self._date(token)
            case "number" | "time":
                self._take_number(token)
            case "dash" | "half" | "date":
                self._fail(f"{token.word!r} means nothing at its place")

    def _take_days(self, token: Token) -> None:
        days = token.days
        if self._joined() and self._kind(2) == "days":
            self._place += 2
            days = self._days_between(token, self._tokens[self._place])
        clause = self._clause(days=True)
        if self._last:
            if len(days) != 1:
                self._fail(f"{token.word!r} is not one day of the week, of which a month has a last one")
            (clause.last,) = days
        else:
            clause.days |= days
        self._every = self._last = False

    def _days_between(self, first: Token, last: Token) -> frozenset[int]:
        if len(first.days) != 1 or len(last.days) != 1:
            self._fail(f"'{first.word} to {last.word}' is no range of days")
        (begin,), (end,) = first.days, last.days
        return frozenset((begin + n) % 7 for n in range((end - begin) % 7 + 1))

    def _take_unit(self, token: Token) -> None:
        if token.unit == "day" and self._last:
            self._clause(days=True).dates.append("L")
        elif token.unit == "day" and self._every:
            self._clause(days=True).days = WEEK
        elif token.unit == "week":
            self._clause(days=True).weekly = True
        elif token.unit == "month":
            self._clauses[-1].monthly = True
        elif self._every:
            self._step(1, token)
        elif token.unit != "day" or self._kind(-1) != "days":
            # «по рабочим дням» is two words for one thing; any other unit by itself is nothing.
            self._fail(f"{token.word!r} means nothing at its place")
        self._every = self._last = False

    def _step(self, count: int, token: Token) -> None:
        whole = {"hour": 24, "minute": 60}.get(token.unit)
        if whole is None or not count or whole % count:
            self._fail(
                f"every {count} {token.word} comes at other times each day or hour",
                remedy="hours that divide a day, minutes that divide an hour; any other period by --every, such as 36h",
            )
        clause = self._clause(days=False)
        if clause.step is not None:
            self._fail(f"{token.word!r} is a second step where one is enough")
        clause.step = (1, "hour") if (count, token.unit) == (60, "minute") else (count, token.unit)
        self._every = False

    def _date(self, token: Token) -> None:
        if not 1 <= token.hour <= 31:
            self._fail(f"a month has no day {token.word!r}")
        if self._every and self._kind() == "days":
            self._fail(
                f"{token.word!r} is no day of the month here",
                remedy='a cron expression: --cron "0 9 * * 1#2"',
            )
        self._clause(days=True).dates.append(str(token.hour))

    def _take_number(self, token: Token) -> None:
        if self._every and token.kind == "number" and self._kind() == "unit":
            self._place += 1
            self._step(token.hour, self._tokens[self._place])
        elif token.kind == "number" and self._is_date():
            self._date(token)
            self._place += self._kind() == "date"
        else:
            self._take_time(token)

    def _is_date(self) -> bool:
        ahead = 1
        while self._kind(ahead) in {"and", "number"}:
            ahead += 1
        clause = self._clauses[-1]
        bare = clause.monthly and not clause.dates and clause.last is None and self._kind(-1) != "at"
        return self._kind(ahead) == "date" or bare

    def _take_time(self, token: Token) -> None:
        begin = self._time(token)
        clause = self._clause(days=False)
        if self._joined() and self._kind(2) in {"number", "time"}:
            self._place += 2
            clause.span = (begin, self._time(self._tokens[self._place]))
            self._between = False
        else:
            clause.times.append(begin)

    def _time(self, token: Token) -> tuple[int, int]:
        """Return the time that begins at this token, taking what belongs to it: 9 am, 8 часов утра."""
        hour = token.hour
        if self._kind() == "unit" and self._tokens[self._place + 1].unit == "hour":
            self._place += 1
        if self._kind() == "half":
            self._place += 1
            if not 1 <= hour <= 12:
                self._fail(f"'{token.word} {self._tokens[self._place].word}' is no time of day")
            hour = hour % 12 + self._tokens[self._place].hour
        if hour > 23 or token.minute > 59:
            self._fail(f"{token.word!r} is no time of day")
        return hour, token.minute

    def _joined(self) -> bool:
        return self._kind() in ({"to", "dash", "and"} if self._between else {"to", "dash"})

    def _clause(self, *, days: bool) -> _Clause:
        """Return the clause that a day or a time belongs to: "weekdays 8:30, weekends 10:00" has two."""
        clause = self._clauses[-1]
        if clause.has_days and clause.has_times and days != clause.timed_first:
            clause = _Clause()
            self._clauses.append(clause)
        clause.timed_first |= not days and not clause.has_days and not clause.has_times
        return clause

    # Clauses into cron.

    def _lines(self, clause: _Clause) -> list[str]:
        dates, days = self._days(clause)
        if clause.step is not None:
            return [f"{minutes} {hours} {dates} * {days}" for minutes, hours in self._steps(clause)]
        if clause.span is not None:
            self._fail("from one time to another: how often? such as every 2 hours")
        if not clause.times:
            self._fail("it does not say at what time")
        by_minute: dict[int, set[int]] = {}
        for hour, minute in clause.times:
            by_minute.setdefault(minute, set()).add(hour)
        return [f"{minute} {_listed(hours)} {dates} * {days}" for minute, hours in by_minute.items()]

    def _days(self, clause: _Clause) -> tuple[str, str]:
        if clause.weekly and not clause.days:
            self._fail("weekly on which day? such as every friday 18:00")
        if clause.days and (clause.dates or clause.monthly) and clause.days != WEEK:
            self._fail(
                "days of the week and of the month at once", remedy='a cron expression: --cron "0 9 * * 1#1"'
            )
        if clause.last is not None:
            return "*", f"{clause.last}L"
        dates = ",".join(clause.dates) or ("1" if clause.monthly else "*")
        return dates, "*" if clause.days in (frozenset(), WEEK) else _listed(clause.days)

    def _steps(self, clause: _Clause) -> Iterator[tuple[str, str]]:
        """Yield minutes and hours. Hours are listed where they can be: unlike ``*/3`` a list keeps to the wall clock."""
        count, unit = clause.step or (1, "hour")
        if clause.times:
            self._fail(
                "it says both how often and at what time; say one", remedy="every 2 hours from 9 to 18"
            )
        if clause.span is None:
            every = "*" if count == 1 else _listed(range(0, 24, count))
            yield ("0", every) if unit == "hour" else ("*" if count == 1 else f"*/{count}", "*")
            return
        (begin, minute), (end, past) = clause.span
        if end < begin or (unit == "minute" and (minute, past) != (0, 0)):
            self._fail("a step goes from an earlier hour of a day to a later one")
        last = end if past >= minute else end - 1
        if unit == "hour":
            yield str(minute), _listed(range(begin, last + 1, count))
        else:
            yield f"*/{count}", _listed(range(begin, end))
            yield "0", str(end)

    def _fail(self, why: str, remedy: str = "") -> NoReturn:
        raise UsageError(f"cannot read the schedule {self._phrase!r}: {why}", remedy=remedy or _remedy())


def _listed(numbers: Iterable[int]) -> str:
    """Return numbers as a cron field: a range where three or more follow one another without a gap."""
    ordered = sorted(numbers)
    if len(ordered) > 2 and ordered[-1] - ordered[0] == len(ordered) - 1:
        return f"{ordered[0]}-{ordered[-1]}"
    return ",".join(map(str, ordered))


def _remedy() -> str:
    return "for example: " + "; ".join(EXAMPLES)
