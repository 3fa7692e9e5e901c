"""The adapter that an endpoint needs."""

from domains.llm import Model
from domains.ports import Clock
from services.llm.compatible import CompatibleModel
from services.llm.gigachat import GigaChatModel
from services.llm.profile import Endpoint


def open_model(endpoint: Endpoint, clock: Clock) -> Model:
    """Return a model that answers at ``endpoint``; nothing is connected before it is asked.

    Raises UsageError when the adapter's package is not installed.
    """
    if endpoint.profile.adapter == "gigachat":
        return GigaChatModel(endpoint, clock)
    return CompatibleModel(endpoint, clock)
