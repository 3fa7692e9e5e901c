"""Budgets as arithmetic: no interleaving of workers, crashes and expiries spends more than a limit."""

import random
from dataclasses import dataclass, field
from datetime import date

import pytest

from domains.budget import Account, Amount, Limit, Limits, hold, scopes, settle, shortage
from domains.llm import Payer

INTERLEAVINGS = 12_000


@dataclass
class Call:
    """A call as the world sees it: what was asked, what it will really cost, how far it came, its lease."""

    ask: Amount
    actual: Amount
    until: int
    accounts: tuple[int, ...]
    state: str = "held"
    alive: bool = True
    charged: bool = False


@dataclass
class World:
    """Accounts in memory under the same steps as the service: reserve, sending, settle, expire."""

    accounts: list[Account]
    now: int = 0
    calls: list[Call] = field(default_factory=list)

    def reserve(self, rng, lease=5):
        chosen = tuple(sorted(rng.sample(range(len(self.accounts)), rng.randint(1, len(self.accounts)))))
        ask = Amount(1, rng.randint(1, 40), rng.randint(0, 30))
        if any(shortage(self.accounts[i], ask) for i in chosen):
            return
        for i in chosen:
            self.accounts[i] = hold(self.accounts[i], ask)
        actual = Amount(1, rng.randint(0, ask.tokens), rng.randint(0, ask.micros))
        self.calls.append(Call(ask, actual, self.now + lease, chosen))

    def send(self, call):
        if call.state == "held" and call.alive:
            # From here the provider may charge for it, whatever becomes of the worker.
            call.state, call.charged = "sent", True

    def settle(self, call):
        if not call.alive or call.state not in {"sent", "lost"}:
            return
        held, actual = (call.ask, call.actual) if call.state == "sent" else (Amount(), call.actual - call.ask)
        for i in call.accounts:
            self.accounts[i] = settle(self.accounts[i], held, actual)
        call.state = "settled"

    def expire(self):
        for call in self.calls:
            if call.state in {"held", "sent"} and call.until <= self.now:
                spent = call.ask if call.state == "sent" else Amount()
                for i in call.accounts:
                    self.accounts[i] = settle(self.accounts[i], call.ask, spent)
                call.state = "lost" if call.state == "sent" else "released"

    def check(self):
        for i, account in enumerate(self.accounts):
            really = Amount()
            for call in self.calls:
                if call.charged and i in call.accounts:
                    really += call.actual
            for name in ("calls", "tokens", "micros"):
                limit = getattr(account.limit, name)
                booked = getattr(account.spent, name) + getattr(account.reserved, name)
                assert getattr(account.reserved, name) >= 0
                assert limit is None or getattr(really, name) <= booked <= limit


def walk(seed):
    rng = random.Random(seed)
    limits = [
        Limit(rng.choice([None, 3, 8]), rng.choice([None, 60, 150]), rng.choice([None, 50])) for _ in range(3)
    ]
    world = World([Account(limit) for limit in limits])
    steps = [world.reserve, world.send, world.settle, world.expire]
    for _ in range(rng.randint(5, 40)):
        step = rng.choice(steps)
        if step == world.reserve:
            world.reserve(rng)
        elif step == world.expire:
            world.now += rng.randint(0, 4)
            world.expire()
        elif world.calls:
            call = rng.choice(world.calls)
            step(call)
            call.alive = call.alive and rng.random() > 0.15
        world.check()
    return world


def test_no_interleaving_spends_more_than_a_limit():
    refused = 0
    for seed in range(INTERLEAVINGS):
        world = walk(seed)
        refused += any(call.state == "lost" for call in world.calls)
        world.now += 100
        world.expire()
        world.check()
        assert all(account.reserved == Amount() for account in world.accounts), (
            "a dead worker blocks for ever"
        )
    assert refused > INTERLEAVINGS / 20, "the walk must reach the crashes that it is about"


def test_a_book_that_forgets_lost_calls_is_caught(monkeypatch):
    """The walk can fail: giving back what was sent and lost lets spending pass a limit."""

    def forgetful(self):
        for call in self.calls:
            if call.state in {"held", "sent"} and call.until <= self.now:
                for i in call.accounts:
                    self.accounts[i] = settle(self.accounts[i], call.ask, Amount())
                call.state = "released"

    monkeypatch.setattr(World, "expire", forgetful)
    with pytest.raises(AssertionError):
        list(map(walk, range(2_000)))


def test_each_limit_refuses_what_would_pass_it():
    account = Account(Limit(2, 100, 50), spent=Amount(1, 40, 20), reserved=Amount(0, 30, 10))
    assert shortage(account, Amount(1, 30, 20)) is None
    assert shortage(account, Amount(2, 1, 1)).startswith("calls: 1 of 2")
    assert shortage(account, Amount(1, 31, 1)).startswith("tokens: 70 of 100")
    assert shortage(account, Amount(1, 1, 21)).startswith("millionths of money: 30 of 50")
    with pytest.raises(ValueError, match="tokens"):
        hold(account, Amount(1, 31, 1))


def test_a_call_is_charged_to_its_scopes_in_one_order():
    day = date(2026, 11, 20)
    found = scopes(Payer(3, "ask", 9), "openai", day)
    assert [(one.kind, one.key) for one in found] == [
        ("provider_day", "openai:2026-11-20"),
        ("request", "3:ask"),
        ("run", "9"),
        ("tenant_day", "3:2026-11-20"),
    ]
    assert [one.kind for one in scopes(Payer(3, "ask"), "openai", day)] == [
        "provider_day",
        "request",
        "tenant_day",
    ]
    assert not Limits().of("run").bounds
