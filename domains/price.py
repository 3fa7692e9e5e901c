"""What a call costs: prices per million tokens, with tiers, and where they come from. Pure and exact (Decimal)."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from domains.fault import Usage

MILLION = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class Rate:
    """A price per million tokens; ``tiers`` are (more input tokens than, price), ascending, for the whole request."""

    base: Decimal
    tiers: tuple[tuple[int, Decimal], ...] = ()

    def at(self, input_tokens: int) -> Decimal:
        """Return the price that applies to a request of ``input_tokens``."""
        price = self.base
        for start, tier in self.tiers:
            if input_tokens > start:
                price = tier
        return price

    def highest(self, input_tokens: int) -> Decimal:
        """Return the highest price that a request of at most ``input_tokens`` can meet."""
        return max([self.base, *(tier for start, tier in self.tiers if input_tokens > start)])


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs, in ``currency``, and who says so: ``version`` is stored with every usage row.

    ``cached`` is the rate of input tokens that the provider had cached; None: they cost like others. ``request`` is
    a price of each call.
    """

    currency: str
    input: Rate
    output: Rate
    version: str
    source: str
    cached: Rate | None = None
    request: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Exchange:
    """The currency that budgets are kept in, and what one unit of each other currency is worth in it."""

    currency: str = "USD"
    rates: Mapping[str, Decimal] | None = None

    def rate(self, currency: str) -> Decimal | None:
        """Return what one ``currency`` is worth in the budget's currency; None when nobody said."""
        return Decimal(1) if currency == self.currency else (self.rates or {}).get(currency)


def cost(price: Price, usage: Usage) -> Decimal:
    """Return what ``usage`` costs in the price's currency."""
    cached = min(usage.cached_tokens, usage.input_tokens)
    plain = price.input.at(usage.input_tokens)
    saved = (price.cached or price.input).at(usage.input_tokens)
    total = plain * (usage.input_tokens - cached) + saved * cached
    return (total + price.output.at(usage.input_tokens) * usage.output_tokens) / MILLION + price.request


def worst_cost(price: Price, usage: Usage) -> Decimal:
    """Return the most that a request of at most ``usage`` can cost: nothing cached, in its dearest tier."""
    dearest = max(
        price.input.highest(usage.input_tokens), (price.cached or price.input).highest(usage.input_tokens)
    )
    output = price.output.highest(usage.input_tokens)
    return (dearest * usage.input_tokens + output * usage.output_tokens) / MILLION + price.request


def micros(amount: Decimal, currency: str, exchange: Exchange) -> int | None:
    """Return ``amount`` in millionths of the budget's currency, rounded up; None without an exchange rate."""
    rate = exchange.rate(currency)
    return None if rate is None else int((amount * rate * MILLION).to_integral_value(ROUND_CEILING))
