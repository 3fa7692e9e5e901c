"""`svodka trend`: what rises, since when, and how unusual that is."""

from datetime import timedelta
from typing import Any

import click
from rich.console import Console

from cli import frame
from domains.card import Facts
from domains.digest import Card, Digest
from domains.lifecycle import STATES
from services import bulletin, card
from services import trend as trends
from services.wiring import World


@click.group(cls=frame.Group)
def trend() -> None:
    """Show trends."""


@trend.command("list")
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Only these states.")
@click.option(
    "--days", default=3, show_default=True, type=click.IntRange(1, 366), help="How far back to look."
)
@click.option(
    "--limit", default=50, show_default=True, type=click.IntRange(1, 1000), help="How many to show."
)
@click.option("--refused", is_flag=True, help="Show what was unusual and no trend, and why.")
def list_(states: tuple[str, ...], days: int, limit: int, *, refused: bool) -> None:
    """List trends, the newest first."""
    with frame.world() as world, world.database.transaction() as session:
        tenant_id = frame.tenant(session, world.settings.tenant)
        since = world.clock.now() - timedelta(days=days)
        if refused:
            rows = [
                {"at": f"{one.at:%Y-%m-%d %H:%M}", "unit": one.unit, "posts": len(one.posts), "why": one.why}
                for one in trends.refusals(session, tenant_id, since=since)[:limit]
            ]
        else:
            found = trends.trends(session, tenant_id, states=states, since=since, limit=limit)
            rows = [_row(one) for one in found]
        _table(rows, trends.missing(session, tenant_id, now=world.clock.now()) or f"No trend in {days} days.")


@trend.command()
@click.argument("number")
def show(number: str) -> None:
    """Show one trend: its course and its posts."""
    with frame.world() as world, world.database.transaction() as session:
        tenant_id = frame.tenant(session, world.settings.tenant)
        known, points, posts = trends.trend(session, tenant_id, frame.number(number, "trend"))
        made = card.load(session, known, now=world.clock.now())
        value = _row(known) | {
            "card": _card(made),
            "unit": known.trend.unit,
            "wave": known.trend.wave,
            "p_value": known.trend.p_value,
            "also": known.trend.also,
            "course": [
                {"at": point.at.isoformat(), "state": point.state, "posts": point.posts, "settled": point.settled,
                 "velocity": round(point.velocity, 2), "acceleration": round(point.acceleration, 2),
                 "next_6h": [point.expected_low, point.expected_high]}
                for point in points
            ],
            "posts": posts,
        }  # fmt: skip
        shown = bulletin.alone(known, made, world.settings.tenant) if made else None
    frame.show(value, lambda console: _print(console, value, _terminal(world, console, shown)))


def _row(known: trends.Known) -> dict[str, Any]:
    return {
        "trend": known.trend.id,
        "title": known.trend.title,
        "state": known.point.state,
        "since": f"{known.trend.since:%Y-%m-%d %H:%M}",
        "posts": known.point.posts,
        "publishers": known.point.families,
        "by chance": known.chance,
    }


def _table(rows: list[dict[str, Any]], nothing: str) -> None:
    if rows:
        names = list(rows[0])
        frame.show(rows, frame.columns(None, names, [[row[name] for name in names] for row in rows]))
    else:
        frame.show(rows, lambda console: console.print(nothing, markup=False))


def _card(made: Card | None) -> dict[str, Any] | None:
    """Return what a card says, each sentence with the posts it cites; None where there is none."""
    if made is None:
        return None
    refs = {post.id: post.ref for post in made.posts}
    told = [
        {"text": one.text, "cites": [refs[cited.post] for cited in one.citations if cited.post in refs]}
        for one in (made.story.headline, *made.story.sentences)
    ]
    facts = made.story.trend
    if not isinstance(facts, Facts):
        return {"title": told[0], "text": told[1:]}
    return {
        "title": told[0], "text": told[1:], "course": list(facts.course.counts), "step_s": facts.course.step_s,
        "publishers": list(facts.publishers), "names": list(facts.names), "words": list(facts.words),
        "related": [{"trend": one.trend, "title": one.title} for one in facts.related],
    }  # fmt: skip


def _terminal(world: World, console: Console, shown: Digest | None) -> str:
    if shown is None:
        return ""
    return world.renderer.terminal(shown, width=min(console.width, 100), colour=console.is_terminal)


def _print(console: Console, value: dict[str, Any], shown: str) -> None:
    if shown:
        print(shown, end="\n\n")
    console.print(f"{value['title']}", markup=False, style="bold")
    console.print(
        f"{value['state']} since {value['since']}: {len(value['posts'])} posts of {value['publishers']} "
        f"publishers; by chance {value['by chance']}",
        markup=False,
    )
    if value["also"]:
        console.print(f"rose together: {', '.join(value['also'])}", markup=False)
    for point in value["course"]:
        low, high = point["next_6h"]
        draft = "" if point["settled"] else "  (draft)"
        console.print(
            f"  {point['at']}  {point['state']:9} {point['velocity']:+.1f} posts/h, next 6 h {low}-{high}{draft}",
            markup=False,
        )
    for post in value["posts"]:
        console.print(f"  {post['at']}  {post['source']}: {post['title']}", markup=False)
