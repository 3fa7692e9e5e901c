"""Write the example stream: `content/day1.txt` .. `day9.txt` and `sources.toml` in, exports and a feed out.

    content/*.txt  →  read_day  →  Draft  →  number  →  Draft with id  →  render  →  stream/NAME/result.json | feed.xml
                                                     →  gold.jsonl, families.json

A content file holds posts one after another, each a head line and its text:

    @ live 07:48 #bridge photo=2 as=first
    The text, with **bold**, __italic__ and [links](https://solvych.example), until the next head.

After the source and the time come, in any order: `#slug` (the story it tells, for gold.jsonl), `as=` (a label for
this post), `re=` (reply to a label), `fwd=` (forwarded: a label, whose text is taken over, or a channel's name with
`_` for spaces), `copy=` (the label whose text replaces `{copy}`), `photo` or `photo=N` (N > 1 is an album),
`edited=HH:MM`, `by=` (who speaks in the group), `react=👍:12,😢:3`, `cat=` (a feed category), `html` (the feed's
title is markup), and the flags `bare` (no footer), `poll`, and `service=ACTION`. Nothing is random: the same content
gives the same bytes.
"""

import hashlib
import html
import json
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).resolve().parent
KYIV: Final = timezone(timedelta(hours=2))
DAY_ONE: Final = datetime(2026, 11, 2, tzinfo=KYIV)
DAYS: Final = 9
ABSENT: Final = "(File not included. Change data exporting settings to download.)"
HEAD: Final = re.compile(r"^@ (?P<source>\w+) (?P<time>\d\d:\d\d)(?P<rest>.*)$")
MARKUP: Final = re.compile(
    r"\*\*(?P<bold>.+?)\*\*|__(?P<italic>.+?)__|\[(?P<text>[^\]]+)\]\((?P<href>[^)\s]+)\)"
    r"|(?P<link>https?://[^\s)]+)|(?P<hashtag>(?<![\w/])#\w+)|(?P<mention>(?<![\w/])@[a-z]\w{4,})"
)


@dataclass(frozen=True, slots=True)
class Source:
    """A line of sources.toml."""

    dir: str
    kind: str
    name: str
    family: str
    id: int
    first_id: int
    footer: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A post as authored. ``at`` is aware, Kyiv time; ``id`` is 0 until `number` gives it one."""

    source: str
    at: datetime
    text: str
    story: str = ""
    options: dict[str, str] = field(default_factory=dict)
    id: int = 0

    @property
    def photos(self) -> int:
        """How many photos it shows."""
        return int(self.options.get("photo") or "photo" in self.options)


@dataclass(frozen=True, slots=True)
class Stream:
    """Everything authored, numbered, in the order of time."""

    sources: dict[str, Source]
    people: dict[str, str]
    posts: tuple[Draft, ...]
    labels: dict[str, Draft]


def read_sources(path: Path) -> tuple[dict[str, Source], dict[str, str]]:
    """Return the sources by their short key and the people of the group by theirs."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    people: dict[str, str] = table.pop("people")
    return {key: Source(**row) for key, row in table.items()}, people


def read_day(path: Path, day: int) -> Iterator[Draft]:
    """Yield the posts of one content file. Raises ValueError when it does not begin with a head line."""
    head: re.Match[str] | None = None
    body: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        found = HEAD.match(line)
        if found:
            if head:
                yield draft(head, body, day)
            head, body = found, []
        elif head:
            body.append(line)
        elif line.strip():
            raise ValueError(f"{path.name}: text before the first head line: {line!r}")
    if head:
        yield draft(head, body, day)


def draft(head: re.Match[str], body: list[str], day: int) -> Draft:
    """Return the post that a head line and the lines under it describe."""
    words = head["rest"].split()
    story = next((word[1:] for word in words if word.startswith("#")), "")
    options = dict(word.partition("=")[::2] for word in words if not word.startswith("#"))
    at = moment(day, head["time"]) + timedelta(seconds=second_of(head[0], body))
    return Draft(head["source"], at, "\n".join(body).strip(), story, options)


def moment(day: int, clock: str) -> datetime:
    """Return HH:MM of a day of the stream, counted from 1."""
    hours, minutes = clock.split(":")
    return DAY_ONE + timedelta(days=day - 1, hours=int(hours), minutes=int(minutes))


def second_of(head: str, body: list[str]) -> int:
    """Return a second within the minute, derived from the post itself, as people post at any second."""
    digest = hashlib.sha256("\n".join([head, *body]).encode()).digest()
    return digest[0] % 59 + 1


def number(drafts: Iterable[Draft], sources: dict[str, Source]) -> tuple[Draft, ...]:
    """Return the posts in the order of time with the ids their sources give. An album takes an id per photo.

    Raises ValueError when two posts of a source share a second, since their order would be anybody's guess.
    """
    following = {key: source.first_id for key, source in sources.items()}
    seen: set[tuple[str, datetime]] = set()
    out: list[Draft] = []
    for post in sorted(drafts, key=lambda item: (item.at, item.source)):
        if (post.source, post.at) in seen:
            raise ValueError(f"two posts of {post.source} at {post.at.isoformat()}")
        seen.add((post.source, post.at))
        out.append(replace(post, id=following[post.source]))
        following[post.source] += max(1, post.photos)
    return tuple(out)


