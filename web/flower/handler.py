"""What every page and every answer of ours shares: the user, safe headers, work off the loop, errors said plainly."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeVar

from flower.api import BaseApiHandler
from flower.views import BaseHandler
from tornado.ioloop import IOLoop
from tornado.web import HTTPError, RequestHandler

from domains.errors import Busy, InputError, NotFound, Refused, SvodkaError, Unavailable, UsageError
from web.flower import gate

T = TypeVar("T")
CODES: Final[tuple[tuple[type[SvodkaError], int], ...]] = (
    (NotFound, 404), (Busy, 409), (Refused, 403), (UsageError, 422), (InputError, 422), (Unavailable, 503),
)  # fmt: skip
# Posts are hostile and end up on these pages: nothing of theirs may run, load, frame or send anything.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class Ours:
    """A handler that may change something; Flower's other handlers may only be read."""

    def get_current_user(self: Any) -> str | None:
        """Return the user's name, which is written into the audit."""
        user: str | None = self.application.gate.user(self.request.headers.get("Authorization"))
        return user

    def set_default_headers(self: Any) -> None:
        """Set headers that keep the answer from being framed, guessed at or kept."""
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("X-Frame-Options", "DENY")
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("Cache-Control", "no-store")
        self.set_header("Content-Security-Policy", POLICY)

    async def run(self: Any, work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Do blocking work on a thread, so that the loop serves others meanwhile, and return what it returns."""
        executor = self.application.executor
        return await IOLoop.current().run_in_executor(executor, partial(work, *args, **kwargs))

    def send_error(self: Any, status_code: int = 500, **kwargs: Any) -> None:
        """Answer an error of the product's own with the code that it stands for."""
        error = kwargs.get("exc_info", (None, None))[1]
        super().send_error(code_of(error, status_code), **kwargs)  # type: ignore[misc]  # a mixin of handlers

    def log_exception(self: Any, kind: Any, error: Any, trace: Any) -> None:
        """Log only what was not foreseen."""
        if not isinstance(error, SvodkaError):
            super().log_exception(kind, error, trace)  # type: ignore[misc]  # a mixin of handlers


class InJson(Ours):
    """A handler that answers errors in JSON."""

    def write_error(self: Any, status_code: int, **kwargs: Any) -> None:
        """Answer with the error's name, message and remedy, as `svodka --json` does."""
        self.finish(complaint(kwargs.get("exc_info"), status_code))


class Page(Ours, BaseHandler):  # type: ignore[misc]  # Flower is not typed
    """A page of ours. Its forms carry Tornado's token, which Flower itself asks for only under OAuth."""

    said: Mapping[str, str] | None = None

    def check_xsrf_cookie(self) -> None:
        """Refuse a form that another site sent, or that carries no token."""
        super().check_xsrf_cookie()
        RequestHandler.check_xsrf_cookie(self)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Show what is wrong and what to do, in the page's frame."""
        self.render("letter_error.html", status=status_code, **complaint(kwargs.get("exc_info"), status_code))


class Answer(InJson, BaseApiHandler):  # type: ignore[misc]  # Flower is not typed
    """An answer in JSON for scripts."""

    def prepare(self) -> None:
        """Let the gate alone decide who enters."""

    def body(self) -> Any:
        """Return the request's JSON. Raises UsageError for anything else."""
        return gate.json_of(self.request.headers.get("Content-Type", ""), self.request.body)


class Denied(RequestHandler):
    """Says that a name and a password are needed, whatever was asked."""

    def prepare(self) -> None:
        """Answer 401."""
        self.set_status(401)
        self.set_header("WWW-Authenticate", 'Basic realm="Svodka", charset="UTF-8"')
        self.finish("A name and a password are needed.\n")

    def check_xsrf_cookie(self) -> None:
        """Nothing is done here that could be forged."""


class Forbidden(Denied):
    """Says that this cannot be done from Flower, whatever was asked."""

    def prepare(self) -> None:
        """Answer 403."""
        self.set_status(403)
        self.finish("Workers and queues are the supervisor's to steer; Flower starts listed tasks only.\n")


def code_of(error: BaseException | None, otherwise: int) -> int:
    """Return the HTTP status that an error of the product stands for; ``otherwise`` for any other."""
    return next((code for kind, code in CODES if isinstance(error, kind)), otherwise)


def complaint(exc_info: Any, status: int) -> dict[str, str | None]:
    """Return what is wrong and what to do. What was not foreseen is logged, not shown."""
    error = exc_info[1] if exc_info else None
    match error:
        case SvodkaError():
            return {"error": type(error).__name__, "message": str(error), "remedy": error.remedy}
        case HTTPError():
            message = error.get_message() or error.reason or f"HTTP {status}"
            return {"error": "HTTPError", "message": message, "remedy": None}
    return {"error": "Bug", "message": "this should not happen", "remedy": "see flower.log in the log folder"}
