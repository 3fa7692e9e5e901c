"""What may go wrong with a language model, as kinds, and what follows from each."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from domains.errors import Unavailable

Kind = Literal[
    "auth",
    "token_expired",
    "credit",
    "forbidden",
    "no_model",
    "bad_request",
    "too_long",
    "rate_limited",
    "server",
    "timeout",
    "unreachable",
    "broken_off",
    "protocol",
    "html",
    "too_large",
    "empty",
    "truncated",
    "refused",
    "fenced",
    "prose",
    "not_json",
    "duplicate_key",
    "schema",
    "invented",
    "other_model",
    "budget",
    "unknown_price",
    "open_circuit",
    "not_recorded",
]
DETAIL_CHARS: Final = 500


@dataclass(frozen=True, slots=True)
class Trait:
    """What follows from a kind of failure.

    ``heals``: the same request may succeed later. ``repairs``: telling the model what is wrong may help. ``trips``:
    it counts against the provider's circuit. ``may_cost``: the provider may have charged for it, so the worst case
    is counted as spent.
    """

    heals: bool = False
    repairs: bool = False
    trips: bool = False
    may_cost: bool = False


TRAITS: Final[Mapping[Kind, Trait]] = MappingProxyType(
    {
        "auth": Trait(trips=True),
        "token_expired": Trait(heals=True),
        "credit": Trait(trips=True),
        "forbidden": Trait(),
        "no_model": Trait(),
        "bad_request": Trait(),
        "too_long": Trait(),
        "rate_limited": Trait(heals=True, trips=True),
        "server": Trait(heals=True, trips=True),
        "timeout": Trait(heals=True, trips=True, may_cost=True),
        "unreachable": Trait(heals=True, trips=True),
        "broken_off": Trait(heals=True, trips=True, may_cost=True),
        "protocol": Trait(trips=True, may_cost=True),
        "html": Trait(trips=True, may_cost=True),
        "too_large": Trait(may_cost=True),
        "empty": Trait(),
        "truncated": Trait(),
        "refused": Trait(),
        "fenced": Trait(repairs=True),
        "prose": Trait(repairs=True),
        "not_json": Trait(repairs=True),
        "duplicate_key": Trait(repairs=True),
        "schema": Trait(repairs=True),
        "invented": Trait(repairs=True),
        "other_model": Trait(),
        "budget": Trait(),
        "unknown_price": Trait(),
        "open_circuit": Trait(),
        "not_recorded": Trait(),
    }
)
UNSENT: Final[frozenset[Kind]] = frozenset({"budget", "unknown_price", "open_circuit", "not_recorded"})


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one attempt. ``estimated`` when the provider said nothing and the worst case stands for it.

    ``cached_tokens`` are those of ``input_tokens`` that the provider had cached.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    estimated: bool = False

    @property
    def tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
            self.estimated or other.estimated,
        )


class ModelError(Unavailable):
    """A language model gave no acceptable answer.

    The message never holds a key, a prompt or a reply. ``detail`` tells the model (nobody else) what was wrong with
    its reply; ``usage`` is what the failed attempt cost, if the provider said so; ``retry_after_s`` is how long the
    provider asks to be left alone.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: Kind,
        retry_after_s: float | None = None,
        usage: Usage | None = None,
        detail: str = "",
        status: int | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.kind: Kind = kind
        self.retry_after_s = retry_after_s
        self.usage = usage
        self.detail = detail[:DETAIL_CHARS]
        self.status = status

    @property
    def trait(self) -> Trait:
        """What follows from this kind of failure."""
        return TRAITS[self.kind]