def load(content: Path = HERE / "content") -> Stream:
    """Return the stream that the content files describe, with forwards and copies filled in."""
    sources, people = read_sources(content / "sources.toml")
    drafts = [post for day in range(1, DAYS + 1) for post in read_day(content / f"day{day}.txt", day)]
    numbered = number(drafts, sources)
    labels = {post.options["as"]: post for post in numbered if "as" in post.options}
    posts = tuple(replace(post, text=text_of(post, labels)) for post in numbered)
    return Stream(sources, people, posts, {post.options["as"]: post for post in posts if "as" in post.options})


def text_of(post: Draft, labels: dict[str, Draft]) -> str:
    """Return a post's own text with what it forwards or copies put in."""
    forwarded = labels.get(post.options.get("fwd", ""))
    if forwarded and not post.text:
        return text_of(forwarded, labels)
    if "copy" in post.options:
        return post.text.replace("{copy}", text_of(labels[post.options["copy"]], labels))
    return post.text


def entities(text: str) -> list[dict[str, str]]:
    """Return the parts of a text as Telegram Desktop writes `text_entities`; their texts joined are the text."""
    parts: list[dict[str, str]] = []
    end = 0
    for found in MARKUP.finditer(text):
        if found.start() > end:
            parts.append({"type": "plain", "text": text[end : found.start()]})
        parts.append(entity(found))
        end = found.end()
    if end < len(text):
        parts.append({"type": "plain", "text": text[end:]})
    return parts


def entity(found: re.Match[str]) -> dict[str, str]:
    """Return one marked-up part."""
    if found["href"]:
        return {"type": "text_link", "text": found["text"], "href": found["href"]}
    kind = found.lastgroup or "plain"
    return {"type": kind, "text": found[kind]}


def as_text(parts: list[dict[str, str]]) -> str | list[str | dict[str, str]]:
    """Return the older `text` field: a plain string if nothing is marked up, else strings among objects."""
    if not parts:
        return ""
    if len(parts) == 1 and parts[0]["type"] == "plain":
        return parts[0]["text"]
    return [part["text"] if part["type"] == "plain" else part for part in parts]


def stamp(at: datetime, key: str = "date") -> dict[str, str]:
    """Return a time as exports give it: local without a zone, and seconds since 1970 as a string."""
    return {key: at.strftime("%Y-%m-%dT%H:%M:%S"), f"{key}_unixtime": str(int(at.timestamp()))}


def sender(post: Draft, stream: Stream, key: str = "from") -> dict[str, str]:
    """Return who posted: the channel itself, or a person of the group."""
    source = stream.sources[post.source]
    if source.kind == "channel":
        return {key: source.name, f"{key}_id": f"channel{source.id}"}
    who = post.options["by"]
    return {key: stream.people[who], f"{key}_id": f"user{510_200_000 + list(stream.people).index(who) * 7919}"}


def forwarded(post: Draft, stream: Stream) -> dict[str, str]:
    """Return whom a post is forwarded from: a source of the stream with its id, or a channel outside it."""
    label = post.options.get("fwd")
    if label is None:
        return {}
    if label not in stream.labels:
        return {"forwarded_from": label.replace("_", " ")}
    origin = stream.sources[stream.labels[label].source]
    return {"forwarded_from": origin.name, "forwarded_from_id": f"channel{origin.id}"}


def photo(post: Draft, index: int) -> dict[str, Any]:
    """Return a photo that was not exported. Its size in bytes is made up from the post's id."""
    return {"photo": ABSENT, "photo_file_size": 61_000 + (post.id + index) * 97 % 90_000, "width": 1280, "height": 853}


def poll(text: str) -> tuple[dict[str, Any], str]:
    """Return a poll from its question and its `- answer = votes` lines, and no text, as Telegram has it."""
    question, *lines = text.splitlines()
    pairs = [line.removeprefix("- ").rpartition(" = ") for line in lines if line.strip()]
    answers = [{"text": text, "voters": int(votes), "chosen": False} for text, _, votes in pairs]
    total = sum(int(votes) for _, _, votes in pairs)
    return {"poll": {"question": question, "closed": False, "total_voters": total, "answers": answers}}, ""


def service(post: Draft, stream: Stream) -> dict[str, Any]:
    """Return a service message: somebody joined, something was pinned, the title changed."""
    action = post.options["service"]
    extra: dict[str, Any] = {}
    if action == "pin_message":
        extra = {"message_id": stream.labels[post.options["re"]].id}
    elif action == "join_group_by_link":
        extra = {"inviter": stream.people["olena"]}
    elif action == "edit_group_title":
        extra = {"title": post.text}
    return {
        "id": post.id,
        "type": "service",
        **stamp(post.at),
        **sender(post, stream, "actor"),
        "action": action,
        **extra,
        "text": "",
        "text_entities": [],
    }


