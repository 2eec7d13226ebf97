"""moto's S3, which answers every call with one status as long as a file names it.

`python -m benchmarks.refusing_s3 PORT FILE`
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

SAID = {"403": ("403 Forbidden", "AccessDenied"), "503": ("503 Slow Down", "SlowDown")}

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


def refusing(answer: Wsgi, told: Path) -> Wsgi:
    """An application that asks a file first."""

    def maybe(environment: dict[str, Any], start: Any) -> Iterable[bytes]:
        status = told.read_text() if told.exists() else ""
        if status not in SAID:
            return answer(environment, start)
        line, code = SAID[status]
        body = f"<Error><Code>{code}</Code><Message>as it was told to</Message></Error>"
        start(line, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [body.encode()]

    return maybe


def main() -> None:
    """Serve until killed."""
    from moto.moto_server.werkzeug_app import (
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from werkzeug.serving import run_simple

    port, told = int(sys.argv[1]), Path(sys.argv[2])
    moto = DomainDispatcherApplication(create_backend_app)
    run_simple(
        "127.0.0.1", port, refusing(moto, told), threaded=True, request_handler=MotoRequestHandler
    )


if __name__ == "__main__":
    main()
