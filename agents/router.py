"""The context router: what a query wants, by the cheapest means that knows.

    query ─▶ rules (agree on one route) ─▶ cache ─▶ model ≤ 800 ms, if there is one ─▶ classifier ─▶ Routed

A rule is a pattern for one route. Rules decide only when all that match agree; otherwise the question goes on. A short
query that leans on what was said before is a follow-up when there is a recent turn to lean on.
"""

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from math import isfinite
from typing import Final, Protocol

import msgspec

from domains import limits
from domains.classifier import Classifier, classifier
from domains.errors import SvodkaError
from domains.intent import ROUTES, Guess, Route, Routed, Turn, canonical
from domains.ports import Cache

# Rules were right 99 times in 100 on queries they were not written for; their authors wrote those too, so less is claimed.
RULE_CONFIDENCE: Final = 0.95
# Below this the classifier's first choice is no better than a guess, and saying so is the honest answer ...
SURE: Final = 0.2
# ... and below this a whole question is better looked up in the posts than given to a route that may be wrong.
CLAIMED: Final = 0.4
_QUESTION: Final = re.compile(
    r"(?=(?:\S+ ){3})(?!.*\b(?:you|your|i|my|ты|тебя|мне|я|мой|ти|тебе|мені|мій)\b)(?:\S+ ){0,3}?(?:who|whom|whose|what|when|where|why"
    r"|how|which|did|was|were|has|кто|кого|кому|кем|что|чем|чего|когда|где|куда|откуда|почему|зачем|сколько|как|какой|какая|какое"
    r"|какие|каком|каких|какую|каким|чей|ли|хто|що|коли|де|куди|звідки|чому|скільки|як|який|яка|яке|які|якому|якій|якого|якою|чи)\b"
)


