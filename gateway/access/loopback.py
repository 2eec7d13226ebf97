"""What comes from this machine, and was meant for it.

While there is no key, anybody on this machine may call. A page in this machine's browser is not
anybody: by DNS rebinding, or simply by posting to localhost, it would call on a stranger's behalf.
It can't choose the Host and Origin headers that the browser sends.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.access.denied import Denied
from opslayer.loopback import is_local_host, is_local_page

WAY_OUT = "while there is no key; to be called from elsewhere, make one with `opslayer keys create`"


def check_origin(headers: Mapping[bytes, bytes]) -> None:
    """Refuse a call that was not meant for this machine, or comes from a strange page.

    Raises Denied 403 where `Host` is no loopback name, or there is an `Origin` that is none.
    """
    if not is_local_host(headers.get(b"host", b"").decode("latin-1")):
        raise Denied(403, "host_refused", f"Host: only a name of this machine is served {WAY_OUT}")
    origin = headers.get(b"origin")
    if origin is not None and not is_local_page(origin.decode("latin-1")):
        raise Denied(
            403, "origin_refused", f"Origin: only pages of this machine may call {WAY_OUT}"
        )
