"""Which network addresses a stranger's name may lead to."""

import ipaddress
import queue
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from domains.errors import Refused, Unavailable

Resolver = Callable[[str, int], Sequence[str]]
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))


@dataclass(frozen=True, slots=True)
class Guard:
    """Looks names up and lets pass only those whose every address is public."""

    resolver: Resolver
    allow_private: bool

    def addresses(self, host: str, port: int, timeout_s: float) -> tuple[str, ...]:
        """Return the addresses of ``host``, IPv4 first. Raises Refused, and Unavailable when it has none in time."""
        try:
            found = tuple(dict.fromkeys(_within(lambda: self.resolver(host, port), timeout_s)))
        except TimeoutError as error:
            raise Unavailable(f"{host}: its name was not resolved in {timeout_s:.0f} s") from error
        except (OSError, UnicodeError) as error:
            raise Unavailable(
                f"{host}: its name cannot be resolved ({error})", remedy="check the spelling of the address"
            ) from error
        if not found:
            raise Unavailable(f"{host}: its name has no address")
        for address in found:
            if why := forbidden(address, allow_private=self.allow_private):
                raise Refused(
                    f"{host}: leads to {address}, {why}",
                    remedy="set SVODKA_ALLOW_PRIVATE_ADDRESSES=true to fetch from your own network",
                )
        return tuple(sorted(found, key=lambda one: ":" in one))


def resolve(host: str, port: int) -> list[str]:
    """Return every address that the system's resolver knows for a name."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def forbidden(address: str, *, allow_private: bool) -> str | None:
    """Return why an address must not be connected to, or None when it may.

    IPv4 addresses inside IPv6 ones (mapped, 6to4, Teredo, NAT64) are judged by the IPv4 address.
    """
    try:
        ip: _Address = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "which is no address"
    for one in (ip, *_embedded(ip)):
        if one.is_multicast or one.is_unspecified:
            return "which is no host's address"
        if not allow_private and not _public(one):
            return "a private or reserved address"
    return None


def _public(ip: _Address) -> bool:
    site_local = isinstance(ip, ipaddress.IPv6Address) and ip.is_site_local
    nat64 = isinstance(ip, ipaddress.IPv6Address) and ip in _NAT64[0]
    return nat64 or (
        ip.is_global
        and not (ip.is_private or ip.is_loopback or ip.is_link_local or ip.is_reserved or site_local)
    )


def _embedded(ip: _Address) -> tuple[ipaddress.IPv4Address, ...]:
    if isinstance(ip, ipaddress.IPv4Address):
        return ()
    inner = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
    if any(ip in network for network in _NAT64) or int(ip) >> 32 == 0:
        inner.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
    return tuple(one for one in inner if one is not None)


def _within(work: Callable[[], Sequence[str]], timeout_s: float) -> Sequence[str]:
    """Return what ``work`` returns; the system's resolver cannot be interrupted, so a thread waits for it."""
    answers: queue.SimpleQueue[Sequence[str] | OSError | UnicodeError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(work())
        except (OSError, UnicodeError) as error:
            answers.put(error)

    threading.Thread(target=ask, daemon=True, name="resolve").start()
    try:
        answer = answers.get(timeout=max(timeout_s, 0.001))
    except queue.Empty as error:
        raise TimeoutError from error
    if isinstance(answer, OSError | UnicodeError):
        raise answer
    return answer
