"""Where a query's database may be: a URL is held to addresses that may be reached.

A PostgreSQL server is connected to at the very address that was looked at, so that a name which
resolves to another one a moment later leads nowhere. Other dialects' drivers resolve once more.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence

from sqlalchemy import URL, make_url

from opslayer.errors import FileRefused
from opslayer.reach import Reach

LOCAL = "sqlite"
"""The dialect of a file on this machine, which connects to nobody."""
PORT = 5432
ELSEWHERE = ("service", "servicefile", "passfile", "hostaddr")
"""What would let another file, or somebody else, say where the server is."""


def held(url: str, reach: Reach) -> URL:
    """The URL with the addresses of its hosts in place, as far as its dialect takes them.

    Raises FileRefused for a host that does not resolve, or that may not be connected to, and for
    parameters that say elsewhere where the server is; SQLAlchemy's own errors for what is no URL,
    or of a dialect that there is not.
    """
    asked = make_url(url)
    asked.get_dialect()
    if asked.get_backend_name() == LOCAL:
        return asked
    if said := [name for name in ELSEWHERE if name in asked.query]:
        raise FileRefused(f"the url has {', '.join(said)}: name the server by host and port")
    hosts = list(_hosts(asked))
    addresses = [_address(host, port, reach) for host, port in hosts]
    if asked.get_backend_name() != "postgresql" or not any(addresses):
        return asked
    return asked.update_query_dict({"hostaddr": ",".join(addresses)})


def _hosts(url: URL) -> Iterator[tuple[str, int]]:
    """Every host that a URL names, each with its port; a folder is one of sockets."""
    said = url.query.get("host", ())
    for part in (said,) if isinstance(said, str) else said:
        for one in part.split(","):
            host, _, port = one.rpartition(":") if one.count(":") == 1 else (one, "", "")
            yield host, int(port) if port.isdigit() else url.port or PORT
    if url.host and not said:
        yield url.host, url.port or PORT


def _address(host: str, port: int, reach: Reach) -> str:
    """The address to connect to; empty for a folder of sockets, and where none is named."""
    if not host or host.startswith(("/", "@")):
        return ""
    try:
        found: Sequence[str] = [
            str(place[0]) for *_, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        ]
    except (OSError, UnicodeError) as error:
        raise FileRefused(f"no server {host[:64]!r} is known: {error}") from None
    for one in found:
        if why := reach.refusal(one):
            raise FileRefused(f"{host[:64]!r}: {why}")
    return found[0]
