"""Which names and pages can only mean this machine."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]]+))(?::[0-9]*)?")
"""A `Host` header: an IPv6 address in brackets or a name, and perhaps a port."""


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Whether a name or an address, without a port, can only mean this machine."""
    name = host.lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def is_local_host(header: str) -> bool:
    """Whether a `Host` header names this machine."""
    found = HOST.fullmatch(header)
    return found is not None and is_loopback(found[1] or found[2])


def is_local_page(origin: str) -> bool:
    """Whether an `Origin` header names a page of this machine."""
    try:
        return is_loopback(urlsplit(origin).hostname or "")
    except ValueError:
        return False
