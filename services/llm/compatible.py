"""Any server that speaks OpenAI's chat completions, through the ``openai`` package.

The package's habits that would hurt are off: it does not retry, follow redirects, read the environment's proxies or
send telemetry headers (see `services.llm.wire`). A client lives for one attempt: nothing is shared between processes
or threads, and no half-closed connection is taken from a pool.
"""

import ssl
from typing import Any

import httpx2
import openai

from domains.fault import ModelError
from domains.llm import Reply, Request
from services.llm import protocol
from services.llm.adapter import Adapter
from services.llm.wire import Wire, tls


class CompatibleModel(Adapter):
    """One model behind an OpenAI-compatible address."""

    def complete(self, request: Request, timeout_s: float) -> Reply:
        """Ask once, within ``timeout_s`` of wall-clock time. Raises ModelError."""
        within_s = min(timeout_s, self._endpoint.attempt_s)
        wire = Wire((self._endpoint.secret,))
        asked = protocol.body(request, self._endpoint)
        try:
            wire.run(self.provider, within_s, lambda: self._send(asked, wire, within_s))
        except (openai.OpenAIError, httpx2.HTTPError) as error:
            # Not chained: an error of the package quotes the body, and bodies have been seen to echo keys.
            raise self._error(error, wire) from None
        if wire.status != 200:
            raise protocol.status_error(
                self._endpoint, wire.status or 0, wire.headers, wire.body, self._clock.now()
            )
        return protocol.read(wire.body, self._endpoint, request, stream=self._endpoint.stream)

    def _send(self, asked: dict[str, Any], wire: Wire, within_s: float) -> None:
        """Send ``asked`` and read the whole reply; what came is then on ``wire``."""
        timeout = httpx2.Timeout(
            min(self._endpoint.read_s, within_s), connect=min(self._endpoint.connect_s, within_s)
        )
        with (
            httpx2.Client(
                verify=self._context(),
                timeout=timeout,
                trust_env=False,
                follow_redirects=False,
                proxy=self._endpoint.proxy,
                limits=httpx2.Limits(max_keepalive_connections=0),
                event_hooks=wire.hooks,
            ) as http,
            openai.OpenAI(
                # The package insists on a key; servers of one's own ignore it.
                api_key=self._endpoint.secret or "none",
                base_url=self._endpoint.url,
                timeout=timeout,
                max_retries=0,
                http_client=http,
            ) as client,
            client.chat.completions.with_streaming_response.create(**asked) as response,
        ):
            response.read()

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = tls(self._endpoint.ca_file, self._endpoint.url)
        return self._tls

    def _error(self, error: Exception, wire: Wire) -> ModelError:
        name = self.provider
        if isinstance(error, openai.APIStatusError):
            now = self._clock.now()
            return protocol.status_error(self._endpoint, error.status_code, wire.headers, wire.body, now)
        cause = error.__cause__ if isinstance(error, openai.APIConnectionError) else error
        if isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.ProxyError):
            return ModelError(
                f"{name}: cannot be reached", kind="unreachable", remedy=protocol.REMEDIES["unreachable"]
            )
        if isinstance(cause, httpx2.TimeoutException):
            return ModelError(f"{name}: silent for too long", kind="timeout", status=wire.status)
        if isinstance(error, openai.APIConnectionError | httpx2.TransportError):
            return ModelError(f"{name}: the connection broke off", kind="broken_off", status=wire.status)
        return ModelError(
            f"{name}: {type(error).__name__} from its client", kind="protocol", status=wire.status
        )
