"""Asking a model: a prompt rendered with a mark of its own, one question, the answer kept as a step of the run.

    prompt + data ─▶ mark ─▶ gateway ─▶ Asked (journalled as "write.PURPOSE.N.HASH")

HASH is that of the question, so a step answers only what was asked: a retry never pays twice, a replay needs no provider,
and a replay with changed settings does not take an old answer for a new question. Only answers are recorded: when no
model answered, the next attempt may ask again.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from agents import prompt
from agents.prompt import Block, Prompt
from domains.digest import Rung
from domains.fault import UNSENT
from domains.llm import Answer, Attempt, Check, Extractive, Gateway, Problem, Request, canonical
from domains.mark import token, unmark
from domains.ports import Journal

# One question's whole ladder; a run's lease is extended after each.
DEADLINE_S: Final = 45.0
# What is wrong with an answer; the second argument cleans a text of copied marks.
Usable = Callable[[Any, Callable[[str], str]], Sequence[Problem]]


@dataclass(frozen=True, slots=True)
class Asked:
    """An accepted answer as it is recorded. ``token`` is the mark that the question's data carried."""

    purpose: str
    prompt_version: str
    prompt_sha256: str
    token: str
    rung: Rung
    provider: str
    model: str
    text: str
    attempts: tuple[Attempt, ...]

    @property
    def value(self) -> Any:
        """The answer as JSON."""
        return json.loads(self.text)

    def clean(self, text: str) -> str:
        """Return a text of the answer without marks that the model copied."""
        return unmark(text, self.token)


class _UnansweredError(Exception):
    def __init__(self, outcome: Extractive) -> None:
        super().__init__(outcome.why)
        self.outcome = outcome


class Interview:
    """The questions of one run. After one that no model answered no other is sent: the ladder has just been walked."""

    def __init__(
        self, gateway: Gateway, journal: Journal, randomness: bytes, deadline_s: float = DEADLINE_S
    ) -> None:
        self._gateway, self._journal, self._randomness = gateway, journal, randomness
        self._deadline_s = deadline_s
        self._counts: Counter[str] = Counter()
        self.answers: list[Asked] = []
        self.failure: Extractive | None = None

    def ask(
        self,
        name: str,
        data: Mapping[str, Sequence[Block]],
        plain: Mapping[str, str] | None = None,
        usable: Usable | None = None,
    ) -> Asked | Extractive:
        """Return the answer to the prompt of that name, or `Extractive` when there is none."""
        if self.failure is not None:
            return self.failure
        self._counts[name] += 1
        number = self._counts[name]
        asking = prompt.load(name)
        drawn = self._token(name, number, data)
        request = _request(asking, plain or {}, data, drawn, self._deadline_s)
        check = _check(usable, drawn) if usable else None
        step = f"write.{name}.{number}.{sha256(canonical(request)).hexdigest()[:12]}"
        try:
            asked = self._journal.step(step, Asked, lambda: self._answer(asking, request, drawn, check))
        except _UnansweredError as error:
            self.failure = error.outcome
            return error.outcome
        self.answers.append(asked)
        return asked

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """All attempts that were made for these answers, and for the question without one."""
        made = [attempt for asked in self.answers for attempt in asked.attempts]
        return (*made, *(self.failure.attempts if self.failure else ()))

    @property
    def calls(self) -> int:
        """How many attempts reached a provider."""
        return sum(one.outcome not in UNSENT and one.outcome != "hit" for one in self.attempts)

    @property
    def tokens(self) -> int:
        """Input and output tokens of all attempts."""
        return sum(one.usage.tokens for one in self.attempts)

    def _token(self, name: str, number: int, data: Mapping[str, Sequence[Block]]) -> str:
        texts = [block.text for blocks in data.values() for block in blocks]
        return token(texts, sha256(self._randomness + f"{name} {number}".encode()).digest()[:16])

    def _answer(self, asking: Prompt, request: Request, drawn: str, check: Check | None) -> Asked:
        outcome = self._gateway.complete(request, check)
        if not isinstance(outcome, Answer):
            raise _UnansweredError(outcome)
        return Asked(
            purpose=request.purpose,
            prompt_version=asking.front.version,
            prompt_sha256=asking.sha256,
            token=drawn,
            rung=outcome.rung,
            provider=outcome.provider,
            model=outcome.model,
            text=outcome.text,
            attempts=outcome.attempts,
        )


class Silent:
    """A gateway that answers nothing: for replays, which find every answer among the recorded steps."""

    def complete(self, request: Request, check: Check | None = None) -> Answer | Extractive:  # noqa: ARG002
        """Return that nobody is asked."""
        return Extractive(
            f"{request.purpose}: this was not asked in the recorded run, and nobody is asked now"
        )


def _check(usable: Usable, drawn: str) -> Check:
    return lambda value: usable(value, lambda text: unmark(text, drawn))


def _request(
    asking: Prompt,
    plain: Mapping[str, str],
    data: Mapping[str, Sequence[Block]],
    drawn: str,
    deadline_s: float = DEADLINE_S,
) -> Request:
    return Request(
        purpose=f"write.{asking.name}",
        messages=asking.render(plain, data, drawn),
        prompt_hash=asking.sha256,
        max_tokens=asking.front.max_tokens,
        schema=asking.schema,
        deadline_s=deadline_s,
    )
