"""Write the example stream: what `draft.load` read in, exports and a feed out.

    content/*.txt  →  draft.load  →  Stream  →  render  →  stream/NAME/result.json | feed.xml
                                                        →  stream.toml, families.json, gold.jsonl

`examples/draft.py` says how posts are written down. Nothing is random: the same content gives the same bytes.
"""

import html
import json
import re
from collections.abc import Iterator
from datetime import datetime
from email.utils import format_datetime
from typing import Any, Final

from examples.draft import DAY_ONE, DAYS, HERE, Draft, Source, Stream, load, moment

ABSENT: Final = "(File not included. Change data exporting settings to download.)"
MARKUP: Final = re.compile(
    r"\*\*(?P<bold>.+?)\*\*|__(?P<italic>.+?)__|\[(?P<text>[^\]]+)\]\((?P<href>[^)\s]+)\)"
    r"|(?P<link>https?://[^\s)]+)|(?P<hashtag>(?<![\w/])#\w+)|(?P<mention>(?<![\w/])@[a-z]\w{4,})"
)


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
    return {
        key: stream.people[who],
        f"{key}_id": f"user{510_200_000 + list(stream.people).index(who) * 7919}",
    }


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
    return {
        "photo": ABSENT,
        "photo_file_size": 61_000 + (post.id + index) * 97 % 90_000,
        "width": 1280,
        "height": 853,
    }


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
    text = f"{text}{footer(post, stream)}"
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


def footer(post: Draft, stream: Stream) -> str:
    """Return what a channel adds under its posts; a forwarded post keeps the footer of where it comes from."""
    origin = stream.labels.get(post.options.get("fwd", ""), post)
    words = stream.sources[origin.source].footer
    return f"\n\n{words}" if words and not post.options.keys() & {"bare", "poll"} else ""


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
    return "".join(
        f"<p>{''.join(map(tag, entities(part)))}</p>" for part in text.split("\n\n") if part.strip()
    )


def tag(part: dict[str, str]) -> str:
    """Return one part of a text as HTML."""
    words = html.escape(part["text"], quote=False)
    if part["type"] in ("link", "text_link"):
        return f'<a href="{html.escape(part.get("href", part["text"]))}">{words}</a>'
    name = {"bold": "strong", "italic": "em"}.get(part["type"])
    return f"<{name}>{words}</{name}>" if name else words


def dated(post: Draft) -> str:
    """Return a feed item's date, if it has one. A late item stands where it appeared, with the date it claims."""
    if "undated" in post.options:
        return ""
    day, _, clock = post.options.get("dated", "").partition("/")
    at = moment(int(day), clock) if clock else post.at
    return f"\n   <pubDate>{format_datetime(at)}</pubDate>"


def item(post: Draft) -> str:
    """Return a feed item: the first line of the text is its title."""
    title, _, body = post.text.partition("\n")
    page = f"https://luhva-courier.example/news/{post.id}"
    shown = f'<p><img src="{page}.jpg" alt=""></p>' if post.photos else ""
    raw = "html" in post.options
    name = f"<![CDATA[{title}]]>" if raw else html.escape(title, quote=False)
    guid = "" if "noguid" in post.options else f'\n   <guid isPermaLink="false">lc-{post.id}</guid>'
    return f"""  <item>
   <title>{name}</title>
   <link>{page}?utm_source=rss&amp;utm_medium=feed</link>{guid}{dated(post)}
   <author>newsdesk@luhva-courier.example (The Luhva Courier)</author>
   <category>{post.options.get("cat", "News").replace("_", " ")}</category>
   <description><![CDATA[{shown}{body.strip() if raw else markup(body.strip())}]]></description>
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


def manifest(stream: Stream) -> str:
    """Return what an importer needs to know of each source, as TOML."""
    days = f'zone = "Europe/Kyiv"\nfirst_day = {DAY_ONE:%Y-%m-%d}\ndays = {DAYS}\n'
    rows = [
        {
            "name": source.dir,
            "kind": "feed" if source.kind == "feed" else "telegram",
            "path": path_of(source),
            "family": source.family,
            "title": source.name,
        }
        for source in stream.sources.values()
    ]
    tables = ["".join(f"{key} = {quoted(value)}\n" for key, value in row.items()) for row in rows]
    return days + "".join(f"\n[[source]]\n{table}" for table in tables)


def path_of(source: Source) -> str:
    """Return where a source's file is, below this folder."""
    return f"stream/{source.dir}/{'feed.xml' if source.kind == 'feed' else 'result.json'}"


def quoted(text: str) -> str:
    """Return a TOML basic string: JSON's quoting is within it."""
    return json.dumps(text, ensure_ascii=False)


def render(stream: Stream) -> dict[str, str]:
    """Return every generated file by its path below this folder."""
    files = {
        path_of(source): feed(key, stream) if source.kind == "feed" else export(key, stream)
        for key, source in stream.sources.items()
    }
    files["stream.toml"] = manifest(stream)
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
