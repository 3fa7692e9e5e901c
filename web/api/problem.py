"""Errors as problem details (RFC 9457): what went wrong, and what to do, never what was sent or how it is built."""

import json
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from domains.errors import Busy, InputError, NotFound, Refused, SvodkaError, Unavailable, UsageError

logger = logging.getLogger("svodka.api")
MEDIA: Final = "application/problem+json"
# The first that fits decides: a subclass stands before its parent.
STATUS: Final[tuple[tuple[type[SvodkaError], int], ...]] = (
    (UsageError, 422),
    (NotFound, 404),
    (Refused, 403),
    (InputError, 422),
    (Busy, 503),
    (Unavailable, 503),
)


class Fault(BaseModel):
    """What is wrong with one part of a request."""

    where: str = Field(description="The part, as a path such as body.filters.langs.0")
    what: str


class Problem(BaseModel):
    """Problem details."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    remedy: str | None = None
    errors: list[Fault] | None = None


class Stop(Exception):
    """An answer that ends a request early."""

    def __init__(
        self, status: int, detail: str, remedy: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.remedy, self.headers = status, detail, remedy, dict(headers or {})


def body(status: int, detail: str, remedy: str | None = None, errors: Sequence[Fault] = ()) -> bytes:
    """Return problem details as JSON."""
    made = Problem(
        title=HTTPStatus(status).phrase, status=status, detail=detail, remedy=remedy, errors=[*errors] or None
    )
    return json.dumps(made.model_dump(exclude_none=True), ensure_ascii=False).encode()


def answer(
    status: int,
    detail: str,
    remedy: str | None = None,
    errors: Sequence[Fault] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the response with problem details."""
    return Response(body(status, detail, remedy, errors), status, dict(headers or {}), MEDIA)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what the OpenAPI says of these statuses."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA: {"schema": schema}}}
        for status in statuses
    }


def install(app: FastAPI) -> None:
    """Answer every error of ``app`` with problem details."""
    app.add_exception_handler(Stop, _stopped)
    app.add_exception_handler(SvodkaError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unforeseen)


async def _stopped(_: Request, error: Exception) -> Response:
    if not isinstance(error, Stop):
        raise error
    return answer(error.status, error.detail, error.remedy, headers=error.headers)


async def _ours(_: Request, error: Exception) -> Response:
    status = next((status for kind, status in STATUS if isinstance(error, kind)), 500)
    if status >= 500:
        # What did not answer is ours to know: its address and reason are for the log.
        logger.error("a request failed: %s: %s", type(error).__name__, error)
        headers = {"Retry-After": "5"} if status == 503 else {}
        return answer(
            status, "Something that is needed does not answer.", "try again in a while", headers=headers
        )
    return answer(status, str(error), getattr(error, "remedy", None))


async def _invalid(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    if any(one["loc"] == ("body",) for one in error.errors()) and not _is_json(request):
        return answer(415, "The body is not declared as JSON.", "send Content-Type: application/json")
    # Nothing of the input is repeated: it may be a secret in the wrong place, or no text at all.
    found = [Fault(where=".".join(map(str, one["loc"])), what=str(one["msg"])) for one in error.errors()]
    if any(one["type"] == "json_invalid" for one in error.errors()):
        return answer(400, "The body is not JSON.")
    return answer(422, "The request is not what the description asks for.", errors=found[:20])


def _is_json(request: Request) -> bool:
    """Return whether a body is declared as JSON; one that is not there needs no declaration."""
    if request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers:
        return True
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


async def _http(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return answer(error.status_code, str(error.detail), headers=error.headers)


async def _unforeseen(_: Request, error: Exception) -> Response:
    logger.error("a request failed", exc_info=error)
    return answer(500, "This should not have happened; the log says more.")
