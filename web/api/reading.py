"""What was made: digests and trends of a caller's tenant, as JSON, as a page and as feeds."""

from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request, Response

from domains.digest import Digest
from domains.errors import NotFound
from services import archive, document, run
from services import trend as trends
from services.apikey import Caller
from services.wiring import World
from web.api import feed
from web.api.door import door
from web.api.model import DigestLine, TrendBody, TrendLine, TrendPointBody, TrendPost, WindowBody
from web.api.problem import responses

Number = Annotated[int, Path(ge=1, le=2**53 - 1)]
Limit = Annotated[int, Query(ge=1, le=200)]
GUARDED: Final = responses(401, 403, 422, 429, 503, 504)
FEED: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "An Atom feed", "content": {feed.MEDIA: {"schema": {"type": "string"}}}}
}
PAGE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "A page without scripts", "content": {"text/html": {"schema": {"type": "string"}}}}
}


def router(world: World) -> APIRouter:
    """Return the routes; the caller's key decides whose digests they show."""
    routes = APIRouter(tags=["reading"], responses=GUARDED)
    reader = Annotated[Caller, Depends(door(world, "read"))]
    _digests(routes, world, reader)
    _trends(routes, world, reader)
    return routes


def _digests(routes: APIRouter, world: World, reader: Any) -> None:
    @routes.get("/digests")
    def digests(caller: reader, limit: Limit = 50) -> list[DigestLine]:
        """List the newest digests."""
        return _lines(world, caller, limit)

    @routes.get("/digests.atom", responses=FEED, response_class=Response, summary="Digests as a feed")
    def digest_feed(caller: reader, request: Request) -> Response:
        """Return the newest 50 digests that were made, for a feed reader."""
        base = str(request.base_url)
        entries = []
        for line in _lines(world, caller, 50):
            made = _digest(world, caller, line.id)
            text = "\n".join(story.headline.text for story in made.stories)
            title = f"{line.subscription}, {line.window.end:%Y-%m-%d %H:%M} UTC"
            entries.append(
                feed.Entry(str(line.id), title, line.window.end, text, f"{base}digests/{line.id}/page")
            )
        made_feed = feed.atom(f"Digests of {caller.tenant}", f"{base}digests.atom", entries)
        return Response(made_feed, media_type=feed.MEDIA)

    @routes.get(
        "/digests/{number}",
        responses={200: {"content": {"application/json": {"schema": _schema()}}}, **responses(404)},
        response_class=Response,
    )
    def digest(caller: reader, number: Number) -> Response:
        """Return a digest: every sentence with the posts and spans it rests on."""
        parcel = world.renderer.parcel(_digest(world, caller, number), key=f"run-{number}", run=number)
        return Response(parcel.json, media_type="application/json")

    @routes.get("/digests/{number}/page", responses={**PAGE, **responses(404)}, response_class=Response)
    def page(caller: reader, number: Number) -> Response:
        """Return a digest as a page that loads nothing and runs nothing."""
        parcel = world.renderer.parcel(_digest(world, caller, number), key=f"run-{number}", run=number)
        return Response(parcel.html, media_type="text/html")


def _trends(routes: APIRouter, world: World, reader: Any) -> None:
    @routes.get("/trends")
    def trend_list(caller: reader, limit: Limit = 50) -> list[TrendLine]:
        """List trends, the newest first."""
        with world.database.transaction() as session:
            return [_line(one) for one in trends.trends(session, caller.tenant_id, limit=limit)]

    @routes.get("/trends.atom", responses=FEED, response_class=Response, summary="Trends as a feed")
    def trend_feed(caller: reader, request: Request) -> Response:
        """Return the newest 50 trends, for a feed reader."""
        base = str(request.base_url)
        with world.database.transaction() as session:
            found = [_line(one) for one in trends.trends(session, caller.tenant_id, limit=50)]
        entries = [
            feed.Entry(
                str(one.id),
                one.title,
                one.at,
                f"{one.state} since {one.since:%Y-%m-%d %H:%M} UTC, {one.posts} posts of {one.publishers} publishers",
                f"{base}trends/{one.id}",
            )
            for one in found
        ]
        return Response(
            feed.atom(f"Trends of {caller.tenant}", f"{base}trends.atom", entries), media_type=feed.MEDIA
        )

    @routes.get("/trends/{number}", responses=responses(404))
    def trend(caller: reader, number: Number) -> TrendBody:
        """Return a trend with its course and its posts."""
        with world.database.transaction() as session:
            known, points, posts = trends.trend(session, caller.tenant_id, number)
            return TrendBody(
                **_line(known).model_dump(),
                course=[
                    TrendPointBody(at=one.at, state=one.state, posts=one.posts, settled=one.settled)
                    for one in points
                ],
                members=[TrendPost.model_validate(one) for one in posts],
            )


def _lines(world: World, caller: Caller, limit: int) -> list[DigestLine]:
    with world.database.transaction() as session:
        return [
            DigestLine(
                id=row.id,
                subscription=name,
                window=WindowBody(start=row.window_start, end=row.window_end),
                ended_at=row.ended_at,
                decision=row.decision,
                rung=row.rung,
                score=row.score,
            )
            for row, name in run.listing(session, caller.tenant_id, limit)
            if row.digest_sha256 is not None
        ]


def _digest(world: World, caller: Caller, number: int) -> Digest:
    """Return a digest of the caller's tenant. Raises NotFound, whoever else may have one of that number."""
    with world.database.transaction() as session:
        try:
            row = run.get(session, number)
        except NotFound:
            row = None
        if row is None or row.tenant_id != caller.tenant_id or row.digest_sha256 is None:
            raise NotFound(f"no digest {number}", remedy="GET /digests lists those there are")
        return msgspec.json.decode(archive.get(session, row.digest_sha256), type=Digest)


def _line(known: trends.Known) -> TrendLine:
    row, point = known.trend, known.point
    return TrendLine.model_validate(
        {
            "id": row.id, "title": row.title, "state": point.state, "since": row.since, "at": point.at,
            "posts": point.posts, "publishers": point.families, "p_value": row.p_value,
        }
    )  # fmt: skip


def _schema() -> dict[str, Any]:
    """Return the digest's own schema, its references led to where the OpenAPI keeps its definitions."""
    text = document.SCHEMA.read_text(encoding="utf-8")
    whole: dict[str, Any] = msgspec.json.decode(text)
    return {name: value for name, value in whole.items() if name not in {"$schema", "$id"}}
