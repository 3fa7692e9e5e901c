"""Digests for tests: a realistic one in three languages, and one of hostile text."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from domains.digest import Citation, Digest, DigestStory, Drop, Sentence
from domains.post import Post
from domains.window import Window

DAY = Window(datetime(2026, 11, 1, 22, tzinfo=UTC), datetime(2026, 11, 2, 22, tzinfo=UTC))


class DigestDesk:
    """Builds a digest story by story; a post is written where it is first cited."""

    def __init__(self, zone: str = "Europe/Kyiv") -> None:
        self.zone = zone
        self.posts: list[Post] = []
        self.stories: list[DigestStory] = []
        self.drops: list[Drop] = []

    def post(self, source: str, text: str, lang: str, hour: float, **more: Any) -> Post:
        number = 1001 + len(self.posts)
        values: dict[str, Any] = {
            "id": number,
            "ref": f"{source}/{number}",
            "source": source,
            "family": source.split("_", maxsplit=1)[0],
            "at": DAY.start + timedelta(hours=hour),
            "text": text,
            "lang": lang,
            "sha256": f"{number:064x}",
            "url": f"https://t.example/{source}/{number}",
        }
        made = Post(**{**values, **more})
        self.posts.append(made)
        return made

    def story(self, section: str, headline: Sentence, *sentences: Sentence, **more: Any) -> DigestStory:
        posts = {post.id: post for post in self.posts}
        rows = dict.fromkeys(one.post for each in (headline, *sentences) for one in each.citations)
        cited = [row for row in rows if row in posts]
        values: dict[str, Any] = {
            "story": 1 + len(self.stories),
            "section": section,
            "headline": headline,
            "sentences": sentences,
            "posts": tuple(cited),
            "sources": len({posts[row].source for row in cited}) or 1,
            "families": len({posts[row].family for row in cited}) or 1,
            "languages": tuple(dict.fromkeys(posts[row].lang for row in cited)),
            "since": min((posts[row].at for row in cited), default=DAY.start),
            "repeats": 0,
        }
        made = DigestStory(**{**values, **more})
        self.stories.append(made)
        return made

    def drop(self, count: int, reason: Any, of: int | None = None, detail: str = "") -> None:
        first = 5001 + len(self.drops)
        self.drops += [Drop(first + n, reason, of, detail) for n in range(count)]

    def digest(self, sections: Sequence[str] | None = None, **more: Any) -> Digest:
        values: dict[str, Any] = {
            "window": DAY,
            "zone": self.zone,
            "subscription": "daily",
            "sections": tuple(sections or dict.fromkeys(story.section for story in self.stories)),
            "stories": tuple(self.stories),
            "shown": tuple(post.id for post in self.posts),
            "drops": tuple(self.drops),
            "rung": "extractive",
            "method": "submodular",
            "score": 0.934,
            "posts": tuple(self.posts),
        }
        return Digest(**{**values, **more})


def said(post: Post, text: str | None = None) -> Sentence:
    """Return the first sentence of ``post`` (or ``text`` in it) as an extractive sentence."""
    quote = text if text is not None else post.text.split("\n")[0]
    start = post.text.index(quote)
    return Sentence(quote, (Citation(post.id, (start, start + len(quote)), quote),))


def both(one: Sentence, other: Sentence) -> Sentence:
    """Return the first sentence citing the second's post as well."""
    return replace(one, citations=(*one.citations, *other.citations))


def trilingual() -> Digest:
    """Return a day of a small town: a bridge, a market, a chat, a shop, three languages."""
    desk = DigestDesk()
    _bridge(desk)
    _water(desk)
    _tram(desk)
    _chat(desk)
    _brief(desk)
    desk.drop(74, "duplicate", of=1001)
    desk.drop(9, "duplicate", of=4242)
    desk.drop(31, "covered", of=1)
    desk.drop(12, "covered", of=2)
    desk.drop(21, "boilerplate", detail="advertisement")
    desk.drop(5, "cooled_down", of=77, detail="its story was in an earlier digest and brought nothing new")
    desk.drop(2, "budget", of=78)
    desk.drop(1, "below_floor", detail="it gives orders to machines that read it")
    return desk.digest(("main", "developing", "chats", "brief"))


def _bridge(desk: DigestDesk) -> None:
    one = desk.post(
        "luhva_novyny",
        "Міст через Лугву закрили для вантажівок: тріщину знайшли в опорі № 3\n"
        "Обмеження діятиме щонайменше до 20 листопада. Автобуси 4 і 11 поїдуть через Садову.",
        "uk", 6.2,
    )  # fmt: skip
    two = desk.post(
        "tipichny_solvych",
        "Трещину в опоре нашли водолазы во время планового осмотра, её длина – 1,4 метра.",
        "ru", 7.9,
    )  # fmt: skip
    three = desk.post(
        "courier_feed",
        "The city says lorries over 3.5 tonnes must take the Northern ring until repairs end.",
        "en", 11.5, url="https://courier.example/bridge?a=1&b=2",
    )  # fmt: skip
    desk.story(
        "main",
        both(said(one), said(two)),
        said(two), said(one, "Автобуси 4 і 11 поїдуть через Садову."), said(three),
        posts=tuple(range(1, 18)), sources=5, families=3, repeats=22, languages=("uk", "ru", "en"),
    )  # fmt: skip


