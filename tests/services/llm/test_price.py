"""Prices: the offline table, our overlay, an installation's own, and what is unknown."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from domains.errors import InputError, UsageError
from domains.fault import Usage
from domains.price import cost, micros
from services.llm.price import OVERLAY, PriceBook
from services.llm.profile import BY_NAME, PROFILES, Endpoint, profile

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
OWN = """
version = "mine"
[[price]]
provider = "openai"
model = "gpt-4o-mini"
currency = "EUR"
input = "1"
output = "2"
date = 2026-11-01
source = "our contract"
[rate.EUR]
usd = "1.1"
"""


def test_known_models_have_prices_from_the_table():
    price = PriceBook().price("openai", "gpt-4o-mini", NOW)
    assert (price.currency, price.input.base, price.output.base) == ("USD", Decimal("0.15"), Decimal("0.6"))
    assert price.cached.base == Decimal("0.075")
    assert price.version.startswith("genai-prices 0.")


@pytest.mark.parametrize(
    ("provider", "model", "currency"),
    [
        ("mistral", "mistral-small-latest", "USD"),
        ("deepseek", "deepseek-chat", "USD"),
        ("openrouter", "qwen/qwen3-32b", "USD"),
        ("xai", "grok-4-fast", "USD"),
        ("dashscope", "qwen3-max", "USD"),
        ("gigachat", "GigaChat-2", "RUB"),
        ("gigachat", "GigaChat-2-Max", "RUB"),
        ("vllm", "whatever-you-serve", "USD"),
        ("ollama", "llama3.2", "USD"),
    ],
)
def test_each_provider_has_prices(provider, model, currency):
    assert PriceBook().price(provider, model, NOW).currency == currency


def test_gigachat_lite_is_not_priced_as_max():
    book = PriceBook()
    lite, most = (
        book.price("gigachat", name, NOW).input.base for name in ("GigaChat-2:2.0.28", "GigaChat-2-Max")
    )
    assert lite < most


def test_an_unknown_model_has_no_price():
    assert PriceBook().price("openai", "nobody-knows-it", NOW) is None
    assert PriceBook().price("gigachat", "GigaChat-9", NOW) is None
    assert PriceBook().price("who", "gpt-4o", NOW) is None


def test_a_time_of_day_has_its_price():
    book = PriceBook()
    day, night = (
        book.price("deepseek", "deepseek-chat", NOW.replace(hour=hour)).input.base for hour in (12, 20)
    )
    assert day > night


def test_roubles_count_against_a_budget_in_dollars():
    book = PriceBook()
    price = book.price("gigachat", "GigaChat-2", NOW)
    amount = cost(price, Usage(1_000_000, 0))
    assert amount == 200
    assert micros(amount, "RUB", book.exchange) == 3_000_000
    assert micros(amount, "CNY", book.exchange) is None


def test_a_budget_may_be_kept_in_roubles():
    exchange = PriceBook(currency="RUB").exchange
    assert micros(Decimal(1), "RUB", exchange) == 1_000_000
    assert micros(Decimal("0.015"), "USD", exchange) == pytest.approx(1_000_000, abs=1)
    assert PriceBook(currency="XXX").exchange.rate("USD") is None


def test_an_own_overlay_wins_and_says_where_it_is_from(tmp_path):
    own = tmp_path / "prices.toml"
    own.write_text(OWN)
    book = PriceBook(own)
    price = book.price("openai", "gpt-4o-mini", NOW)
    assert (price.currency, price.version, price.source) == (
        "EUR",
        "overlay mine (2026-11-01)",
        "our contract",
    )
    assert book.exchange.rate("EUR") == Decimal("1.1")
    assert book.price("openai", "gpt-4o", NOW).currency == "USD"


@pytest.mark.parametrize("text", ["", "[[price]]\n", 'version = "1"\n[[price]]\nmodel = "x"', "price = ["])
def test_a_broken_overlay_is_named(tmp_path, text):
    own = tmp_path / "prices.toml"
    own.write_text(text)
    with pytest.raises(InputError, match=r"prices\.toml"):
        PriceBook(own)


def test_the_bundled_overlay_says_date_source_and_currency_of_each_line():
    text = OVERLAY.read_text()
    lines = text.count("[[price]]")
    for name in ("date", "source", "currency", "verified"):
        assert text.count(f"\n{name} = ") - (name in {"date", "source"}) == lines


def test_every_provider_that_was_asked_for_is_known():
    assert set(BY_NAME) == {
        "openai",
        "mistral",
        "openrouter",
        "deepseek",
        "dashscope",
        "xai",
        "vllm",
        "ollama",
        "gigachat",
    }
    assert len(BY_NAME) == len(PROFILES)
    with pytest.raises(UsageError, match="no provider is called 'gork'"):
        profile("gork")


def test_an_endpoint_without_its_key_or_address_is_refused():
    with pytest.raises(UsageError, match="openai: no key"):
        Endpoint(profile("openai"), "gpt-4o")
    with pytest.raises(UsageError, match="vllm: no address"):
        Endpoint(profile("vllm"), "m")
    assert Endpoint(profile("ollama"), "llama3.2").url.startswith("http://localhost")
