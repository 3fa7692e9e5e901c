"""Logs: one line an event, no secret, nothing forged by what it quotes."""

import io
import json
import logging
import re
import subprocess
import sys
import warnings

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from services import log

SECRET = "hunter2-and-more"
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z (debug|info|warning|error|critical) +[\w.]+ ")


@pytest.fixture
def logged():
    """Configure logging into a text; put everything back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in log.QUIET}

    def configure(level="info", **options):
        stream = io.StringIO()
        log.configure(level, stream=stream, **options)
        return stream

    yield configure
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    structlog.reset_defaults()


def test_the_standard_library_and_structlog_write_the_same_line(logged):
    stream = logged()
    logging.getLogger("svodka.one").info("imported %d posts", 3, extra={"source": "a b"})
    structlog.get_logger("svodka.one").info("imported 3 posts", source="a b")
    lines = [LINE.sub("", line) for line in stream.getvalue().splitlines()]
    assert lines == ['imported 3 posts source="a b"'] * 2


def test_a_line_begins_with_utc_level_and_logger(logged):
    stream = logged()
    logging.getLogger("svodka.two").warning("careful")
    assert LINE.match(stream.getvalue())


def test_json_is_one_object_a_line_with_the_same_fields(logged):
    stream = logged(json=True)
    structlog.get_logger("svodka.three").error("failed", run=7, url=f"redis://:{SECRET}@h/0")
    found = json.loads(stream.getvalue())
    assert found.pop("timestamp").endswith("Z")
    assert found == {
        "event": "failed", "level": "error", "logger": "svodka.three", "run": 7, "url": "redis://:***@h/0",
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql+psycopg://user:{SECRET}@host/db?x=1",
        f"redis://:{SECRET}@127.0.0.1:6379/0",
        f"amqp://user:{SECRET}/with@slash@host//",
        f"https://h/v1?api_key={SECRET}&x=1",
        f"https://h/v1?access_token={SECRET}",
        f"Authorization: Bearer {SECRET}",
        f"{{'password': '{SECRET}', 'n': 1}}",
        f"GIGACHAT_SECRET={SECRET}",
        f"https://api.telegram.org/bot1234567890:{SECRET * 3}/send",
    ],
)
def test_secrets_are_masked_wherever_they_stand(logged, text):
    stream = logged()
    logger = logging.getLogger("svodka.four")
    logger.info(text)
    logger.info("said %s", text)
    logger.info("told", extra={"what": text, "deep": {"er": [text]}, "headers": {"Authorization": SECRET}})
    try:
        int(text)
    except ValueError:
        logger.exception("failed")
    assert SECRET not in stream.getvalue()
    assert log.HIDDEN in stream.getvalue()


def test_what_is_no_secret_stays(logged):
    stream = logged()
    text = "https://example.org:8080/path?page=2 12:30 mail@example.org tokens=512 the secretary spoke"
    logging.getLogger("svodka.five").info(text, extra={"prompt_tokens": 512})
    assert text in stream.getvalue()
    assert "prompt_tokens=512" in stream.getvalue()


@given(st.text(alphabet=st.characters(codec="utf-8")), st.text(alphabet=st.characters(codec="utf-8")))
def test_no_text_begins_a_line_of_its_own(event, value):
    fields = {"timestamp": "T", "level": "info", "logger": "l", "event": event, "value": value}
    line = log.render_line(None, "info", fields)
    assert len(line.splitlines()) == 1
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", line)


def test_a_traceback_follows_its_line_indented(logged):
    stream = logged()
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError:
        logging.getLogger("svodka.six").exception("failed")
    first, *rest = stream.getvalue().splitlines()
    assert LINE.match(first)
    assert rest[-1] == "    ZeroDivisionError: division by zero"
    assert all(line.startswith("    ") for line in rest)


def test_below_its_level_nothing_is_written(logged):
    stream = logged("warning")
    logging.getLogger("svodka.seven").info("quiet")
    structlog.get_logger("svodka.seven").info("quiet")
    logging.getLogger("httpx").warning("loud")
    assert [LINE.sub("", line) for line in stream.getvalue().splitlines()] == ["loud"]


def test_clients_do_not_tell_every_request(logged):
    stream = logged("info")
    logging.getLogger("httpx").info("HTTP Request: GET https://h/?key=1")
    assert stream.getvalue() == ""


def test_warnings_are_logged_and_configuring_again_replaces(logged):
    first, second = logged(), logged()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old thing", DeprecationWarning, stacklevel=1)
        logging.captureWarnings(capture=False)
    assert first.getvalue() == ""
    assert "DeprecationWarning: old thing" in second.getvalue()
    assert len(second.getvalue().splitlines()) == 1


def test_stderr_is_where_logs_go_by_default():
    script = "import logging; from services import log; log.configure(); logging.getLogger('x').info('hi')"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout == ""
    assert done.stderr.endswith(" x hi\n")
