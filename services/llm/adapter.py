"""What every adapter is to the ladder: a model at an endpoint, by its provider, its name and its dialect."""

import ssl

from domains.ports import Clock
from services.llm.profile import Endpoint


class Adapter:
    """One model at one address. The certificates are read when it is first asked, and once."""

    def __init__(self, endpoint: Endpoint, clock: Clock) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._tls: ssl.SSLContext | None = None

    @property
    def provider(self) -> str:
        """The profile's name."""
        return self._endpoint.profile.name

    @property
    def model(self) -> str:
        """The model's name as it is asked for."""
        return self._endpoint.model

    @property
    def dialect(self) -> str:
        """What else can change a reply."""
        return self._endpoint.dialect