class IntentModel(Protocol):
    """A language model asked for a route."""

    def __call__(self, query: str, recent: Sequence[Turn], deadline_s: float) -> Guess:
        """Return the route of ``query`` after ``recent``, newest last, within ``deadline_s``. Raises SvodkaError."""
        ...


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern that says one route. It is searched in the canonical query."""

    name: str
    route: Route
    pattern: re.Pattern[str]


def _rule(name: str, route: Route, *alternatives: str) -> Rule:
    return Rule(name, route, re.compile("|".join(alternatives)))


RULES: Final[tuple[Rule, ...]] = (
    # A summary asked for by name, or everything of a stretch of time.
    _rule(
        "a summary by name",
        "digest",
        r"\b(?:digest|recap|round-?up|tl;?dr|briefing|catch me up|bring me up to speed|what did i miss|what'?s new)\b",
        r"\b(?:main|top|key) (?:stories|headlines|news|events)\b|\bsum(?:mari[sz]e| up)\b|\b(?:news|daily|evening|morning) summary\b",
        r"\b(?:дайджест|сводк|выжимк|обзор (?:новост|за|кан|всего)|итоги (?:дня|недели|месяца|суток)|что (?:я )?пропустил)",
        r"\b(?:че|что|шо|що) нов(?:ого|енького)\b|\b(?:главн|важн)\w* (?:новост|событи|за)|\b(?:коротко|кратко) о главн",
        r"\b(?:зведення|стисло про головн|підсумки (?:дня|тижня|місяця|доби)|огляд (?:новин|усіх|за|кан)|введи в курс)",
        r"\b(?:головн|найважлив)\w* (?:новин|поді|за)|\b(?:перескажи|перекажи) (?:чат|канал|новин|новост)",
    ),
    # Change over time, or what rises.
    _rule(
        "change over time",
        "trend",
        r"\btrend(?:s|ing)?\b|\bhot topics?\b|\b(?:rising|emerging) (?:stories|topics|themes)\b|\bspikes?\b|\bbuzz\b",
        r"\bmentions? (?:per|over|by)\b|\bgaining traction\b|\bsurges?\b|\b(?:growing|increas\w+|fading|rising)\b|\b(?:stat\w+|number|frequency|curve|popularity) of (?:mentions|posts|complaints|interest)\b|\b(?:more|less) (?:popular|often)\b|\bdynamics of\b",
        r"\bтренд|\bгоряч\w+ тем|\bвсплеск|\b(?:растет|растут|падает|вырос\w*|увеличил\w*|популярность)\b|\b(?:крив\w+|статистик\w+) \w+|\bдинамик\w+ (?:упомин|пост|тем|обсужд)|\bнабирает (?:популярн|оборот)",
        r"\b(?:чаще|реже) (?:всего )?(?:пи[сш]|упомин|говор)|\b(?:пи[сш]\w+|говор\w+) (?:чаще|реже)|\bграфик упомин|\bпик обсужд",
        r"\bгаряч\w+ тем|\bсплеск|\b(?:зростає|зростання|ростуть|росте|стихає|збільшил\w*|популярність)\b|\b(?:крив\w+|статистик\w+) \w+|\bдинамік\w+ (?:згад|допис|тем|обгов)|\bнабира\w+ (?:популярн|оберт)",
        r"\b(?:частіше|рідше) (?:пи[сш]|згад|говор)|\b(?:пи[сш]\w+|говор\w+|згаду\w+) (?:частіше|рідше)|\bграфік згад|\bпік обговор",
    ),
    # A certain message, or one fact.
    _rule(
        "a search by name",
        "search",
        r"\b(?:find|search|look for|dig up)\b.{0,20}\b(?:posts?|messages?|mentions?|news|about)\b|^search\b|\bposts (?:about|by)\b",
        r"\b(?:найди|найти|отыщи|ищу) (?:пост|сообщени|новост|упомин|где)|^поиск\b|\b(?:все|всі) (?:упоминания|згадки)\b",
        r"\b(?:знайди|знайти|відшукай|шукаю) (?:допис|пост|повідомл|новин|згад|де)|^пошук\b",
        r"\b(?:кто|хто) (?:писал|писав|выиграл|виграв|сказал|сказав) (?:про|кубок|об|что|що)\b|\bwho (?:won|said that the|is the (?:new )?(?:head|mayor))\b",
        r"^(?:when|where|who|why|how many) (?:was|were|did|is|are|will|does|has|have)\b(?!.*\b(?:you|your|they|that|this|it|talk\w*|mention\w*)\b)",
        r"^(?!.*\b(?:ты|тебя|они|это|писать|писали|говорить|упомин\w+|стоит|весит)\b)(?:когда|где|кто|куда|сколько \w+|какая \w+|в как\w+ \w+|из-за чего) (?:\S+ ){1,}\S*(?:ли|ла|ло|ют|ут|ет|ит|ся|л)\b",
        r"^(?!.*\b(?:ти|тебе|вони|це|писати|писали|говорити|згад\w+|коштує|важить)\b)(?:коли|де|хто|куди|скільки \w+|яка \w+|в як\w+ \w+|через що) (?:\S+ ){1,}\S*(?:ли|ла|ло|ють|уть|є|ить|ся|ть|в)\b",
        r"^(?:правда,? (?:ли )?что|чи (?:правда|справді)|is it true)\b",
    ),
    # Something to buy.
    _rule(
        "a price or a stock",
        "product",
        r"\bprices? of\b|\bin stock\b|\bhow much (?:is|are|for|does) the\b|\bsku\b|\bcheap(?:est|er)?\b|\bdiscounts?\b|\bfor sale\b|\bunder \d+",
        r"\bdo you (?:have|sell) (?:the|any|a)\b|\b(?:what|which) (?:colou?rs?|sizes?)\b|\bsize \d|\bdelivery\b",
        r"\b(?:сколько стоит|почем\b|цена\b|в наличии|наличие|артикул|скидк|дешев|размер|доставка)|\bцвет(?:ах|а)\b|\bдо \d+ ?(?:руб|р\b|грн)",
        r"\b(?:скільки коштує|ціна|наявності|наявність|знижк|дешевш|найдешевш|розмір|гривень)|\bкольор(?:ах|и|ів)\b|\bпрода(?:ет|є|ж|ю)",
        r"\b(?:как|як) на фото\b|\bin this photo\b|\blooking for a gift\b|\bподар(?:ок|унок)\b",
    ),
    # Said for its own sake.
    _rule(
        "a greeting or thanks",
        "small_talk",
        r"^(?:hi|hey|hello|yo|thanks?|thank you|thx|bye|good (?:morning|evening|day|night)|ok|okay|lol|haha+|sorry)\b.{0,24}$",
        r"^(?:привет|здравствуй(?:те)?|добр(?:ое|ый|ой) (?:утро|день|вечер|ночи)|спасибо|благодарю|пока|ок|ха(?:ха)+|извини(?:те)?)\b.{0,24}$",
        r"^(?:привіт|вітаю|добр(?:ий|ого|оранку) ?(?:ранку|день|вечір|дня)?|дякую|бувай|па-па|а?(?:ха)+х?а?|вибач(?:те)?)\b.{0,24}$",
        r"^(?:how are you|who are you|what can you do|are you (?:a )?(?:robot|bot|human))\b|\btell me a joke\b",
        r"^(?:как (?:у тебя )?дела|(?:ты|ти) (?:кто|хто)|(?:кто|хто) (?:ты|ти)|что ты умеешь|(?:що|шо) ти вмієш|як (?:справи|ся маєш))\b",
        r"\b(?:расскажи|розкажи) (?:анекдот|шутк|жарт)",
    ),
    # Work for another machine.
    _rule(
        "not ours to do",
        "unknown",
        r"^(?:book|order|call) (?:me|my|a)\b|^(?:write|generate) (?:me )?(?:a|an) \b|^(?:turn|switch) (?:on|off)\b|^set (?:an? )?(?:alarm|timer)",
        r"^translate\b|^play\b|\bhow (?:do i|to) cook\b|^draw\b",
        r"^(?:вызови|закажи|позвони|нарисуй|переведи|поставь|включи|выключи|напиши (?:функц|код|сочин|стих|программ|письм))",
        r"^(?:виклич|замов|подзвони|намалюй|переклади|постав|увімкни|вимкни|нагадай|напиши (?:функц|код|твір|вірш|програм|лист))",
        r"^(?:как|як) (?:сварить|зварити|приготов|испечь|спекти)|^(?:сколько будет \d|скільки буде \d|обчисли|посчитай)\b",
    ),
    _rule("no words", "unknown", r"^[\W\d_]+$"),
)

# What leans on the turn before it: an opening that continues, or a few words that name only a part of an answer.
FOLLOW_UP: Final = _rule(
    "leans on the turn before",
    "follow_up",
    r"^(?:and|what about|how about) (?!.*\b(?:happen|new)\w*\b)(?:\S+ ?){1,4}$|^(?:why|source|more|go on|continue|next)[ ?!.]*$",
    r"^(?:who|why|where|is|and|what) (?:\S+ ){0,3}(?:that|they|it|this|he|she|mean)\b.{0,12}$|^(?:only|just|now|show|again|open|can you open)(?: \S+){0,2} (?:the )?(?:first|last|rest|number|two|three|\w+ish|\d+)\b",
    r"^(?:почему|кто|где|что|чьи|откуда|и|хто|чому|де|чиї|звідки|і) (?:\S+ ){0,3}(?:они|это|он|так|слова|это взял|вони|це|він|таке|ці)\b.{0,12}$",
    r"^(?:только|лишь|теперь|покажи|открой|расскажи о|тільки|лише|тепер|відкрий|розкажи про)(?: \S+){0,2} (?:перв\w+|последн\w+|остальн\w+|номер|на \w+ском|перш\w+|останн\w+|решту|російською|українською|англійською)(?: \S+)?$",
    r"^(?:show|покажи|открой|відкрий) (?:the rest|остальн\w+|решту|номер \d+)$|^(?:еще раз|ще раз|again)\b",
    r"^(?:tell me more|more details?|details|expand|elaborate|same (?:for|but)|what happened next|shorter|the (?:previous|second|first|last) one)\b",
    r"^а (?!что нового|шо нового|що нового)(?:\S+ ?){1,4}\?*$|^(?:почему|зачем|еще|дальше|продолжай|источник|откуда (?:это)?)[ ?!.]*$",
    r"^(?:подробн(?:ее|ости)|то же|раскрой|поясни|короче|что было дальше|чем (?:все )?(?:закончилось|кончилось))\b",
    r"^(?:чому|навіщо|ще|далі|продовжуй|джерело|звідки(?: це)?)[ ?!.]*$",
    r"^(?:докладніше|детальніше|те саме|розкрий|розгорни|поясни|коротше|що було далі|чим (?:все )?(?:закінчилось|скінчилось))\b",
)


@dataclass(frozen=True, slots=True)
class Router:
    """Routes queries. ``model`` and ``cache`` may be absent; ``fallback`` is the bundled classifier unless given."""

    model: IntentModel | None = None
    cache: Cache | None = None
    fallback: Classifier | None = None
    deadline_s: float = limits.ROUTER_MODEL_S
    ttl_s: float = limits.ROUTER_CACHE_S

    def route(self, query: str, recent: Sequence[Turn], now: datetime) -> Routed:
        """Return where ``query`` goes. ``recent`` are earlier turns in any order; those of this session count."""
        text = canonical(query)
        session = sorted((turn for turn in recent if _fresh(turn, now)), key=lambda turn: turn.at)
        last = _topic(session)
        return _by_rule(text, last) or self._by_model(text, session, last) or self._by_classifier(text, last)

    def _by_model(self, text: str, session: Sequence[Turn], last: Turn | None) -> Routed | None:
        if self.model is None:
            return None
        key = _key(text, last)
        known = self._remembered(key)
        guess = known or _asked(self.model, text, session, self.deadline_s)
        if guess is None:
            return None
        if known is None and self.cache is not None:
            self.cache.put(key, msgspec.json.encode(guess), self.ttl_s)
        why = "a model's answer, remembered" if known else "a model's answer"
        return _settled(Routed(guess.route, "model", guess.confidence, why), last)

    def _by_classifier(self, text: str, last: Turn | None) -> Routed:
        guess = (self.fallback or classifier()).guess(text)
        why = "how the query is spelt"
        if guess.confidence < CLAIMED and _QUESTION.match(text):
            return Routed("search", "classifier", guess.confidence, "a question that no other route claims")
        if guess.confidence < SURE:
            return Routed("unknown", "classifier", guess.confidence, f"{why} is like nothing known")
        return _settled(Routed(guess.route, "classifier", guess.confidence, why), last)

    def _remembered(self, key: str) -> Guess | None:
        value = self.cache.get(key) if self.cache is not None else None
        if value is None:
            return None
        try:
            return _sound(msgspec.json.decode(value, type=Guess))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None  # written by another version, or by nobody we know: the model is asked again


def _by_rule(text: str, last: Turn | None) -> Routed | None:
    """Return what the rules say, when those that match agree."""
    if not text:
        return Routed("unknown", "rule", 1.0, "the query is empty")
    if last is not None and FOLLOW_UP.pattern.search(text):
        return Routed("follow_up", "rule", RULE_CONFIDENCE, _leans(last), last)
    matched = [rule for rule in RULES if rule.pattern.search(text)]
    if len({rule.route for rule in matched}) != 1:
        return None
    return Routed(matched[0].route, "rule", RULE_CONFIDENCE, f"names {matched[0].name}")


def _asked(model: IntentModel, text: str, session: Sequence[Turn], deadline_s: float) -> Guess | None:
    """Return the model's answer, or None when it is late, unavailable or no answer.

    The model is told the deadline and asked on another thread, so that one which does not keep it delays nobody.
    """
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="router")
    try:
        return _sound(pool.submit(model, text, session, deadline_s).result(deadline_s))
    except (TimeoutError, SvodkaError):
        return None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _sound(guess: Guess) -> Guess | None:
    """Return ``guess`` when it is one: a route there is, a confidence that is a probability."""
    known = guess.route in ROUTES and isfinite(guess.confidence) and 0.0 <= guess.confidence <= 1.0
    return guess if known else None


def _settled(routed: Routed, last: Turn | None) -> Routed:
    """Return ``routed``, with the turn it leans on when it is a follow-up; one that leans on nothing is unknown."""
    if routed.route != "follow_up":
        return routed
    if last is None:
        why = f"{routed.why}: a follow-up, but nothing was asked before"
        return Routed("unknown", routed.by, routed.confidence, why)
    return Routed("follow_up", routed.by, routed.confidence, f"{routed.why}; {_leans(last)}", last)


def _leans(last: Turn) -> str:
    return f"leans on the {last.route} asked before"


def _topic(session: Sequence[Turn]) -> Turn | None:
    """Return the newest turn that a follow-up can lean on: a greeting in between changes nothing."""
    return next((turn for turn in reversed(session) if turn.route not in {"small_talk", "unknown"}), None)


def _fresh(turn: Turn, now: datetime) -> bool:
    return 0.0 <= (now - turn.at).total_seconds() <= limits.SESSION_S


def _key(text: str, last: Turn | None) -> str:
    """Return the cache key: the answer depends on the query and on what it may lean on."""
    before = (last.route, canonical(last.query)) if last else ("", "")
    return "route:" + sha256(msgspec.json.encode((text, *before))).hexdigest()
