"""The HTTP API as one application.

request ─▶ Guard (size, time) ─▶ door (key, scope, pace) ─▶ ask | read | measure ─▶ answer, or problem details
"""

import json
import queue
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.metadata import version
from typing import Annotated, Any, Final

import msgspec
from fastapi import Depends, FastAPI, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import StreamingResponse
from prometheus_client import CollectorRegistry, generate_latest

from domains.answer import Told
from domains.errors import SvodkaError, Unavailable
from monitoring.exporter import Exporter
from monitoring.shelf import Shelf
from services import census
from services.apikey import Caller
from services.wiring import World
from tasks.ask import Asker, Asking
from web.api import problem, reading
from web.api.door import BASIC, door
from web.api.guard import Guard
from web.api.model import Dependency, Health, QuestionBody
from web.api.problem import Stop, responses

STREAM: Final = "text/event-stream"
TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
ASKED: Final = responses(400, 401, 403, 408, 413, 415, 422, 429, 503, 504)
EVENT: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "event": {"enum": ["stage", "sentence", "answer", "problem"]},
        "data": {"type": "string", "description": "One JSON value on one line"},
    },
}
EVENTS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Events: `stage` as each begins, `sentence` for each verified one, then `answer` with the whole "
        "(as POST /rag/query returns it), or `problem`",
        "content": {STREAM: {"schema": EVENT}},
    }
}
METRICS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Prometheus's text format",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
}
DESCRIPTION: Final = (
    "Questions answered from posts, every sentence traceable to one; digests and trends. Errors are problem details "
    "(RFC 9457). A question is data: nothing in it, or in a post, is an instruction to anybody."
)


def build(world: World, guard: type[Guard] = Guard) -> FastAPI:
    """Return the application over ``world``, which stays the caller's to close."""
    app = FastAPI(
        title="Svodka", version=version("svodka"), description=DESCRIPTION, docs_url=None, redoc_url=None
    )
    problem.install(app)
    _asking(app, world)
    app.include_router(reading.router(world))
    _watching(app, world)
    app.add_middleware(guard)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # the way FastAPI names for it
    return app


def _asking(app: FastAPI, world: World) -> None:
    asker = Asker(world)
    person = Annotated[Caller, Depends(door(world, "ask"))]

    @app.post("/rag/query", responses=ASKED, tags=["asking"])
    def ask(body: QuestionBody, caller: person) -> Told:
        """Answer a question from the tenant's posts; `known` is false when they do not answer it."""
        return asker.ask(caller.tenant_id, _asking_of(body, caller))

    @app.post("/rag/stream", responses={**ASKED, **EVENTS}, response_class=Response, tags=["asking"])
    def stream(body: QuestionBody, caller: person) -> StreamingResponse:
        """Answer a question as server-sent events."""
        asking = _asking_of(body, caller)
        return StreamingResponse(_events(asker, caller.tenant_id, asking), media_type=STREAM)


def _asking_of(body: QuestionBody, caller: Caller) -> Asking:
    if body.tenant is not None and body.tenant != caller.tenant:
        raise Stop(
            403, "This key is another tenant's.", "leave tenant out: the key says whose posts are read"
        )
    return Asking(body.question, body.filters.value(), body.path, body.session, caller.key_id)


def _events(asker: Asker, tenant_id: int, asking: Asking) -> Iterator[str]:
    """Yield the events of one answer while another thread makes it."""
    stages: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="stream") as pool:
        made: Future[Told] = pool.submit(asker.ask, tenant_id, asking, stages.put)
        made.add_done_callback(lambda _: stages.put(None))
        while (stage := stages.get()) is not None:
            yield _event("stage", {"stage": stage})
        try:
            told = made.result()
        except SvodkaError as error:
            away = isinstance(error, Unavailable)
            detail = "Something that is needed does not answer." if away else str(error)
            yield _event("problem", json.loads(problem.body(503 if away else 422, detail, error.remedy)))
            return
        for sentence in told.sentences:
            yield _event("sentence", msgspec.to_builtins(sentence))
        yield _event("answer", msgspec.to_builtins(told))


def _event(name: str, value: Any) -> str:
    return f"event: {name}\ndata: {json.dumps(value, ensure_ascii=False)}\n\n"


def _watching(app: FastAPI, world: World) -> None:
    set_ = world.settings
    urls = {"postgres": set_.database_url, "redis": set_.redis_url}
    servers = [census.Server(name, url.get_secret_value()) for name, url in urls.items() if url]
    if set_.qdrant_url:
        servers.append(census.Server("qdrant", set_.qdrant_url))
    if set_.neo4j_url:
        servers.append(census.Server("neo4j", set_.neo4j_url.get_secret_value()))
    registry = CollectorRegistry(auto_describe=False)
    counted = census.Census(world.database, world.clock, tuple(servers[1:]), set_.var)
    registry.register(Exporter(Shelf(set_.counters), counted, census.known(set_)))
    watcher = Annotated[Caller, Depends(door(world, "metrics"))]

    @app.get("/healthz", tags=["watching"], responses={503: {"model": Health, "description": "Not ready"}})
    def healthz(response: Response) -> Health:
        """Say whether this process lives, and whether what it needs answers: 503 while nothing can be answered."""
        found = [Dependency(name="postgres", ok=_answers(world), vital=True)]
        found += [Dependency(name=one.name, ok=census.answers(one), vital=False) for one in servers[1:]]
        ready = all(one.ok for one in found if one.vital)
        response.status_code = 200 if ready else 503
        return Health(ready=ready, dependencies=found)

    @app.get(
        "/metrics",
        tags=["watching"],
        responses={**METRICS, **responses(401, 403, 429, 503, 504)},
        response_class=Response,
    )
    def metrics(_: watcher) -> Response:
        """Return this host's metrics."""
        return Response(generate_latest(registry), media_type=TEXT)


def _answers(world: World) -> bool:
    try:
        return world.database.revision() is not None
    except Unavailable:
        return False


def _openapi(app: FastAPI) -> dict[str, Any]:
    """Return the description: what every route may answer, and the ways to present a key."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes)
        parts = made["components"]
        parts["schemas"]["Problem"] = problem.Problem.model_json_schema(
            ref_template="#/components/schemas/{model}"
        )
        parts["schemas"] |= parts["schemas"]["Problem"].pop("$defs", {})
        parts["securitySchemes"][BASIC.scheme_name] = BASIC.model.model_dump(
            mode="json", by_alias=True, exclude_none=True
        )
        _lift(made, parts["schemas"])
        for path in made["paths"].values():
            for operation in path.values():
                if operation.get("security"):
                    operation["security"] = [*operation["security"], {BASIC.scheme_name: []}]
        parts["schemas"].pop("HTTPValidationError", None)
        parts["schemas"].pop("ValidationError", None)
        app.openapi_schema = made
    return app.openapi_schema


def _lift(made: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Put the digest's definitions among the description's own."""
    content = made["paths"]["/digests/{number}"]["get"]["responses"]["200"]["content"]["application/json"]
    inner = content["schema"].pop("$defs", {})
    text = json.dumps({"whole": content["schema"], **inner}).replace(
        '"#/$defs/', '"#/components/schemas/digest-'
    )
    parts = json.loads(text)
    content["schema"] = parts.pop("whole")
    schemas |= {f"digest-{name}": value for name, value in parts.items()}
