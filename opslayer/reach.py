"""Which addresses a configured URL may lead to: those of the open internet, and the networks that a
setting names.

Looked at when a socket is made, after the name was resolved, so that no spelling of an address and
no name that resolves to another one each time gets past it.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from errno import EACCES
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Any

Network = IPv4Network | IPv6Network
AnyAddress = IPv4Address | IPv6Address


def parse_networks(text: object) -> tuple[Network, ...]:
    """Networks of a comma-separated list, as `10.0.0.0/8,::1/128`; `none` is none of them.

    Raises ValueError with every word that is no network.
    """
    if isinstance(text, tuple):
        return text
    words = [word.strip() for word in str(text).split(",")]
    found, wrong = [], []
    for word in [] if words == ["none"] else words:
        try:
            found.append(ip_network(word))
        except ValueError as error:
            wrong.append(str(error))
    if wrong:
        raise ValueError(f"{'; '.join(wrong)}: write networks as 10.0.0.0/8,::1/128, or none")
    return tuple(found)


OWN = parse_networks("127.0.0.0/8,::1/128,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7")
"""This machine and private networks (RFC 1918, RFC 4193)."""

METADATA: frozenset[AnyAddress] = frozenset(
    ip_address(text)
    for text in (
        "169.254.169.254",  # nearly every cloud
        "169.254.170.2",  # Amazon's containers
        "fd00:ec2::254",  # Amazon over IPv6
        "fd20:ce::254",  # Google over IPv6
        "168.63.129.16",  # Azure's own, which is not in any private range
        "100.100.100.200",  # Alibaba
        "192.0.0.192",  # Oracle
    )
)
"""Where clouds hand out a machine's credentials: never meant where a whole network is allowed."""

UNICAST = IPv6Network("2000::/3")
NAT64 = IPv6Network("64:ff9b::/96")
"""IPv4 for machines that have IPv6 alone (RFC 6052); the address that is meant is looked at too."""
COMPATIBLE = IPv6Network("::/96")
"""IPv4 in IPv6 as it was once written (RFC 4291, 2.5.5.1)."""


@dataclass(frozen=True, slots=True)
class Reach:
    """The addresses that may be connected to."""

    networks: tuple[Network, ...]
    """Those allowed beside the open internet's."""
    setting: str
    """The environment variable that names them, for who reads a refusal."""

    def refusal(self, address: str) -> str | None:
        """Why an address may not be connected to; None where it may. ValueError for none at all."""
        found = ip_address(address.partition("%")[0])  # an interface after % changes nothing
        if all(self._allows(one) for one in _meant(found)):
            return None
        return f"{found} is no public address, and {self.setting} does not allow it"

    def socket(self, info: tuple[Any, ...]) -> socket.socket:
        """A new socket for a resolved address, as `getaddrinfo` describes it.

        Raises PermissionError where the address may not be connected to.
        """
        family, kind, protocol, _, place = info
        refused = self.refusal(str(place[0]))
        if refused:
            raise PermissionError(EACCES, refused)
        return socket.socket(family, kind, protocol)

    def _allows(self, address: AnyAddress) -> bool:
        named = [network for network in self.networks if address in network]
        if address in METADATA:
            return any(network.num_addresses == 1 for network in named)
        return bool(named) or _is_public(address)


def _meant(address: AnyAddress) -> Iterator[AnyAddress]:
    """An address, and every IPv4 address that a packet to it may be handed on to."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            yield address.ipv4_mapped
            return
        if address.sixtofour:
            yield address.sixtofour
        if address.teredo:
            yield from address.teredo
        if address in NAT64 or (address in COMPATIBLE and int(address) > 1):
            yield IPv4Address(int(address) & 0xFFFFFFFF)
    yield address


def _is_public(address: AnyAddress) -> bool:
    if isinstance(address, IPv6Address) and address not in UNICAST:
        return address in NAT64
    return address.is_global and not address.is_multicast
