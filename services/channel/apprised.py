"""Slack, Discord, Matrix, ntfy and a hundred more, through the ``apprise`` package (an extra).

All it says is whether everything went well. "No" may be a refusal or an answer that never came, so it is never taken
for "not sent": the delivery is in doubt, and its policy or an operator decides.
"""

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from domains.errors import InDoubt, Refused, Unavailable, Unreachable
from domains.ports import Lane, Parcel, Receipt
from services.address import Guard
from services.channel.target import shown

try:
    import apprise
except ImportError:  # pragma: no cover - the extra is not installed
    apprise = None  # type: ignore[assignment,unused-ignore]  # said by `check`

# These show a message on the machine itself: nothing a subscription may ask for.
LOCAL: Final = frozenset(
    {"blink1", "dbus", "gio", "glib", "gnome", "kde", "macosx", "qt", "syslog", "windows"}
)
LOOKUP_S: Final = 5.0
INTERVAL_S: Final = 1.0
BURST: Final = 5
_HOW: Final = "apprise:SCHEME://…, as https://github.com/caronc/apprise/wiki describes"


@dataclass(frozen=True, slots=True)
class AppriseChannel:
    """Sends a digest's Markdown to whatever an apprise URL names, in several messages where one is too long."""

    guard: Guard

    name = "apprise"
    idempotent = False

    def check(self, target: str) -> None:
        """Raise Refused when the package is not installed or ``target`` is no service that may be used."""
        self._service(target)

    def lanes(self, target: str) -> tuple[Lane, ...]:
        """Return the target's own lane; its name tells nothing of the target, which holds secrets."""
        mark = hashlib.sha256(target.encode()).hexdigest()[:16]
        return (Lane(f"apprise:{mark}", INTERVAL_S, BURST),)

    def send(self, parcel: Parcel, target: str) -> Receipt:
        """Send the digest. Raises Refused for a target that cannot be used, InDoubt when the package says no."""
        service, where = self._service(target), shown(self.name, target)
        self._look_up(service)
        desk = apprise.Apprise(asset=service.asset)
        desk.add(service)
        try:
            said = desk.notify(
                body=parcel.markdown, title=parcel.title, body_format=apprise.NotifyFormat.MARKDOWN
            )
        except TypeError as error:
            raise Refused(
                f"{where}: {error}", remedy="this is a bug of Svodka's; please report it"
            ) from error
        if said:
            return Receipt((where,))
        if said is None:
            raise Refused(f"{where}: nothing to send to", remedy=_HOW)
        raise InDoubt(
            f"{where}: apprise says no, which may mean refused, or sent without an answer",
            remedy="look there whether it has arrived; the worker's log says what apprise saw",
        )

    def _look_up(self, service: Any) -> None:
        """Raise Refused when the service's server is a private one, Unreachable when its name is not known.

        Where a scheme has no server of its own, a token stands in its place; what has no dot is no name to look up.
        The package connects by itself, so this keeps honest targets out of the network behind us, not a name that
        changes its address between two looks.
        """
        host = str(getattr(service, "host", "") or "").strip("[]")
        if "." not in host and ":" not in host and host != "localhost":
            return
        try:
            self.guard.addresses(host, service.port or 443, LOOKUP_S)
        except Unavailable as error:
            raise Unreachable(str(error), remedy=error.remedy) from error

    def _service(self, target: str) -> Any:
        if apprise is None:
            raise Refused("the channel apprise is not installed here", remedy="pip install 'svodka[apprise]'")
        scheme, colon, _ = target.partition("://")
        if not colon or scheme.lower() in LOCAL:
            raise Refused(f"{shown(self.name, target)!r} is no service that digests go to", remedy=_HOW)
        # No plugins from disk, nothing kept on it, no threads of its own, and no advertisement.
        asset = apprise.AppriseAsset(
            app_id="Svodka",
            app_desc="Svodka",
            app_url="",
            async_mode=False,
            secure_logging=True,
            plugin_paths=[],
            storage_mode=apprise.PersistentStoreMode.MEMORY,
        )
        service = apprise.Apprise.instantiate(target, asset=asset, suppress_exceptions=True)
        if service is None:
            raise Refused(f"apprise does not understand {shown(self.name, target)!r}", remedy=_HOW)
        service.overflow_mode = apprise.OverflowMode.SPLIT
        return service
