"""Budgets as arithmetic: what is spent, what is held for calls under way, and whether one more call fits. Pure.

A call goes held → sent → settled. Held and never sent is given back when its lease runs out; sent and never settled
may have been charged, so its worst case becomes spent (lost). Hence spending never passes a limit, whoever dies when,
as long as no call costs more than was held for it.
"""

from dataclasses import dataclass, field, replace
from datetime import date
from typing import Literal

from domains.llm import Payer

ScopeKind = Literal["request", "run", "tenant_day", "provider_day"]
State = Literal["held", "sent", "settled", "released", "lost"]


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """What a budget is kept for, by kind and key."""

    kind: ScopeKind
    key: str


@dataclass(frozen=True, slots=True)
class Amount:
    """Calls, tokens (input and output), and money in millionths of the budget's currency."""

    calls: int = 0
    tokens: int = 0
    micros: int = 0

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(self.calls + other.calls, self.tokens + other.tokens, self.micros + other.micros)

    def __sub__(self, other: "Amount") -> "Amount":
        return Amount(self.calls - other.calls, self.tokens - other.tokens, self.micros - other.micros)


@dataclass(frozen=True, slots=True)
class Limit:
    """The most a scope may spend; None is without limit."""

    calls: int | None = None
    tokens: int | None = None
    micros: int | None = None

    @property
    def bounds(self) -> bool:
        """Whether anything is limited."""
        return not (self.calls is None and self.tokens is None and self.micros is None)


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of each kind of scope."""

    request: Limit = field(default_factory=Limit)
    run: Limit = field(default_factory=Limit)
    tenant_day: Limit = field(default_factory=Limit)
    provider_day: Limit = field(default_factory=Limit)

    def of(self, kind: ScopeKind) -> Limit:
        """Return the limit of a kind of scope."""
        return {
            "request": self.request,
            "run": self.run,
            "tenant_day": self.tenant_day,
            "provider_day": self.provider_day,
        }[kind]


@dataclass(frozen=True, slots=True)
class Account:
    """The state of one scope's budget."""

    limit: Limit
    spent: Amount = field(default_factory=Amount)
    reserved: Amount = field(default_factory=Amount)


def scopes(payer: Payer, provider: str, day: date) -> tuple[Scope, ...]:
    """Return the scopes that a call of ``payer`` to ``provider`` is charged to, in the order they are locked."""
    found = [
        Scope("provider_day", f"{provider}:{day.isoformat()}"),
        Scope("request", f"{payer.tenant_id}:{payer.request}"),
        Scope("tenant_day", f"{payer.tenant_id}:{day.isoformat()}"),
    ]
    if payer.run_id is not None:
        found.append(Scope("run", str(payer.run_id)))
    return tuple(sorted(found))


def shortage(account: Account, ask: Amount) -> str | None:
    """Return which limit ``ask`` would pass, in words, or None when it fits."""
    taken = account.spent + account.reserved
    rows = (
        ("calls", account.limit.calls, taken.calls, ask.calls),
        ("tokens", account.limit.tokens, taken.tokens, ask.tokens),
        ("millionths of money", account.limit.micros, taken.micros, ask.micros),
    )
    for name, limit, used, more in rows:
        if limit is not None and used + more > limit:
            return f"{name}: {used} of {limit} taken, {more} more asked"
    return None


def hold(account: Account, ask: Amount) -> Account:
    """Return the account with ``ask`` held. Raises ValueError when it does not fit."""
    if why := shortage(account, ask):
        raise ValueError(why)
    return replace(account, reserved=account.reserved + ask)


def settle(account: Account, held: Amount, actual: Amount) -> Account:
    """Return the account after a call that held ``held`` cost ``actual``; nothing, when it was given back."""
    return replace(account, reserved=account.reserved - held, spent=account.spent + actual)
