"""What was made: digests and trends of a caller's tenant, as JSON, as a page and as feeds."""

from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Request, Response

from domains.digest import Digest
from domains.errors import NotFound
from services import archive, document, run
from services.apikey import Caller
from services.wiring import World
from web.api import feed, trend
from web.api.door import door
from web.api.kind import FEED, PAGE, Limit, Number
from web.api.model import DigestLine, WindowBody
from web.api.problem import responses

GUARDED: Final = responses(401, 403, 422, 429, 503, 504)


def router(world: World) -> APIRouter:
    """Return the routes; the caller's key decides whose digests they show."""
    routes = APIRouter(tags=["reading"], responses=GUARDED)
    reader = Annotated[Caller, Depends(door(world, "read"))]
    _digests(routes, world, reader)
    trend.add(routes, world, reader)
    return routes


def _digests(routes: APIRouter, world: World, reader: Any) -> None:
    @routes.get("/digests")
    def digests(caller: reader, limit: Limit = 50) -> list[DigestLine]:
        """List the newest digests."""
        return _lines(world, caller, limit)

    @routes.get("/digests.atom", responses=FEED, response_class=Response, summary="Digests as a feed")
    def digest_feed(caller: reader, request: Request) -> Response:
        """Return the newest 50 digests that were made, for a feed reader."""
        base = feed.root(world.settings.web_url, request.base_url)
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


def _schema() -> dict[str, Any]:
    """Return the digest's own schema, its references led to where the OpenAPI keeps its definitions."""
    text = document.SCHEMA.read_text(encoding="utf-8")
    whole: dict[str, Any] = msgspec.json.decode(text)
    return {name: value for name, value in whole.items() if name not in {"$schema", "$id"}}
