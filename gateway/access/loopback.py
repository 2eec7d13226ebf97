"""What comes from this machine, and was meant for it.

While there is no key, anybody on this machine may call. A page in this machine's browser is not
anybody: by DNS rebinding, or simply by posting to localhost, it would call on a stranger's behalf.
It can't choose the Host and Origin headers that the browser sends.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from gateway.access.denied import Denied

HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]]+))(?::[0-9]*)?")
WAY_OUT = "while there is no key; to be called from elsewhere, make one with `opslayer keys create`"


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


def check_origin(headers: Mapping[bytes, bytes]) -> None:
    """Refuse a call that was not meant for this machine, or comes from a strange page.

    Raises Denied 403 where `Host` is no loopback name, or there is an `Origin` that is none.
    """
    found = HOST.fullmatch(headers.get(b"host", b"").decode("latin-1"))
    if not found or not is_loopback(found[1] or found[2]):
        raise Denied(403, "host_refused", f"Host: only a name of this machine is served {WAY_OUT}")
    origin = headers.get(b"origin")
    if origin is not None and not _is_local_page(origin.decode("latin-1")):
        raise Denied(
            403, "origin_refused", f"Origin: only pages of this machine may call {WAY_OUT}"
        )


def _is_local_page(origin: str) -> bool:
    try:
        return is_loopback(urlsplit(origin).hostname or "")
    except ValueError:
        return False
