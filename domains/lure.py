"""Signs that a text is written for the machine that reads it, not for people: such a text is not shown to a model.

Withholding costs little, since what is withheld can still be quoted; so the signs are broad. They are no proof against
a patient author, which is why nothing a model answers is believed either (`domains.verify`).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from domains.fitness import LINK, MARKUP, ORDER
from domains.text import without_links, words

_SPEAKS: Final = re.compile(
    r"(?i)\b(?:assistant|summari[sz]er|chatbot|language model|prompt|jailbreak|ассистент\w*|асистент\w*"
    r"|чат-?бот\w*|промпт\w*|языков\w+ модел\w+|мовн\w+ модел\w+)\b"
    r"|\b(?:system|developer|admin)\s+(?:note|message|prompt|override)|системн\w+ (?:сообщ|повідом|промпт|указан)"
    r"|\b(?:you are now|from now on you|отныне ты|теперь ты|відтепер ти|віднині ти|тепер ти|ты обязан|ти мусиш|ти повинен)\b"
    r"|\bthis (?:digest|summary)\b|\bthe (?:digest|summary) must\b"
)
# A single reader is told what to say or do; people are addressed in the plural, and asked to come or to buy.
_TELLS: Final = re.compile(
    r"(?i)(?<![\w-])(?:напиши|пиши|выведи|вставь|добавь|ответь|отвечай|вызови|выполни|расшифруй|декодируй|игнорируй"
    r"|забудь|зa6yдь|повтори|поставь|считай|отправь|пришли|покажи|перейди|скажи|сообщи|не показывай|замени|удали"
    r"|виведи|встав|додай|відповідай|виклич|виконай|розшифруй|ігноруй|повтори|постав|вважай|надішли|не повідомляй"
    r"|покажи|перейди|скажи|заміни|видали)(?![\w-])"
    r"|\b(?:reply|respond|answer|print|output|write|say) (?:only|just|with|that|exactly)\b|\bdecode\b|\bobey\b"
    r"|\b(?:ignore|disregard|forget) (?:all|any|every|the|everything|previous|your)\b|\bsummari[sz]e as\b"
    r"|\b(?:put|place|insert|append|include) (?:this|the|a) (?:\w+ )?(?:sentence|link|line|text|words?|claim)\b"
)
_CODE: Final = re.compile(
    r"[{}<>|`\\]|\"\s?:|\w\(|\w\.\w+\[|\[\d+\]|\]\[|^(?:Action|Thought|Observation|Tool):", re.MULTILINE
)
_FORGED: Final = re.compile(
    r"(?i)\((?:source|источник|джерело)s?:|\b(?:post|пост|допис|citation|цитата)\s*[=#№(]?\s*\d|\bspan\b\s*[=:(]"
)
_RUN: Final = re.compile(r"[A-Za-z0-9+/_-]{20,}={0,2}|[A-Za-z0-9+/]{12,}==?")
_HOST: Final = re.compile(r"(?i)\b[\w-]+\.(?:[a-z]{2,}|рф|укр)\b(?<!\.\d)")
_LATIN: Final = re.compile("[A-Za-z]")
_CYRILLIC: Final = re.compile("[\u0400-\u04ff]")


@dataclass(frozen=True, slots=True)
class Sign:
    """One sign, and how to tell whether a text bears it."""

    name: str
    test: Callable[[str], bool]


def _disguised(text: str) -> bool:
    """Return whether a word is spelt with two alphabets; "SMS-ка" is not."""
    parts = (part for word in words(without_links(text)) for part in re.split("[-‑’'ʼ]", word))
    return any(_LATIN.search(part) and _CYRILLIC.search(part) for part in parts)


# What gives a whole post away.
SIGNS: Final[tuple[Sign, ...]] = (
    Sign("an order", lambda text: bool(ORDER.search(text))),
    Sign("talk to a machine", lambda text: bool(_SPEAKS.search(text))),
    Sign("a command to one reader", lambda text: bool(_TELLS.search(text))),
    Sign("a disguised word", _disguised),
    Sign("a forged citation", lambda text: bool(_FORGED.search(text))),
)
# What a line must not hold; elsewhere in a post it is furniture.
LINE_SIGNS: Final[tuple[Sign, ...]] = (
    *SIGNS,
    Sign("code", lambda text: bool(_CODE.search(text))),
    Sign("a link", lambda text: bool(LINK.search(text) or _HOST.search(text))),
    Sign("markup", lambda text: bool(MARKUP.search(text))),
    Sign("an encoded run", lambda text: bool(_RUN.search(text))),
)


def lures(text: str, signs: tuple[Sign, ...] = SIGNS) -> tuple[str, ...]:
    """Return the names of the ``signs`` that ``text`` bears."""
    return tuple(sign.name for sign in signs if sign.test(text))
