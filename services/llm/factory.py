"""From settings to a ladder: the adapter that an endpoint needs, the rungs, and what they work with."""

import random
import time
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from importlib import import_module
from typing import Final

from pydantic import SecretStr

from domains.budget import Limit, Limits
from domains.errors import UsageError
from domains.llm import Model, Payer
from domains.ports import Clock
from monitoring.meter import Counting, Meter
from services.budget import Budget
from services.database import Database
from services.llm.cache import ReplyCache
from services.llm.gateway import LadderGateway, Record
from services.llm.price import PriceBook
from services.llm.profile import Endpoint, profile
from services.llm.tools import Circuits, Step, Tools
from services.settings import Settings

# Loaded when a model is set up: what they stand on takes a second and 50 MB, and most processes ask no model.
ADAPTERS: Final = {
    "openai": ("services.llm.compatible", "CompatibleModel"),
    "gigachat": ("services.llm.gigachat", "GigaChatModel"),
}


def open_model(endpoint: Endpoint, clock: Clock) -> Model:
    """Return a model that answers at ``endpoint``; nothing is connected before it is asked.

    Raises UsageError when the adapter's package is not installed.
    """
    module, name = ADAPTERS[endpoint.profile.adapter]
    adapter: Callable[[Endpoint, Clock], Model] = getattr(import_module(module), name)
    return adapter(endpoint, clock)


class Gateways:
    """What one process asks models with: one ladder and its circuits, one gateway for each payer."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        clock: Clock,
        rng: random.Random,
        meter: Counting | None = None,
    ) -> None:
        self.steps = _steps(settings, clock)
        self.budget = Budget(
            database,
            clock,
            _limits(settings),
            # Longer than any attempt, or a slow call's money would be given away while it is still spent.
            lease_s=2 * settings.model_attempt_s,
            allow_unknown_price=settings.budget_allow_unknown_price,
        )
        self._tools = Tools(
            clock=clock,
            timer=time.monotonic,
            sleep=time.sleep,
            rng=rng,
            circuits=Circuits(time.monotonic),
            ledger=self.budget,
            prices=PriceBook(settings.model_prices, settings.budget_currency),
            cache=ReplyCache(database, clock, settings.model_cache_s) if settings.model_cache_s else None,
            meter=meter or Meter(None),
        )

    def open(self, payer: Payer, record: Record | None = None) -> LadderGateway | None:
        """Return a gateway that ``payer`` pays for, or None when no model is set up."""
        return LadderGateway(self.steps, self._tools, payer, record) if self.steps else None


def _steps(settings: Settings, clock: Clock) -> tuple[Step, ...]:
    primary = partial(
        _endpoint,
        settings.model_provider,
        settings.model_name,
        settings.model_key,
        settings.model_base_url,
        settings.model_attempt_s,
    )
    cheaper = partial(
        _endpoint,
        settings.cheaper_model_provider,
        settings.cheaper_model_name,
        settings.cheaper_model_key,
        settings.cheaper_model_base_url,
        settings.model_attempt_s,
    )
    steps = []
    if settings.model_provider:
        steps.append(Step("model", open_model(primary(), clock)))
    if settings.cheaper_model_provider:
        steps.append(Step("cheaper_model", open_model(cheaper(), clock)))
    return tuple(steps)


def _endpoint(provider: str, model: str, key: SecretStr | None, base_url: str, attempt_s: float) -> Endpoint:
    if not model:
        raise UsageError(f"{provider}: no model is named", remedy="set SVODKA_MODEL_NAME")
    return Endpoint(profile(provider), model, key, base_url, attempt_s=attempt_s, read_s=min(30.0, attempt_s))


def _limits(settings: Settings) -> Limits:
    return Limits(
        run=Limit(settings.budget_run_calls, settings.budget_run_tokens, _micros(settings.budget_run_money)),
        tenant_day=Limit(
            settings.budget_day_calls, settings.budget_day_tokens, _micros(settings.budget_day_money)
        ),
        provider_day=Limit(micros=_micros(settings.budget_provider_day_money)),
    )


def _micros(money: Decimal | None) -> int | None:
    return None if money is None else int(money * 1_000_000)
