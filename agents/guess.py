"""A language model's guess at the route of a query: one question, through the gateway and its budgets.

query, turns ─▶ mark ─▶ gateway ─▶ Guess
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from agents import prompt
from agents.prompt import Block
from domains.errors import Unavailable
from domains.intent import Guess, Turn
from domains.llm import Answer, Gateway, Request
from domains.mark import token
from domains.text import normalise

PROMPT: Final = "route"
# What a follow-up may lean on is never far back.
TURNS: Final = 3


@dataclass(frozen=True, slots=True)
class GatewayGuess:
    """The router's model. ``randomness`` returns 16 fresh bytes, from which a question's mark is drawn."""

    gateway: Gateway
    randomness: Callable[[], bytes]

    def __call__(self, query: str, recent: Sequence[Turn], deadline_s: float) -> Guess:
        """Return the model's guess. Raises Unavailable when no model gives one within ``deadline_s``."""
        asking = prompt.load(PROMPT)
        before = [
            Block(f"turn {number}, {turn.route}:", normalise(turn.query))
            for number, turn in enumerate(recent[-TURNS:], 1)
        ]
        drawn = token([query, *(turn.query for turn in recent)], self.randomness())
        data = {"query": [Block("query:", query)], "before": before or [Block("none")]}
        outcome = self.gateway.complete(
            Request(
                purpose=PROMPT,
                messages=asking.render({}, data, drawn),
                prompt_hash=asking.sha256,
                max_tokens=asking.front.max_tokens,
                schema=asking.schema,
                deadline_s=deadline_s,
            )
        )
        if not isinstance(outcome, Answer):
            raise Unavailable(f"no model named a route: {outcome.why}")
        return Guess(outcome.value["route"], float(outcome.value["confidence"]))
