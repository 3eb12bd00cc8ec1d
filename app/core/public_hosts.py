"""Hosts that others typed, looked up once. None of them leads into the desk's own network.

All addresses of a host are judged, and the connection goes to the very address that was judged: a name that is answered
otherwise the next time gains nothing.
"""

import asyncio
import ipaddress
import re
import socket

import httpx2

PORTS = {"https": 443, "http": 80}
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""What some networks reach IPv4 addresses by (RFC 6052)."""


class HostUnknown(Exception):
    """It cannot be found, at least for now."""


class HostPrivate(Exception):
    """At least one of its addresses is not on the public internet."""


def parsed(url: str) -> httpx2.URL | None:
    """None for what no connection could be made to: another scheme, no host, a login in it."""
    try:
        found = httpx2.URL(url)
    except (httpx2.InvalidURL, UnicodeError):
        return None
    named = found.scheme in PORTS and _HOST.fullmatch(found.raw_host.decode("ascii", "replace")) is not None
    return found if named and not found.userinfo else None


async def address_of(url: httpx2.URL, *, private: bool) -> str:
    """One of the host's addresses, after all of them were judged; with `private` any will do. Raises HostUnknown and
    HostPrivate."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            url.host, url.port or PORTS[url.scheme], type=socket.SOCK_STREAM
        )
    except (OSError, UnicodeError) as error:
        raise HostUnknown(url.host) from error
    addresses = [ipaddress.ip_address(one[4][0]) for one in found]
    if not private and not all(map(is_public, addresses)):
        raise HostPrivate(url.host)
    return str(addresses[0])


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Also of the IPv4 address that an IPv6 address stands for."""
    inner = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None) or address
    if isinstance(address, ipaddress.IPv6Address) and address in _NAT64:
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return inner.is_global and address.is_global and not inner.is_multicast and not address.is_multicast
