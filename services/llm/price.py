"""What models cost: genai-prices' table, offline, under an overlay of our own for whom it does not know."""

import tomllib
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from genai_prices import Usage as NoUsage
from genai_prices import calc_price

from domains.errors import InputError
from domains.llm import same_model
from domains.price import MILLION, Exchange, Price, Rate
from services.llm.profile import BY_NAME

OVERLAY: Final = Path(__file__).parent / "prices.toml"


class PriceBook:
    """Prices by provider and model. ``own`` is an installation's overlay: it wins over ours, ours over the table.

    ``currency`` is what budgets are kept in.
    """

    def __init__(self, own: Path | None = None, currency: str = "USD") -> None:
        entries, rates = _overlay()
        if own is not None:
            more, exchange = _read(own)
            entries, rates = (*more, *entries), {**rates, **exchange}
        self._entries = entries
        self.exchange = Exchange(currency, _into(currency, rates))

    def price(self, provider: str, model: str, at: datetime) -> Price | None:
        """Return what ``model`` costs at ``at``, or None when nobody knows."""
        for entry in self._entries:
            if entry["provider"] == provider and (entry["model"] == "*" or same_model(entry["model"], model)):
                return _price(entry)
        known = BY_NAME.get(provider)
        return _table(known.prices, model, at) if known and known.prices else None


def _table(provider: str, model: str, at: datetime) -> Price | None:
    try:
        found = calc_price(NoUsage(), model, provider_id=provider, genai_request_timestamp=at)
    except LookupError:
        return None
    price = found.model_price
    if price.input_mtok is None or price.output_mtok is None:
        return None
    per_call = _rate(getattr(price, "requests_kcount", None))
    return Price(
        "USD",
        _rate(price.input_mtok),
        _rate(price.output_mtok),
        f"genai-prices {version('genai-prices')}",
        f"genai-prices: {found.provider.id}/{found.model.id}",
        cached=None if price.cache_read_mtok is None else _rate(price.cache_read_mtok),
        request=per_call.base / 1000,
    )


def _rate(value: Any) -> Rate:
    if value is None or isinstance(value, Decimal):
        return Rate(value or Decimal(0))
    return Rate(value.base, tuple((tier.start, tier.price) for tier in value.tiers))


@cache
def _overlay() -> tuple[tuple[dict[str, Any], ...], dict[str, Decimal]]:
    return _read(OVERLAY)


def _read(path: Path) -> tuple[tuple[dict[str, Any], ...], dict[str, Decimal]]:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        edition = data["version"]
        entries = tuple({**entry, "version": edition} for entry in data.get("price", ()))
        for entry in entries:
            _price(entry)
        return entries, {name: Decimal(rate["usd"]) for name, rate in data.get("rate", {}).items()}
    except (OSError, ValueError, KeyError, TypeError, InvalidOperation) as error:
        raise InputError(f"cannot read prices from {path}: {error}", remedy=f"see {OVERLAY.name}") from error


def _price(entry: dict[str, Any]) -> Price:
    tiers = entry.get("tiers", ())
    return Price(
        entry["currency"],
        Rate(Decimal(entry["input"]), tuple((tier["over"], Decimal(tier["input"])) for tier in tiers)),
        Rate(Decimal(entry["output"]), tuple((tier["over"], Decimal(tier["output"])) for tier in tiers)),
        f"overlay {entry['version']} ({entry['date']})",
        entry["source"],
        cached=Rate(Decimal(entry["cached"])) if "cached" in entry else None,
    )


def _into(currency: str, usd: dict[str, Decimal]) -> dict[str, Decimal]:
    """Return what one unit of each currency is worth in ``currency``, from what each is worth in dollars."""
    worth = {"USD": Decimal(1), **usd}
    if currency not in worth:
        return {}
    return {name: (value / worth[currency]).quantize(1 / MILLION**2) for name, value in worth.items()}
