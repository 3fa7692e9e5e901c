"""What is asked of a language model and what comes back, as values; what may go wrong is in `domains.fault`.

A `Model` answers one physical attempt or raises `ModelError`; a `Gateway` walks a ladder of models and ends in an
`Answer` that was checked, or in `Extractive`: no model could, write it without one.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, Protocol

from domains.digest import Rung
from domains.fault import TRAITS, Kind, ModelError, Usage

Role = Literal["system", "user", "assistant"]
# A token of any byte-level or byte-fallback vocabulary covers at least one byte, so bytes bound tokens from above.
MESSAGE_TOKENS: Final = 16
REQUEST_TOKENS: Final = 256
BAD_REPLY_CHARS: Final = 4_000


@dataclass(frozen=True, slots=True)
class Message:
    """One turn."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Schema:
    """A JSON Schema 2020-12 that a reply must satisfy, as the text of its file."""

    name: str
    body: str

    @property
    def sha256(self) -> str:
        """The hash of the schema's text."""
        return hashlib.sha256(self.body.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Request:
    """A question to a model. ``purpose`` names the step for the usage rows, such as "write.map".

    ``repeat`` tells apart questions that are meant to be asked again (a second opinion), which the cache must not
    join. ``deadline_s`` bounds the whole ladder: attempts, waits and repairs.
    """

    purpose: str
    messages: tuple[Message, ...]
    prompt_hash: str
    max_tokens: int = 1_024
    schema: Schema | None = None
    temperature: float | None = 0.0
    top_p: float | None = None
    seed: int | None = None
    repeat: int = 0
    deadline_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Payer:
    """Who pays: the tenant, the run if there is one, and the name of the request they belong to."""

    tenant_id: int
    request: str
    run_id: int | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What a provider said in one attempt, complete and not empty, but not yet checked against the schema.

    ``model`` is the name the provider gives; ``body`` the bytes it sent, with keys removed.
    """

    text: str
    model: str
    usage: Usage
    body: bytes = b""
    status: int = 200
    cached: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt as it is told: to whom, how it ended ("ok", "hit" or a kind), and what it cost.

    ``cost_micros`` are millionths of the budget's currency, None when the price is unknown.
    """

    rung: Rung
    provider: str
    model: str
    outcome: str
    usage: Usage = field(default_factory=Usage)
    cost_micros: int | None = 0
    latency_ms: int = 0
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An accepted answer. ``value`` is the parsed JSON when a schema was asked for, else None."""

    text: str
    value: Any
    rung: Rung
    provider: str
    model: str
    cached: bool
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class Extractive:
    """The ladder's last rung: no model answered; ``why`` in words. The caller writes without one.

    ``retry_after_s`` is the shortest time after which a provider asked to be tried again.
    """

    why: str
    attempts: tuple[Attempt, ...] = ()
    retry_after_s: float | None = None
    rung: Rung = "extractive"


@dataclass(frozen=True, slots=True)
class Problem:
    """What a caller's check found wrong in a parsed answer, and where (a JSON path such as ``$.claims[0].post``)."""

    path: str
    message: str


Check = Callable[[Any], Sequence[Problem]]


@dataclass(frozen=True, slots=True)
class Transcript:
    """One attempt as it can be replayed. ``outcome`` is "ok", "hit" or a kind; ``body`` the provider's bytes.

    ``key`` is `fingerprint` of what was asked, ``request`` its `canonical` form; a key occurs once per attempt, in
    order. ``text``, ``answered_model`` and ``usage`` are what was read from ``body``.
    """

    key: str
    rung: Rung
    provider: str
    model: str
    dialect: str
    outcome: str
    request: bytes
    body: bytes = b""
    text: str = ""
    answered_model: str = ""
    usage: Usage | None = None
    status: int | None = None
    message: str = ""
    retry_after_s: float | None = None


class Model(Protocol):
    """One model of one provider. Implementations hold no connection between attempts."""

    @property
    def provider(self) -> str:
        """The profile's name: what budgets, prices and circuits are kept by."""
        ...

    @property
    def model(self) -> str:
        """The model's name as the provider is asked for it."""
        ...

    @property
    def dialect(self) -> str:
        """Everything else that can change a reply: address, response format, streaming."""
        ...

    def complete(self, request: Request, timeout_s: float) -> Reply:
        """Ask once. Returns within ``timeout_s`` of wall-clock time whatever the provider does.

        Raises ModelError.
        """
        ...


class Gateway(Protocol):
    """What agents are handed."""

    def complete(self, request: Request, check: Check | None = None) -> Answer | Extractive:
        """Return a checked answer, or `Extractive` when no rung gave one. Raises nothing a model did."""
        ...


def insist(outcome: Answer | Extractive) -> Answer:
    """Return the answer, for whoever cannot write without a model.

    Raises ModelError with the shortest ``retry_after_s`` that a provider asked for, so that a dead letter can wait
    that long.
    """
    if isinstance(outcome, Answer):
        return outcome
    last = outcome.attempts[-1].outcome if outcome.attempts else "no_model"
    kind: Kind = next((kind for kind in TRAITS if kind == last), "no_model")
    raise ModelError(outcome.why, kind=kind, retry_after_s=outcome.retry_after_s)


def worst_case(request: Request) -> Usage:
    """Return more tokens than any provider can count for ``request``: a token is at least one byte.

    The schema counts twice, because some providers also show it to the model in another notation.
    """
    content = sum(len(message.content.encode()) + MESSAGE_TOKENS for message in request.messages)
    schema = 2 * len(request.schema.body.encode()) if request.schema else 0
    return Usage(content + schema + REQUEST_TOKENS, request.max_tokens, 0, estimated=True)


def canonical(request: Request) -> bytes:
    """Return what of ``request`` can change a reply, as JSON with sorted keys."""
    matter = {
        "messages": [[message.role, message.content] for message in request.messages],
        "prompt": request.prompt_hash,
        "schema": request.schema.sha256 if request.schema else None,
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "seed": request.seed,
        "repeat": request.repeat,
    }
    return json.dumps(matter, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def fingerprint(request: Request, model: Model) -> str:
    """Return the SHA-256 of everything that can change the reply of ``model`` to ``request``."""
    asked = json.dumps([model.provider, model.model, model.dialect], ensure_ascii=False)
    return hashlib.sha256(asked.encode() + b"\n" + canonical(request)).hexdigest()


def repair(request: Request, reply: str, error: ModelError) -> Request:
    """Return the one request that tells the model what was wrong with its reply, and where."""
    ask = (
        f"That reply was not accepted ({error.kind}): {error.detail}\n"
        "Send the whole corrected JSON value and nothing else: no fences, no comments, no other text."
    )
    turns = (Message("assistant", reply[:BAD_REPLY_CHARS]), Message("user", ask))
    return replace(request, messages=request.messages + turns)


def same_model(asked: str, answered: str) -> bool:
    """Return whether a provider's name for its model is the one that was asked for, a dated version included.

    >>> same_model("gpt-4o-mini", "gpt-4o-mini-2024-07-18"), same_model("gpt-4o", "gpt-4o-mini")
    (True, False)
    >>> same_model("GigaChat-2", "GigaChat-2:2.0.28.2"), same_model("mistral-small-latest", "mistral-small-2506")
    (True, True)
    """
    want = asked.rsplit("/", 1)[-1].casefold().removesuffix("-latest").removesuffix(":latest")
    have = answered.rsplit("/", 1)[-1].casefold().removesuffix("-latest").removesuffix(":latest")
    if have == want:
        return True
    rest = have.removeprefix(want) if have.startswith(want) else ""
    return bool(rest) and rest[0] in "-:@" and all(c in "0123456789.-:@v" for c in rest)