def _water(desk: DigestDesk) -> None:
    one = desk.post(
        "solvych_live",
        "На Заречной вторые сутки нет воды\nВодоканал обещает запустить насос к шести утра. "
        "Подвоз воды организован у школы № 8 и у рынка.",
        "ru", 8.6,
    )  # fmt: skip
    two = desk.post(
        "luhva_dispatch", "Аварійна бригада замінила 40 метрів труби на Зарічній.", "uk", 9.25, url=None
    )
    desk.story(
        "main",
        said(one),
        said(one, "Водоканал обещает запустить насос к шести утра."), said(two),
        posts=(1, 2, 3, 4), sources=2, families=2, repeats=1, since=DAY.start - timedelta(hours=9),
    )  # fmt: skip


def _tram(desk: DigestDesk) -> None:
    one = desk.post(
        "courier_feed",
        "Council votes 14 to 9 to buy twelve low-floor trams\nDeliveries start in spring 2028.",
        "en", 13.0, late=True,
    )  # fmt: skip
    desk.story(
        "developing", said(one), said(one, "Deliveries start in spring 2028."),
        since=DAY.start - timedelta(days=3), continuing=True, late=True, posts=(1, 2),
    )  # fmt: skip


def _chat(desk: DigestDesk) -> None:
    one = desk.post(
        "sadova_chat", "Хтось знає, чому вночі вимикали світло на Садовій, 12?", "uk", 20.1, url=None
    )
    two = desk.post("sadova_chat", "Меняли счётчики, завтра закончат в соседнем доме.", "ru", 20.4, url=None)
    desk.story("chats", said(one), said(two), posts=tuple(range(11)), repeats=0)


def _brief(desk: DigestDesk) -> None:
    one = desk.post("solvych_live", "Рынок на площади в воскресенье откроется в 7:00.", "ru", 15.0)
    two = desk.post("luhva_novyny", "Бібліотека на Миру запускає вечірні курси для дорослих.", "uk", 16.2)
    three = desk.post("tipichny_solvych", "Температура ночью опустится до −4 °C.", "ru", 18.0)
    for post in (one, two, three):
        desk.story("brief", said(post))


NASTY = (
    "<script>alert(1)</script>",
    "</style></p></article><img src=x onerror=alert(1)>",
    "<b>bold</b> <a href='https://evil.example/'>click</a> <tg-spoiler>x</tg-spoiler>",
    "[click](https://evil.example/) ![x](https://evil.example/p.png) [a]: https://evil.example",
    "[x](javascript:alert(1)) <https://evil.example> <javascript:alert(1)>",
    "`code` ``` **bold** _it_ ~~gone~~ | table | $x^2$ \\",
    "# heading", "- item", "1. item", "12) item", "+ item", "> quote", "---", "===", "* * *", ": term", "```",
    "&lt;script&gt; &amp; &copy; &#60;b&#62; &nbsp",
    "https://evil.example/login?a=1 www.evil.example evil.example/x t.me/evil @evil_bot /start #tag",
    "mail evil@evil.example tg://resolve?domain=evil http://127.0.0.1:80/x ftp://evil.example",
    "{{ 7 * 7 }} {% raw %} {# x #} %s {0} ${x}",
    "\u202eevil\u202c \u2066x\u2069 \u200bзер\u200dо \x1b[31mred\x1b]8;;https://evil.example\x07link \x00 \x9b",
    "שלום <b>עולם</b> مرحبا بالعالم",
    "👩\u200d🚀😀" * 20,
    "]]> <!-- --> ' \" onmouseover=alert(1) x='",
    "[bold red]markup[/bold red] [link=https://evil.example]x[/link]",
    "\u2028line\u2029break\nnew\rline\ttab",
)  # fmt: skip


def hostile(texts: Sequence[str] = NASTY, urls: Sequence[str | None] = ()) -> Digest:
    """Return a digest in which every text that a stranger can set is one of ``texts``."""
    desk = DigestDesk()
    for number, text in enumerate(texts):
        other = texts[(number + 1) % len(texts)]
        url = urls[number % len(urls)] if urls else "javascript:alert(1)"
        post = desk.post(
            other, f"{text} {other}", "en", 1, ref=text, family=text, url=url, title=text, author=text
        )
        cite = (Citation(post.id, (0, len(text)), text),)
        languages = ("en", other)
        desk.story(other, Sentence(text, cite), Sentence(other, cite), languages=languages)
        desk.drop(1, "boilerplate", detail=text)
    return desk.digest(subscription=texts[0], method=texts[-1])
