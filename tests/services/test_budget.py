"""Budgets in a real PostgreSQL: many workers at once, workers that die, and the books afterwards."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from domains.budget import Amount, Limit, Limits
from domains.fault import ModelError
from domains.llm import Payer
from services.budget import Budget, Entry, Spending
from services.database import Database
from services.llm.table import Budget as BudgetRow
from services.llm.table import Reservation, Usage
from tests import rows

ENTRY = Entry("test", "model", "openai", "gpt-4o-mini", "p", None, "f")


@pytest.fixture
def tenant_id(database):
    return rows.tenant(database)


@pytest.fixture
def budget(database, clock):
    return lambda **limits: Budget(database, clock, Limits(**limits))


def spent(database, kind="tenant_day"):
    with database.transaction() as session:
        row = session.scalars(select(BudgetRow).where(BudgetRow.kind == kind)).one()
    return (
        Amount(row.spent_calls, row.spent_tokens, row.spent_micros),
        Amount(row.reserved_calls, row.reserved_tokens, row.reserved_micros),
    )


def outcomes(database):
    with database.transaction() as session:
        return list(session.scalars(select(Usage.outcome).order_by(Usage.id)))


def test_a_call_holds_its_worst_case_and_settles_what_it_cost(database, budget, tenant_id):
    books = budget(tenant_day=Limit(tokens=1000))
    held = books.reserve(Payer(tenant_id, "r", 5), ENTRY, 900, 40)
    assert spent(database) == (Amount(), Amount(1, 900, 40))
    with pytest.raises(ModelError, match="tokens: 900 of 1000") as error:
        books.reserve(Payer(tenant_id, "r", 5), ENTRY, 101, 0)
    assert error.value.kind == "budget"
    books.sending(held)
    books.settle(held, Spending("ok", 100, 20, cost_micros=7))
    assert spent(database) == (Amount(1, 120, 7), Amount())
    for kind in ("request", "run", "provider_day"):
        assert spent(database, kind) == (Amount(1, 120, 7), Amount())


def test_a_refusal_holds_nothing_in_any_scope(database, budget, tenant_id):
    books = budget(request=Limit(calls=9), tenant_day=Limit(calls=0))
    with pytest.raises(ModelError):
        books.reserve(Payer(tenant_id, "r"), ENTRY, 1, 0)
    with database.transaction() as session:
        assert session.scalar(select(func.sum(BudgetRow.reserved_calls))) == 0
        assert session.scalars(select(Reservation)).all() == []


def test_settling_twice_charges_once(database, budget, tenant_id):
    books = budget()
    held = books.reserve(Payer(tenant_id, "r"), ENTRY, 10, 0)
    books.sending(held)
    for _ in range(2):
        books.settle(held, Spending("ok", 4, 4))
    assert spent(database) == (Amount(1, 8, 0), Amount())
    assert outcomes(database) == ["ok"]


def test_what_was_never_sent_is_given_back(database, budget, tenant_id):
    books = budget(tenant_day=Limit(calls=1))
    books.release(books.reserve(Payer(tenant_id, "r"), ENTRY, 10, 0))
    assert spent(database) == (Amount(), Amount())
    assert books.reserve(Payer(tenant_id, "r"), ENTRY, 10, 0)


def test_a_worker_killed_before_sending_blocks_no_longer_than_its_lease(database, clock, budget, tenant_id):
    books = budget(tenant_day=Limit(calls=1))
    dead = books.reserve(Payer(tenant_id, "r"), ENTRY, 10, 5)
    clock.advance(seconds=books.lease_s - 1)
    with pytest.raises(ModelError):
        books.reserve(Payer(tenant_id, "other"), ENTRY, 10, 5)
    clock.advance(seconds=1)
    assert books.reserve(Payer(tenant_id, "other"), ENTRY, 10, 5)
    with pytest.raises(ModelError, match="ran out before the call"):
        books.sending(dead)


def test_a_call_that_was_sent_and_lost_counts_as_spent(database, clock, budget, tenant_id):
    books = budget(tenant_day=Limit(calls=2, tokens=100))
    held = books.reserve(Payer(tenant_id, "r"), ENTRY, 60, 5)
    books.sending(held)
    clock.advance(seconds=books.lease_s + 1)
    assert books.expire() == 1
    assert spent(database) == (Amount(1, 60, 5), Amount())
    assert outcomes(database) == ["lost"]
    assert books.reserve(Payer(tenant_id, "r"), ENTRY, 40, 0), "the lease is over: what is left may be used"


def test_a_slow_worker_corrects_what_was_given_up_for_lost(database, clock, budget, tenant_id):
    books = budget()
    held = books.reserve(Payer(tenant_id, "r"), ENTRY, 60, 50)
    books.sending(held)
    clock.advance(seconds=books.lease_s + 1)
    books.expire()
    books.settle(held, Spending("ok", 6, 4, cost_micros=3))
    assert spent(database) == (Amount(1, 10, 3), Amount())
    assert outcomes(database) == ["ok"]


def test_a_new_day_is_a_new_budget(clock, budget, tenant_id):
    books = budget(tenant_day=Limit(calls=1))
    books.reserve(Payer(tenant_id, "a"), ENTRY, 1, 0)
    clock.advance(days=1)
    assert books.reserve(Payer(tenant_id, "b"), ENTRY, 1, 0)


def test_a_provider_is_bounded_over_all_tenants(database, budget, tenant_id):
    books = budget(provider_day=Limit(calls=1))
    books.reserve(Payer(tenant_id, "a"), ENTRY, 1, 0)
    with pytest.raises(ModelError, match="provider_day"):
        books.reserve(Payer(rows.tenant(database, "other"), "b"), ENTRY, 1, 0)


def test_an_unknown_price_is_refused_unless_allowed(database, clock, tenant_id):
    limits = Limits(request=Limit(micros=10))
    with pytest.raises(ModelError) as error:
        Budget(database, clock, limits).reserve(Payer(tenant_id, "r"), ENTRY, 1, None)
    assert error.value.kind == "unknown_price"
    assert Budget(database, clock, limits, allow_unknown_price=True).reserve(
        Payer(tenant_id, "r"), ENTRY, 1, None
    )
    assert Budget(database, clock, Limits(request=Limit(tokens=9))).reserve(
        Payer(tenant_id, "q"), ENTRY, 1, None
    )


def test_lines_show_limits_spent_reserved_and_left(clock, budget, tenant_id):
    books = budget(tenant_day=Limit(calls=5, micros=100))
    books.reserve(Payer(tenant_id, "r"), ENTRY, 30, 40)
    lines = {line.kind: line for line in books.lines(tenant_id, clock.now() - timedelta(days=1))}
    assert lines["tenant_day"].left() == Limit(4, None, 60)
    assert lines["tenant_day"].reserved == Amount(1, 30, 40)
    assert set(lines) == {"tenant_day", "request", "provider_day"}


def test_purging_keeps_what_is_under_way(database, clock, budget, tenant_id):
    books = budget()
    books.settle(books.reserve(Payer(tenant_id, "old"), ENTRY, 1, 0), Spending("ok"))
    open_one = books.reserve(Payer(tenant_id, "open"), ENTRY, 1, 0)
    clock.advance(days=40)
    assert books.purge(clock.now() - timedelta(days=30)) == 2
    books.sending(open_one)
    books.settle(open_one, Spending("ok"))
    assert outcomes(database) == ["ok", "ok"]


def test_two_hundred_workers_at_once_never_pass_a_budget(database, clock, tenant_id):
    """Each worker calls until it is refused; one in five dies before settling."""
    limits = Limits(tenant_day=Limit(calls=150, tokens=9_000, micros=4_000), provider_day=Limit(calls=150))
    wide = Database(database.engine.url.render_as_string(hide_password=False), pool_size=16)
    books = Budget(wide, clock, limits)

    def work(number):
        rng, really = random.Random(number), Amount()
        for turn in range(3):
            ask = rng.randint(20, 90)
            try:
                held = books.reserve(Payer(tenant_id, f"w{number}-{turn}", number % 7), ENTRY, ask, ask // 2)
            except ModelError:
                return really
            books.sending(held)
            cost = Spending("ok", rng.randint(1, ask), cost_micros=rng.randint(0, ask // 2))
            really += cost.amount
            if rng.random() < 0.2:
                return really
            books.settle(held, cost)
        return really

    with ThreadPoolExecutor(200) as pool:
        totals = list(pool.map(work, range(200)))
    really = Amount()
    for one in totals:
        really += one
    booked, reserved = spent(database)
    assert really.calls <= 150
    assert really.tokens <= 9_000
    assert really.micros <= 4_000
    assert really.calls > 100, "the workers must have come near the limit"
    assert (booked + reserved).calls == really.calls
    clock.advance(seconds=books.lease_s + 1)
    while books.expire():
        pass
    booked, reserved = spent(database)
    assert reserved == Amount()
    assert really.tokens <= booked.tokens <= 9_000
    wide.dispose()


def test_the_books_agree_with_the_usage_rows_after_random_walks(database, clock, budget, tenant_id):
    books, rng, open_calls = budget(tenant_day=Limit(calls=60, tokens=2_000)), random.Random(11), []
    for step in range(250):
        luck = rng.random()
        if luck < 0.5:
            try:
                open_calls.append(books.reserve(Payer(tenant_id, f"r{step}"), ENTRY, rng.randint(1, 80), 0))
            except ModelError:
                continue
            if rng.random() < 0.8:
                books.sending(open_calls[-1])
        elif luck < 0.9 and open_calls:
            held = open_calls.pop(rng.randrange(len(open_calls)))
            books.settle(held, Spending("ok", rng.randint(0, held.ask.tokens)))
        else:
            clock.advance(seconds=rng.randint(0, 60))
            books.expire()
    clock.advance(seconds=books.lease_s + 1)
    books.expire()
    booked, reserved = spent(database)
    with database.transaction() as session:
        told = session.scalar(select(func.sum(Usage.input_tokens + Usage.output_tokens)))
        calls = session.scalar(select(func.count(Usage.id)))
    assert reserved == Amount()
    assert (booked.calls, booked.tokens) == (calls, told)
    assert booked.calls <= 60
