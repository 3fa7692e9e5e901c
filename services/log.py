"""Logs: one line an event in UTC, with secrets masked, whoever speaks: us, Celery, a library or a warning."""

import json as jsonlib
import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

HIDDEN: Final = "***"
# scheme://user:password@ and the user may be empty, as in Redis's URLs.
URL_PASSWORD: Final = re.compile(r"(?P<kept>\b[a-z][a-z0-9+.-]*://[^\s:/?#@]*:)[^\s\"']*(?=@)", re.IGNORECASE)
NAMED_SECRET: Final = re.compile(
    r"(?P<kept>\b\w*(?:password|passwd|secret|token|api[_-]?key)[\"']?\s*[=:]\s*[\"']?)[^\s&\"',;]+",
    re.IGNORECASE,
)
BEARER: Final = re.compile(r"(?P<kept>\b(?:bearer|basic)\s+)[\w.~+/=-]{8,}", re.IGNORECASE)
TELEGRAM_TOKEN: Final = re.compile(r"(?P<kept>\bbot)\d{6,}:[\w-]{20,}")
SECRETS: Final = (URL_PASSWORD, NAMED_SECRET, BEARER, TELEGRAM_TOKEN)
SECRET_KEY: Final = re.compile(
    r"password|passwd|secret|(?<!_)token(?!s)|api_?key|authorization", re.IGNORECASE
)
# At info these tell every request, with the whole of its URL, or every step of a migration.
QUIET: Final = ("httpx", "httpcore", "alembic", "asyncio", "openai", "urllib3")
LINE_BREAKS: Final = re.compile(r"[\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
CONTROL: Final = re.compile(r"[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f]")
PLAIN_VALUE: Final = re.compile(r"[^\s\"=]+")


def configure(level: str = "info", json: bool = False, stream: TextIO | None = None) -> None:
    """Send every log of this process, warnings included, to ``stream`` (stderr) from ``level`` up.

    ``json`` writes one object a line, else ``TIME LEVEL LOGGER EVENT key=value``. Calling it again replaces the first.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                mask_event,
                render_json if json else render_line,
            ],
        )
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def mask(text: str) -> str:
    """Return ``text`` with passwords in URLs, named secrets and bearer tokens hidden."""
    for secret in SECRETS:
        text = secret.sub(rf"\g<kept>{HIDDEN}", text)
    return text


def storable(text: str) -> str:
    """Return ``text`` masked and as PostgreSQL can keep it: without NUL and lone surrogates."""
    return mask(text).replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def mask_event(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Return the event with every secret hidden, by the look of a value or by the name of its key."""
    return {key: _masked(key, value) for key, value in event.items()}


def _masked(key: str, value: Any) -> Any:
    if SECRET_KEY.search(key) and isinstance(value, str | bytes):
        return HIDDEN
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, Mapping):
        return {name: _masked(str(name), inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(key, inner) for inner in value]
    return value if isinstance(value, int | float | None) else mask(str(value))


def render_line(_: WrappedLogger, __: str, event: EventDict) -> str:
    """Return one readable line; a traceback follows it, indented. Text from outside cannot start a line of its own."""
    left: MutableMapping[str, Any] = {**event}
    time, level, name, what = (str(left.pop(key, "")) for key in ("timestamp", "level", "logger", "event"))
    trace = left.pop("exception", None) or left.pop("stack", None)
    head = f"{time} {level:<7} {name} {_flat(what.strip())}"
    pairs = "".join(f" {key}={_value(value)}" for key, value in left.items())
    return head + pairs + ("\n    " + _printable(str(trace)).replace("\n", "\n    ") if trace else "")


def render_json(_: WrappedLogger, __: str, event: EventDict) -> str:
    """Return one JSON object."""
    return jsonlib.dumps({**event}, ensure_ascii=False, default=str)


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else jsonlib.dumps(value, ensure_ascii=False, default=str)
    text = _flat(text)
    return (
        text
        if PLAIN_VALUE.fullmatch(text) or not isinstance(value, str)
        else jsonlib.dumps(text, ensure_ascii=False)
    )


def _flat(text: str) -> str:
    return _printable(LINE_BREAKS.sub("\\\\n", text))


def _printable(text: str) -> str:
    return CONTROL.sub("�", text)
