from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from domains.fault import Usage
from domains.price import Exchange, Price, Rate, cost, micros, worst_cost

PRICE = Price(
    "USD",
    Rate(Decimal(1), ((1000, Decimal(2)),)),
    Rate(Decimal(4), ((1000, Decimal(8)),)),
    "v",
    "s",
    cached=Rate(Decimal("0.1")),
    request=Decimal("0.01"),
)
counts = st.integers(0, 5000)


def test_a_tier_holds_for_the_whole_request():
    assert cost(PRICE, Usage(1000, 1000)) == Decimal("0.01") + Decimal("0.005")
    assert cost(PRICE, Usage(2000, 1000)) == Decimal("0.01") + Decimal("0.012")


def test_cached_tokens_have_their_rate():
    assert cost(PRICE, Usage(1000, 0, 400)) == Decimal("0.01") + Decimal("0.00064")


@given(counts, counts, counts, counts, counts)
def test_nothing_costs_more_than_the_worst_case(most_in, most_out, asked, answered, cached):
    usage = Usage(min(asked, most_in), min(answered, most_out), cached)
    assert cost(PRICE, usage) <= worst_cost(PRICE, Usage(most_in, most_out))


@given(st.decimals(0, 1000, places=9))
def test_micros_never_round_down(amount):
    assert micros(amount, "USD", Exchange()) >= amount * 1_000_000


def test_money_without_a_rate_is_unknown():
    assert micros(Decimal(1), "RUB", Exchange()) is None
    assert micros(Decimal(100), "RUB", Exchange("USD", {"RUB": Decimal("0.0125")})) == 1_250_000
