"""Trends of a caller's tenant: a list, one with its card, its page, and a feed."""

import math
from typing import Any

from fastapi import APIRouter, Request, Response

from domains.card import Facts
from domains.digest import Card, Sentence
from domains.errors import NotFound
from services import bulletin, card
from services import trend as trends
from services.page import clean, safe_url
from services.wiring import World
from web.api import feed
from web.api.kind import FEED, PAGE, Limit, Number
from web.api.model import (
    TrendBody,
    TrendCardBody,
    TrendLine,
    TrendPointBody,
    TrendPost,
    TrendQuote,
    TrendSentence,
)
from web.api.problem import responses


def add(routes: APIRouter, world: World, reader: Any) -> None:
    """Add the routes; ``reader`` is the dependency that says whose trends are shown."""
    _lists(routes, world, reader)
    _ones(routes, world, reader)


def _lists(routes: APIRouter, world: World, reader: Any) -> None:
    @routes.get("/trends")
    def trend_list(caller: reader, limit: Limit = 50) -> list[TrendLine]:
        """List trends, the newest first."""
        with world.database.transaction() as session:
            return [_line(one) for one in trends.trends(session, caller.tenant_id, limit=limit)]

    @routes.get("/trends.atom", responses=FEED, response_class=Response, summary="Trends as a feed")
    def trend_feed(caller: reader, request: Request) -> Response:
        """Return the newest 50 trends with their cards, for a feed reader."""
        base = feed.root(world.settings.web_url, request.base_url)
        now = world.clock.now()
        with world.database.transaction() as session:
            found = trends.trends(session, caller.tenant_id, limit=50)
            entries = [_entry(one, card.load(session, one, now=now), base) for one in found]
        return Response(
            feed.atom(f"Trends of {caller.tenant}", f"{base}trends.atom", entries), media_type=feed.MEDIA
        )


def _ones(routes: APIRouter, world: World, reader: Any) -> None:
    @routes.get("/trends/{number}", responses=responses(404))
    def trend(caller: reader, number: Number) -> TrendBody:
        """Return a trend with its course, its posts, and what it is about."""
        with world.database.transaction() as session:
            known, points, posts = trends.trend(session, caller.tenant_id, number)
            made = card.load(session, known, now=world.clock.now())
            return TrendBody(
                **_line(known).model_dump(),
                course=[
                    TrendPointBody(at=one.at, state=one.state, posts=one.posts, settled=one.settled)
                    for one in points
                ],
                members=[TrendPost.model_validate(one) for one in posts],
                card=_card(made) if made else None,
            )

    @routes.get("/trends/{number}/page", responses={**PAGE, **responses(404)}, response_class=Response)
    def page(caller: reader, number: Number) -> Response:
        """Return a trend's card as a page that loads nothing and runs nothing."""
        with world.database.transaction() as session:
            known, _, _ = trends.trend(session, caller.tenant_id, number)
            made = card.load(session, known, now=world.clock.now())
        if made is None:
            raise NotFound(f"trend {number} has no card yet", remedy="GET /trends/{number} shows its posts")
        digest = bulletin.alone(known, made, caller.tenant)
        parcel = world.renderer.parcel(digest, key=f"trend-{number}", run="")
        return Response(parcel.html, media_type="text/html")


def _line(known: trends.Known) -> TrendLine:
    row, point = known.trend, known.point
    return TrendLine.model_validate(
        {
            "id": row.id, "title": row.title, "state": point.state, "since": row.since, "at": point.at,
            "posts": point.posts, "publishers": point.families, "p_value": row.p_value, "chance": known.chance,
        }
    )  # fmt: skip


def _entry(known: trends.Known, made: Card | None, base: str) -> feed.Entry:
    row, point = known.trend, known.point
    counted = (
        f"{point.state} since {row.since:%Y-%m-%d %H:%M} UTC, {point.posts} posts of {point.families} publishers, "
        f"by chance {known.chance}"
    )
    told = " ".join(clean(one.text) for one in made.story.sentences) if made else ""
    title = clean(made.story.headline.text) if made else row.title
    text = "\n".join(part for part in (told, counted) if part)
    return feed.Entry(
        str(row.id),
        title,
        point.at,
        text,
        f"{base}trends/{row.id}/page" if made else f"{base}trends/{row.id}",
    )


def _card(made: Card) -> TrendCardBody | None:
    facts = made.story.trend
    if not isinstance(facts, Facts):
        return None
    return TrendCardBody(
        title=_sentence(made.story.headline, made),
        text=[_sentence(one, made) for one in made.story.sentences],
        days=facts.days if math.isfinite(facts.days) else None,
        course_start=facts.course.start,
        step_s=facts.course.step_s,
        course=list(facts.course.counts),
        spark=facts.course.spark,
        publishers=list(facts.publishers),
        names=list(facts.names),
        words=list(facts.words),
        related=[one.trend for one in facts.related],
    )


def _sentence(sentence: Sentence, made: Card) -> TrendSentence:
    posts = {post.id: post for post in made.posts}
    return TrendSentence(
        text=sentence.text,
        citations=[
            TrendQuote(post=post.ref, url=safe_url(post.url), quote=one.quote)
            for one in sentence.citations
            if (post := posts.get(one.post)) is not None
        ],
    )