def message(post: Draft, stream: Stream) -> Iterator[dict[str, Any]]:
    """Yield the messages of one post: one, or one per photo of an album with the text on the first."""
    if "service" in post.options:
        yield service(post, stream)
        return
    text, extra = post.text, dict[str, Any]()
    if "poll" in post.options:
        extra, text = poll(text)
    footer = stream.sources[post.source].footer
    if footer and not post.options.keys() & {"bare", "poll", "fwd"}:
        text = f"{text}\n\n{footer}"
    for index in range(max(1, post.photos)):
        parts = entities(text) if index == 0 else []
        edited = post.options.get("edited")
        day = (post.at - DAY_ONE).days + 1
        yield {
            "id": post.id + index,
            "type": "message",
            **stamp(post.at),
            **(stamp(moment(day, edited), "edited") if edited else {}),
            **sender(post, stream),
            **forwarded(post, stream),
            **({"reply_to_message_id": stream.labels[post.options["re"]].id} if "re" in post.options else {}),
            **(photo(post, index) if post.photos else {}),
            **extra,
            "text": as_text(parts),
            "text_entities": parts,
            **(reactions(post) if index == 0 else {}),
        }


def reactions(post: Draft) -> dict[str, Any]:
    """Return the reactions under a post, if any."""
    if "react" not in post.options:
        return {}
    pairs = [pair.split(":") for pair in post.options["react"].split(",")]
    return {"reactions": [{"type": "emoji", "count": int(count), "emoji": emoji} for emoji, count in pairs]}


def export(key: str, stream: Stream) -> str:
    """Return a source as Telegram Desktop's `result.json` of a single chat."""
    source = stream.sources[key]
    whole = {
        "name": source.name,
        "type": "public_channel" if source.kind == "channel" else "private_supergroup",
        "id": source.id,
        "messages": [row for post in stream.posts if post.source == key for row in message(post, stream)],
    }
    return json.dumps(whole, ensure_ascii=False, indent=1) + "\n"


def markup(text: str) -> str:
    """Return a text as HTML paragraphs."""
    return "".join(f"<p>{''.join(map(tag, entities(part)))}</p>" for part in text.split("\n\n") if part.strip())


def tag(part: dict[str, str]) -> str:
    """Return one part of a text as HTML."""
    words = html.escape(part["text"], quote=False)
    if part["type"] in ("link", "text_link"):
        return f'<a href="{html.escape(part.get("href", part["text"]))}">{words}</a>'
    name = {"bold": "strong", "italic": "em"}.get(part["type"])
    return f"<{name}>{words}</{name}>" if name else words


def item(post: Draft) -> str:
    """Return a feed item: the first line of the text is its title."""
    title, _, body = post.text.partition("\n")
    page = f"https://luhva-courier.example/news/{post.id}"
    shown = f'<p><img src="{page}.jpg" alt=""></p>' if post.photos else ""
    name = f"<![CDATA[{title}]]>" if "html" in post.options else html.escape(title, quote=False)
    return f"""  <item>
   <title>{name}</title>
   <link>{page}?utm_source=rss&amp;utm_medium=feed</link>
   <guid isPermaLink="false">lc-{post.id}</guid>
   <pubDate>{format_datetime(post.at)}</pubDate>
   <author>newsdesk@luhva-courier.example (The Luhva Courier)</author>
   <category>{post.options.get("cat", "News").replace("_", " ")}</category>
   <description><![CDATA[{shown}{markup(body.strip())}]]></description>
  </item>
"""


def feed(key: str, stream: Stream) -> str:
    """Return a source as an RSS 2.0 feed, newest first."""
    posts = [post for post in stream.posts if post.source == key]
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom">
 <channel>
  <title>{stream.sources[key].name}</title>
  <link>https://luhva-courier.example/</link>
  <atom:link href="https://luhva-courier.example/feed.xml" rel="self" type="application/rss+xml"/>
  <description>News of Solvych and the Luhva Region</description>
  <language>en</language>
  <lastBuildDate>{format_datetime(posts[-1].at)}</lastBuildDate>
{"".join(map(item, reversed(posts)))} </channel>
</rss>
"""


def external_id(post: Draft, stream: Stream) -> str:
    """Return the public name of a post, source/external_id."""
    source = stream.sources[post.source]
    return f"{source.dir}/{'lc-' if source.kind == 'feed' else ''}{post.id}"


def render(stream: Stream) -> dict[str, str]:
    """Return every generated file by its path below this folder."""
    files: dict[str, str] = {}
    for key, source in stream.sources.items():
        name, write = ("feed.xml", feed) if source.kind == "feed" else ("result.json", export)
        files[f"stream/{source.dir}/{name}"] = write(key, stream)
    families = {source.dir: source.family for source in stream.sources.values()}
    files["families.json"] = json.dumps(families, indent=1) + "\n"
    files["gold.jsonl"] = "".join(
        json.dumps({"post": external_id(post, stream), "story": post.story}) + "\n"
        for post in stream.posts
        if post.story
    )
    return files


def main() -> None:
    """Write the files."""
    for name, text in render(load()).items():
        path = HERE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
