"""GigaChat through its own package (the ``gigachat`` extra): OAuth tokens of half an hour, its certificates, roubles.

The package would repeat a request by itself when a token has expired; an attempt is one attempt here, so the token
is fetched by one client and the request is sent by another that knows no credentials.
"""

import ssl
import threading
from typing import Any

import httpx

from domains.errors import UsageError
from domains.fault import ModelError
from domains.llm import Reply, Request
from domains.ports import Clock
from services.llm import protocol
from services.llm.adapter import Adapter
from services.llm.profile import Endpoint
from services.llm.wire import Wire, tls

try:
    from gigachat import GigaChatSyncClient
    from gigachat.exceptions import GigaChatException, ResponseError
    from gigachat.models import Chat
except ImportError:  # pragma: no cover - the extra is not installed
    GigaChatSyncClient = None  # type: ignore[assignment,misc,unused-ignore]  # said by the constructor


class GigaChatModel(Adapter):
    """One GigaChat model. Tokens are kept by this object, in this process, until shortly before they expire."""

    def __init__(self, endpoint: Endpoint, clock: Clock) -> None:
        if GigaChatSyncClient is None:
            raise UsageError("GigaChat's client is not installed", remedy="pip install 'svodka[gigachat]'")
        super().__init__(endpoint, clock)
        self._lock = threading.Lock()
        self._token = ""
        self._expires_ms = 0.0
        self._doubted = False

    def complete(self, request: Request, timeout_s: float) -> Reply:
        """Ask once, within ``timeout_s`` of wall-clock time, fetching a token first if there is none.

        Raises ModelError; of kind token_expired when a token was refused that should still be good: the next
        attempt fetches a new one, and if that is refused too the credentials are wrong.
        """
        within_s = min(timeout_s, self._endpoint.attempt_s)
        wire = Wire((self._endpoint.secret, self._token))
        asked = protocol.body(request, self._endpoint)
        try:
            wire.run(self.provider, within_s, lambda: self._send(asked, wire, within_s))
        except (GigaChatException, httpx.HTTPError) as error:
            raise self._error(error, wire) from None
        self._doubted = False
        return protocol.read(wire.body, self._endpoint, request, stream=False)

    def _send(self, asked: dict[str, Any], wire: Wire, within_s: float) -> None:
        token = self._fresh_token(wire, within_s)
        with self._client(within_s, access_token=token, credentials="") as client:
            # The package offers no way to hand over a client or to see a reply's bytes.
            client._client.event_hooks = wire.hooks  # noqa: SLF001
            try:
                client.chat(Chat.model_validate(asked))
            except ValueError:
                # Not the package's idea of a completion; `protocol.read` says what is wrong with it.
                if wire.status is None:
                    raise

    def _fresh_token(self, wire: Wire, within_s: float) -> str:
        now_ms = self._clock.now().timestamp() * 1000
        with self._lock:
            # A minute before the end: a token must outlive the request.
            if self._token and now_ms < self._expires_ms - 60_000:
                return self._token
            with self._client(within_s, credentials=self._endpoint.secret) as client:
                client._auth_client.event_hooks = wire.hooks  # noqa: SLF001
                try:
                    found = client.get_token()
                except (ValueError, TypeError) as error:
                    raise ModelError(f"{self.provider}: no token in the reply", kind="auth") from error
            if found is None:
                raise ModelError(f"{self.provider}: no token", kind="auth", remedy=protocol.REMEDIES["auth"])
            self._token, self._expires_ms = found.access_token, float(found.expires_at)
            return self._token

    def _client(self, within_s: float, *, credentials: str, access_token: str | None = None) -> Any:
        end = self._endpoint
        return GigaChatSyncClient(
            base_url=end.url,
            auth_url=end.auth_url,
            scope=end.scope,
            model=end.model,
            timeout=min(end.read_s, within_s),
            verify_ssl_certs=True,
            ssl_context=self._context(),
            max_retries=0,
            max_connections=1,
            user="",
            password="",
            credentials=credentials,
            access_token=access_token,
        )

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = tls(self._endpoint.ca_file, self._endpoint.url, self._endpoint.auth_url)
        return self._tls

    def _error(self, error: Exception, wire: Wire) -> ModelError:
        name = self.provider
        if isinstance(error, ResponseError):
            known = dict(error.headers or {})
            fault = protocol.status_error(
                self._endpoint, error.status_code, known, wire.body, self._clock.now()
            )
            if fault.kind == "auth" and self._token and not self._doubted:
                self._token, self._doubted = "", True
                return ModelError(f"{name}: the access token has expired", kind="token_expired", status=401)
            self._token = ""
            return fault
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return ModelError(
                f"{name}: cannot be reached", kind="unreachable", remedy=protocol.REMEDIES["unreachable"]
            )
        if isinstance(error, httpx.TimeoutException):
            return ModelError(f"{name}: silent for too long", kind="timeout", status=wire.status)
        if isinstance(error, httpx.TransportError):
            return ModelError(f"{name}: the connection broke off", kind="broken_off", status=wire.status)
        return ModelError(
            f"{name}: {type(error).__name__} from its client", kind="protocol", status=wire.status
        )
