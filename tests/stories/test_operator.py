"""An operator finds a digest that could not be delivered, waits for what was dead, clicks, and it arrives: once."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy import select

from services import stack
from services.database import Database
from services.schema import DeadLetter, Delivery
from tests import browser
from tests.servers import free_port, wait_until
from tests.web.conftest import PASSWORD, USER

pytestmark = [pytest.mark.browser, browser.needed, pytest.mark.xdist_group("stack"), pytest.mark.timeout(600)]
NEWS = (
    "Fire crews fought a blaze at the Luhva paper mill on Zavodska street; three workers were taken to hospital.",
    "The city council of Solvych voted 21 to 9 to raise the bus fare to 18 hryvnias from January.",
    "The Luhva hockey club beat Pryvillia 4:1 in the first match of the season at home.",
)


@pytest.fixture
def environment(tmp_path):
    """The settings of a stack of its own, where nothing is tried again by itself while the operator is at it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SVODKA_")}  # noqa: TID251
    return kept | {
        "SVODKA_VAR": str(tmp_path / "var"),
        "SVODKA_FLOWER_PORT": str(free_port()),
        "SVODKA_FLOWER_USER": USER,
        "SVODKA_FLOWER_PASSWORD": PASSWORD,
        "SVODKA_SWEEP_S": "1",
        "SVODKA_RETRY_BASE_S": "3600",
        "SVODKA_WEBHOOK_SECRET": "a secret of the receiver's",
        "SVODKA_ALLOW_PRIVATE_ADDRESSES": "true",
    }


@pytest.fixture
def up(environment):
    """The database of a running `svodka up`."""
    command = [sys.executable, "-c", "import cli; cli.main()", "up", "--json"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            running = wait_until(lambda: stack.attach(Path(environment["SVODKA_VAR"])), timeout_s=200)
            database = Database(running.database_url)
            yield database
            database.dispose()
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=200)
    assert process.returncode == 0


def svodka(environment, *arguments):
    command = [sys.executable, "-c", "import cli; cli.main()", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr


def subscribe(environment, tmp_path, channel):
    """Three pieces of news, and a reader whose window has ended: beat makes the digest within a second."""
    at = datetime.now(UTC) - timedelta(days=2)
    lines = [
        {"id": str(number), "text": text, "at": (at + timedelta(hours=number)).isoformat(), "source": "news"}
        for number, text in enumerate(NEWS)
    ]
    (tmp_path / "posts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    svodka(environment, "source", "import", str(tmp_path / "posts.jsonl"))
    svodka(environment, "subscribe", "--name", "morning", "--channel", channel)


@contextmanager
def receiver(port, got):
    """Answer webhooks on the port, and note what each carried."""

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            got.append((self.headers["idempotency-key"], body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Receiver) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def only(database, model):
    with database.transaction() as session:
        found = session.scalars(select(model)).all()
    assert len(found) <= 1
    return found[0] if found else None


def replay(page):
    """Click, and wait until a worker has done it."""
    page.get_by_role("button", name="Replay", exact=True).click()
    page.get_by_role("status").get_by_text("Replayed").wait_for()
    wait_until(lambda: page.reload() and page.locator("#state").inner_text() == "resolved", timeout_s=120)


def test_a_digest_that_a_dead_server_did_not_take_is_found_replayed_and_arrives_once(
    up, environment, tmp_path
):
    port, got = free_port(), []
    subscribe(environment, tmp_path, f"webhook:http://127.0.0.1:{port}/digests")
    letter = wait_until(lambda: only(up, DeadLetter), timeout_s=200)
    assert (letter.task, letter.state) == ("delivery.send", "scheduled")
    url = f"http://127.0.0.1:{environment['SVODKA_FLOWER_PORT']}"
    with browser.signed_in(url, USER, PASSWORD) as page, receiver(port, got):
        page.goto("/")
        page.get_by_role("link", name="Dead letters").click()
        assert "127.0.0.1" in page.locator("#groups").inner_text()
        page.get_by_role("link", name=f"Dead letter {letter.id}", exact=True).click()
        assert page.locator("#state").inner_text() == "scheduled"
        assert "Traceback" in page.locator("#traceback").inner_text()
        assert got == []
        replay(page)
        assert len(got) == 1
        assert USER in page.locator("#audit").inner_text()
        # What has arrived is not sent again, whoever clicks once more.
        replay(page)
        assert page.locator("#audit tbody tr").count() == 2
    assert only(up, Delivery).state == "done"
    ((_, digest),) = got
    assert len(digest["sections"]) >= 1
