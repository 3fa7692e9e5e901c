"""What the tests of models share: a server, endpoints on it, a clock that sleeping moves."""

import random
import shutil
import subprocess

import pytest
from pydantic import SecretStr

from domains.llm import Message, Payer, Request, Schema
from services.llm.compatible import CompatibleModel
from services.llm.gateway import LadderGateway
from services.llm.profile import Endpoint, profile
from services.llm.tools import Circuits, Step, Tools
from tests.llm_server import LlmServer

KEY = "sk-very-secret-0123456789"
PAYER = Payer(1, "request-1", None)
CLAIMS = Schema(
    "claims",
    '{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "required": ["posts"],'
    ' "additionalProperties": false,'
    ' "properties": {"posts": {"type": "array", "items": {"type": "integer"}}}}',
)


class Time:
    """Monotonic seconds that pass only by sleeping."""

    def __init__(self):
        self.now_s = 1000.0
        self.slept = []

    def timer(self):
        return self.now_s

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now_s += seconds


def ask(text="hi", **rest):
    return Request("test", (Message("user", text),), "p" * 8, **{"max_tokens": 64, **rest})


def endpoint(server, name="openai", model="gpt-4o-mini", **rest):
    return Endpoint(profile(name), model, SecretStr(KEY), base_url=server.url, **rest)


@pytest.fixture
def server():
    with LlmServer() as one:
        yield one
        assert one.problems == []


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def ladder(server, clock, time):
    """Return a gateway on two rungs of one server; ``rest`` are the tools'."""

    def make(*models, record=None, payer=PAYER, stream=False, **rest):
        models = models or (
            CompatibleModel(endpoint(server, stream=stream), clock),
            CompatibleModel(endpoint(server, "mistral", "mistral-small-latest", stream=stream), clock),
        )
        steps = [Step(rung, model) for rung, model in zip(("model", "cheaper_model"), models, strict=False)]
        tools = Tools(
            **{
                "clock": clock,
                "timer": time.timer,
                "sleep": time.sleep,
                "rng": random.Random(7),
                "circuits": Circuits(time.timer),
                **rest,
            }
        )
        return LadderGateway(steps, tools, payer, record)

    return make


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A self-signed certificate of 127.0.0.1 and its key, as files."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    files = (str(folder / "cert.pem"), str(folder / "key.pem"))
    order = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    subprocess.run(
        [
            openssl,
            *order.split(),
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-out",
            files[0],
            "-keyout",
            files[1],
        ],
        check=True,
        capture_output=True,
    )
    return files
