"""How well a sentence can stand alone in a digest: `fitness` in [0, 1] by a list of tiny rules.

A weight of 0 forbids quoting; a smaller weight than 1 means "only when nothing better is there". The weights were
set by reading the digests of ten days of Telegram news, not learned.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from domains import limits
from domains.post import Post, Span
from domains.text import words

# Sentences less fit than this are never quoted.
QUOTABLE: Final = 0.25

CONTROL: Final = re.compile(
    "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u2069\\ufeff]"
)
LINK: Final = re.compile(r"(?i)\bhttps?://\S+|\bwww\.\S+|\b(?:t\.me|wa\.me|bit\.ly)/\S+|(?<!\w)@[a-z]\w{3,}")
MARKUP: Final = re.compile(r"</?[A-Za-z!][^<>]*>|\[[^\]\n]*\]\([^)\n]*\)|\*\*|__|```|~~|javascript:|&#?\w+;")
# Words meant for a machine that reads, not for a person: never news, whoever posted them.
ORDER: Final = re.compile(
    r"(?i)(?:ignor\w*|disregard|forget)\b.{0,40}\b(?:instruction|prompt|rule|direction)s?"
    r"|(?:игнорир\w*|проигнорир\w*|забудь\w*|не учитывай\w*)\b.{0,40}\b(?:инструкц|указани|правил|промпт)"
    r"|(?:ігнору\w*|проігнору\w*|забудь\w*)\b.{0,40}\b(?:інструкці|вказів|правил|промпт)"
    r"|\b(?:system|developer)\s+(?:prompt|message)\b|системн\w+ (?:промпт|сообщени|повідомленн)"
    r"|\byou are (?:now|an?) (?:\w+ )?(?:ai|assistant|model|chatbot)\b"
    r"|\bas an? (?:ai|language model)\b|(?:ты|ти) (?:теперь |тепер )?(?:ассистент|асистент|языковая модель|мовна модель)"
)
# Calls to subscribe, to send, to read on, to buy: the furniture of channels.
APPEAL: Final = re.compile(
    r"(?i)подпис(?:аться|ывайтесь|ывайся|ка на)|подпиш(?:ись|итесь)|підпис(?:атис|уйтес|уйся)|підпиш(?:ись|іться)"
    r"|\bsubscribe\b|\bfollow us\b|\bjoin (?:us|our)\b|\bsign up\b|\bread more\b|\bclick (?:here|the link)\b"
    r"|\blink in (?:the )?(?:bio|comments?)\b|\bcall now\b|\bshop now\b|\border now\b|\bdm (?:me|us)\b"
    r"|присла(?:ть|йте) новост|присылайте|прислать (?:фото|видео)|надісла(?:ти|йте) новин|надсилайте"
    r"|чита(?:ть|йте|ти) (?:далее|далі|полностью|также|також|продолжение|подробнее|больше|більше)"
    r"|став(?:ьте|те) лайк|пишите в (?:комментари|личк|директ)|пишіть (?:в|у) (?:комент|приват|директ)"
    r"|переходите по ссылке|переходьте за посиланням|по ссылке|за посиланням|жми(?:те)?\b|тисн(?:и|іть)\b"
    r"|промокод|promo ?code|\berid\b|^\W*(?:реклама|фото|видео|відео|источник|джерело|source|photo|video)\s*[:.]"
)
# An opening that leans on a sentence the reader does not see.
DANGLING: Final = re.compile(
    r"(?i)(?:he|she|they|it|this|that|these|those|his|her|their|him|but|and|or|so|also|however|moreover|meanwhile"
    r"|therefore|then|thus|besides|there|such|in particular|in fact|as a result|i|we|you|my|our|your|another|according to (?:him|her|them|it)"
    r"|он|она|они|оно|это|этот|эта|эти|его|её|ее|их|ему|ей|им|там|тут|здесь|тогда|затем|потом|при этом|также"
    r"|кроме того|однако|но|а|и|или|поэтому|так|такой|такая|такое|такие|таким|такую|тем временем|тоже|я|мы|вы|ты|мой|наш"
    r"|по его|по её|по ее|по их|об этом|в этом|на этом|после этого|до этого|из-за этого|для этого|в том числе|в частности|фактически|после (?:произошедшего|случившегося)|в результате этого"
    r"|напомним|кстати|впрочем|соответственно|в итоге|в общем|дело в том|как отмечает издание|сам|сама|сами|upd"
    r"|публикуем|показываем|появил(?:ось|ись|ся) (?:видео|кадры)|видео|кадры|момент|очередн\w+|уточнение"
    r"|на видео|на фото|на кадрах|на записи|перед вами|смотрите|вот|именно|тот|та|те|все это|всё это|среди них|один из них|одна из них"
    r"|він|вона|вони|воно|це|цей|ця|ці|його|її|їх|йому|їй|їм|тоді|потім|при цьому|також|крім того|однак|але|та|й|і"
    r"|або|тому|такий|така|такі|тим часом|теж|ми|ви|ти|мій|за його|за її|за їх|про це|після цього|до цього"
    r"|на відео|на фото|на кадрах|перед вами|дивіться|ось|відповідно|у підсумку|справа в тому|сам|сама|самі"
    r"|pictured|watch|here|in the video|in the end|as a result|through this|through these"
    r"|через це|для цього|нагадаємо|до речі|втім|зокрема|саме|серед них)(?![\w’'-])"
)
# A pronoun among the first words, or after "he said": somebody the reader has not met.
LEANING: Final = re.compile(
    r"(?i)(?:[\w’'-]+,? ){1,3}(?:he|she|they|him|her|them|он|она|они|оно|его|её|ее|ему|ей|им|их|него|неё|нее|нему|ним|ней|нею|них"
    r"|нём|нем|оттуда|туда|таких|такие|такая|такой"
    r"|він|вона|вони|воно|його|її|йому|їй|їм|їх|нього|неї|ньому|ній|них|звідти|туди|таких|такі|така|такий)(?![\w’'-])"
    r"|.*(?:сообщил|отметил|добавил|подчеркнул|пояснил|уточнил|заявил|рассказал|сказал|повідомил|зазначил|додал|наголосил"
    r"|пояснил|уточнил|заявил|розповіл|сказал|said|added|noted|explained)\w* (?:он|она|они|в ведомстве|там|він|вона|вони"
    r"|у відомстві|he|she|they)(?![\w’'-])"
)
# "This" of something said before; not "this week".
POINTING: Final = re.compile(
    r"(?i)(?<![\w’'-])(?:(?:этот|эту|этого|этому|этим|этой|эти|этих|данн(?:ый|ая|ое|ого|ой|ую|ые|ых)|цей|цю|цього|цьому"
    r"|цією|цієї|ці|цих) (?!год|сезон|день|дня|дню|дни|дней|недел|утр|месяц|вечер|ноч|раз|рік|ро[цк]|дн|тиж|ран|місяц|веч|ніч)"
    r"|(?:this|these|those) (?!year|week|month|morning|evening|night|afternoon|season|summer|winter|spring|autumn|fall))\w"
)
# Speech whose speaker is elsewhere.
FIRST_PERSON: Final = re.compile(
    r"(?i)(?<![\w’'-])(?:я|мы|нас|нам|нами|мне|меня|наш|наша|наше|наши|нашей|нашего|нашему|нашим|наших|мой"
    r"|моя|моё|мои|моей|моего|моим|ми|мені|мене|мною|наші|нашої|нашого|нашій|нашому|нашою|мій|моя|моє|мої|моїй|мого"
    r"|i|we|us|my|our|ours|me)(?![\w’'-])"
)
# Advice to the reader is no news.
ADVICE: Final = re.compile(
    r"(?i)(?:не |do not |don[’']t |please )?(?:\w{2,}(?:йте|ьте|ите|ітьте|іть|айтеся)|be|use|keep|avoid)(?:сь)?\s"
)
_LEAD: Final = re.compile(
    r"^(?:\d\ufe0f?\u20e3\s*|\d{1,2}[.)]\s+|[^\w«\"“„‘('$€£₴₽№#@<\[+−-]+|[-+−](?=\s)\s*)+"
)
_TAIL: Final = re.compile(r"[^\w»\"”’')\]!?.…%‰°₽$€£₴>]+$")
# What is posted every day whatever happens: weather, rates, greetings, pictures.
ROUTINE: Final = re.compile(
    r"(?i)\W*(?:(?:прогноз\w* )?погод[аыиу]\b|weather\b|курс\w* валют|exchange rates?\b|horoscope|гороскоп|фото дня"
    r"|photo of the day|picture of the day|good (?:morning|night|evening|day)\b|добр(?:ое|ого) (?:утр|ноч|дня)|доброй ночи"
    r"|спокойной ночи|хорошего (?:дня|вечера)|добр(?:ого ранку|ий ранок|аніч)|на добраніч|гарного дня|с добрым утром"
    r"|сегодня отмечается|сьогодні відзначають|главное к|головне за|итоги дня|підсумки дня|дайджест|digest\b|опрос\b|poll\b)"
)
_QUOTED: Final = re.compile(r"«[^»]*»|“[^”]*”|\"[^\"]*\"|„[^“”]*[“”]")
_PICTURE: Final = re.compile("[\u2600-\u27bf\U0001f000-\U0001faff]")
_DASH: Final = re.compile(r"\s[—–-]\s")
_PAIRS: Final = (("«", "»"), ("“", "”"), ("(", ")"), ("[", "]"))


@dataclass(frozen=True, slots=True)
class Blemish:
    """Why a sentence is less fit to be quoted, and the factor it costs."""

    name: str
    weight: float
    test: Callable[[str], bool]


def _unbalanced(text: str) -> bool:
    return text.count('"') % 2 == 1 or any(text.count(a) != text.count(b) for a, b in _PAIRS)


def _unquoted(text: str) -> str:
    return _QUOTED.sub(" ", text)


def _shouted(text: str) -> bool:
    letters = [char for char in text if char.isalpha()]
    return len(letters) > 12 and sum(char.isupper() for char in letters) > 0.6 * len(letters)


BLEMISHES: Final[tuple[Blemish, ...]] = (
    # What must never be shipped.
    Blemish("control character", 0.0, lambda s: bool(CONTROL.search(s))),
    Blemish("link or handle", 0.0, lambda s: bool(LINK.search(s))),
    Blemish("markup", 0.0, lambda s: bool(MARKUP.search(s))),
    Blemish("order to a machine", 0.0, lambda s: bool(ORDER.search(s))),
    Blemish("appeal to subscribe or buy", 0.0, lambda s: bool(APPEAL.search(s))),
    # What says nothing by itself.
    Blemish("too short", 0.0, lambda s: len(s) < 20 or len(words(s)) < 4),
    Blemish("too long", 0.0, lambda s: len(s) > limits.SENTENCE_CHARS),
    Blemish("a line break", 0.0, lambda s: "\n" in s),
    # What leans on text the reader does not see.
    Blemish("dangling opening", 0.35, lambda s: bool(DANGLING.match(s))),
    Blemish("leans on a pronoun", 0.45, lambda s: bool(LEANING.match(s))),
    Blemish("points back", 0.6, lambda s: bool(POINTING.search(_unquoted(s)))),
    Blemish("first person", 0.45, lambda s: bool(FIRST_PERSON.search(_unquoted(s)))),
    Blemish("begins in the middle", 0.4, lambda s: s[:1].islower()),
    Blemish("a question", 0.2, lambda s: s.rstrip("»”\"'!)").endswith("?")),
    Blemish("leads on to something", 0.3, lambda s: s.endswith((":", "…", "...", ","))),
    Blemish("unbalanced quotation", 0.3, _unbalanced),
    Blemish("nothing but a quotation", 0.5, lambda s: s[:1] in '«"“„—–' and s[-1:] in '»"”'),
    Blemish("a list item", 0.4, lambda s: len(s) < 45 and len(words(s)) <= 6 and bool(_DASH.search(s))),
    # What reads badly.
    Blemish("advice", 0.45, lambda s: bool(ADVICE.match(s))),
    Blemish("hashtag", 0.4, lambda s: "#" in s),
    Blemish("picture inside", 0.6, lambda s: bool(_PICTURE.search(s))),
    Blemish("exclamation", 0.7, lambda s: s.endswith("!")),
    Blemish("shouted", 0.7, _shouted),
    Blemish("long", 0.8, lambda s: len(s) > 260),
)


def blemishes(text: str) -> tuple[str, ...]:
    """Return the names of the rules that ``text`` offends."""
    return tuple(rule.name for rule in BLEMISHES if rule.test(text))


def fitness(text: str) -> float:
    """Return how fit ``text`` is to be quoted alone, in [0, 1]."""
    score = 1.0
    for rule in BLEMISHES:
        if rule.test(text):
            score *= rule.weight
            if score == 0.0:
                break
    return round(score, 6)


def trim(text: str, span: Span) -> Span:
    """Return ``span`` of ``text`` without leading bullets and emoji and without trailing ornaments."""
    quote = text[span[0] : span[1]]
    lead = _LEAD.match(quote)
    start = span[0] + (lead.end() if lead else 0)
    tail = _TAIL.search(text[start : span[1]])
    end = start + tail.start() if tail else span[1]
    return (start, max(start, end))


def is_routine(text: str) -> bool:
    """Return whether ``text`` opens as what is posted every day whatever happens."""
    return bool(ROUTINE.match(text))


def quotable(post: Post) -> tuple[tuple[Span, float], ...]:
    """Return the trimmed spans of ``post`` that may be quoted, in reading order, with their fitness."""
    spans = (trim(post.text, span) for span in post.sentences)
    judged = ((span, fitness(post.quote(span))) for span in spans)
    return tuple((span, fit) for span, fit in judged if fit >= QUOTABLE)
