"""Who is let in: an API key as a bearer token, or as the password of HTTP Basic, which feed readers can send."""

import base64
import binascii
import math
from collections.abc import Callable
from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBasic, HTTPBearer

from services import apikey
from services.apikey import Caller
from services.wiring import World
from web.api.problem import Stop

BEARER: Final = HTTPBearer(auto_error=False, description="An API key: `svodka key add LABEL`")
BASIC: Final = HTTPBasic(auto_error=False, description="The same key as the password; any user name")
_KEY_CHARS: Final = 200
_WHO: Final = {"WWW-Authenticate": 'Bearer realm="svodka", Basic realm="svodka"'}


def door(world: World, scope: str) -> Callable[..., Caller]:
    """Return what lets in callers whose key has ``scope``, at the pace that the key allows."""

    def enter(request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]) -> Caller:
        now = world.clock.now()
        key = presented(request.headers.get("authorization", ""))
        with world.database.transaction() as session:
            caller = apikey.authenticate(session, key, now=now)
            wait_s = apikey.admit(session, caller, now=now) if caller else 0.0
        if caller is None:
            raise Stop(401, "This needs an API key.", "send Authorization: Bearer svk_…", _WHO)
        if scope not in caller.scopes:
            raise Stop(403, f"This key has no scope {scope!r}.", "svodka key add LABEL --scope " + scope)
        if wait_s:
            raise Stop(
                429,
                f"This key may ask {caller.per_minute} times a minute.",
                "wait as Retry-After says",
                {"Retry-After": str(math.ceil(wait_s))},
            )
        return caller

    return enter


def presented(header: str) -> str:
    """Return the key in an Authorization header, or "" when there is none."""
    scheme, _, value = header.partition(" ")
    value = value.strip()[: 2 * _KEY_CHARS]
    if scheme.lower() == "bearer":
        return value
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(value, validate=True).decode("ascii").partition(":")[2]
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""
