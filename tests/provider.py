"""A provider on loopback for trying the model writer without a model: OpenAI's protocol, a script for an author.

    python -m tests.provider [--port N] [--answers N]
    SVODKA_MODEL_PROVIDER=vllm SVODKA_MODEL_NAME=scripted SVODKA_MODEL_BASE_URL=http://127.0.0.1:N/v1 make demo

The script retells the lines it is shown, with quotes; it knows nothing of the digest. With ``--answers`` it dies after
so many of them, as a provider does in the middle of a run.
"""

import argparse
import json
import threading
from collections.abc import Callable
from typing import Any, Final

from benchmarks.prose import Good, Shown, Value
from domains.llm import Message, Request
from domains.signal import tokens
from tests.llm_server import LlmServer, say

HEADLINE_CHARS: Final = 120
PURPOSES: Final = ("map", "reduce", "critic", "judge")


class Retelling(Good):
    """A writer that takes the first line of a story that can head it, and lines of other posts after it."""

    def __init__(self) -> None:
        self._texts: list[list[str]] = []

    def _taken(self, story: Shown) -> list[tuple[str, str]]:
        heads = [one for one in story.lines if len(one[1]) <= HEADLINE_CHARS] or story.lines
        rest = [one for one in story.lines if one[1] != heads[0][1]] if heads else []
        return [*heads[:1], *rest][: story.room + 1]


def request(asked: dict[str, Any]) -> Request:
    """Return what came over the wire as the request that it was, named by its schema."""
    messages = tuple(Message(one["role"], one["content"]) for one in asked["messages"])
    name = asked.get("response_format", {}).get("json_schema", {}).get("name", "")
    purpose = next((one for one in PURPOSES if one == name), "write")
    return Request(f"write.{purpose}", messages, "")


def author(script: Callable[[Request], Value]) -> Callable[[Any, dict[str, Any]], None]:
    """Return a behaviour of the loopback server: what ``script`` answers to what was asked, with its true usage."""

    def behave(handler: Any, asked: dict[str, Any]) -> None:
        text = json.dumps(script(request(asked)), ensure_ascii=False)
        shown = tokens(json.dumps(asked, ensure_ascii=False))
        usage = {
            "prompt_tokens": shown,
            "completion_tokens": tokens(text),
            "total_tokens": shown + tokens(text),
        }
        say(text, usage=usage)(handler, asked)

    return behave


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--answers", type=int, help="die after so many answers")
    options = parser.parse_args()
    over = threading.Event()
    left = options.answers
    write = author(Retelling())

    def behave(handler: Any, asked: dict[str, Any]) -> None:
        nonlocal left
        if left is not None:
            left -= 1
            if left < 0:
                over.set()
                return
        write(handler, asked)

    with LlmServer(behave, port=options.port) as server:
        print(server.url, flush=True)  # noqa: T201  what whoever started it waits for
        try:
            over.wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
