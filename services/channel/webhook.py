"""A digest's JSON posted to an address, signed as the Standard Webhooks say (https://www.standardwebhooks.com).

    webhook-id: KEY            idempotency-key: KEY
    webhook-timestamp: UNIX SECONDS
    webhook-signature: v1,BASE64(HMAC-SHA256(secret, "KEY.SECONDS.BODY"))

The key is the same at every try, so a receiver that remembers keys takes each digest once; an old timestamp tells it
of a replay.
"""

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import httpx
from pydantic import SecretStr

from domains.errors import InDoubt, Refused, Unavailable, Unreachable
from domains.ports import Clock, Lane, Parcel, Receipt
from services.channel.http import Answer, Poster
from services.channel.target import shown

PREFIX: Final = "whsec_"
_HOST: Final = re.compile(r"[\w.:-]+")
_LATER: Final = frozenset({408, 425, 429})
_HOW: Final = "set SVODKA_WEBHOOK_SECRET to what the receiver checks signatures with"


@dataclass(frozen=True, slots=True)
class WebhookChannel:
    """Posts digests to https and http addresses. Sending the same parcel again carries the same Idempotency-Key."""

    secret: SecretStr | None
    poster: Poster
    clock: Clock
    user_agent: str
    name = "webhook"
    idempotent = True

    def check(self, target: str) -> None:
        """Raise Refused when there is no secret to sign with or ``target`` is no web address."""
        self._key()
        _address(target)

    def lanes(self, target: str) -> tuple[Lane, ...]:
        """Return the lane of the target's server: it is left alone while it does not answer."""
        url = _address(target)
        return (Lane(f"webhook:{url.host}:{url.port or url.scheme}"),)

    def send(self, parcel: Parcel, target: str) -> Receipt:
        """Post the digest's JSON. Raises Unavailable, also when no answer came, and Refused for an answer 3xx or 4xx."""
        url, where, now = _address(target), shown(self.name, target), self.clock.now()
        headers = {
            "content-type": "application/json",
            "user-agent": self.user_agent,
            "idempotency-key": parcel.key,
            **signature(self._key(), parcel.key, now, parcel.json),
        }
        if url.userinfo:
            login = base64.b64encode(f"{url.username}:{url.password}".encode()).decode()
            headers["authorization"] = f"Basic {login}"
        try:
            answer = self.poster.post(
                str(url.copy_with(userinfo=b"")), where=where, headers=headers, body=parcel.json
            )
        except InDoubt as error:
            # The key makes another try harmless.
            raise Unreachable(str(error), remedy="it is tried again with the same key") from error
        return self._judged(answer, parcel, where, now)

    def _judged(self, answer: Answer, parcel: Parcel, where: str, now: datetime) -> Receipt:
        if 200 <= answer.status < 300:
            return Receipt((where,), external_id=parcel.key)
        what = f"{where}: answers {answer.status}"
        if answer.status in _LATER or answer.status >= 500:
            wait_s = answer.retry_after_s(now)
            kind = Unavailable if answer.status in _LATER or wait_s is not None else Unreachable
            raise kind(what, remedy="it is tried again", retry_after_s=wait_s)
        if 300 <= answer.status < 400:
            raise Refused(
                f"{what}; redirects are not followed", remedy="subscribe with the address it leads to"
            )
        raise Refused(what, remedy="does the receiver know the secret and the path? its log says why")

    def _key(self) -> bytes:
        secret = self.secret.get_secret_value() if self.secret else ""
        if not secret:
            raise Refused("the channel webhook is not set up here", remedy=_HOW)
        if not secret.startswith(PREFIX):
            return secret.encode()
        try:
            return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        except binascii.Error:
            raise Refused(f"a secret that begins with {PREFIX} must go on in base64", remedy=_HOW) from None


def signature(secret: bytes, key: str, at: datetime, body: bytes) -> dict[str, str]:
    """Return the three headers that prove who sent ``body`` and when."""
    seconds = str(int(at.timestamp()))
    signed = b".".join((key.encode(), seconds.encode(), body))
    digest = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    return {"webhook-id": key, "webhook-timestamp": seconds, "webhook-signature": f"v1,{digest}"}


def _address(target: str) -> httpx.URL:
    try:
        url = httpx.URL(target)
    except (httpx.InvalidURL, ValueError) as error:
        raise Refused("this webhook is no address", remedy="webhook:https://HOST/PATH") from error
    if url.scheme not in {"http", "https"} or not _HOST.fullmatch(url.host):
        raise Refused(f"{shown('webhook', target)!r} is no web address", remedy="webhook:https://HOST/PATH")
    return url
