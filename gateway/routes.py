"""Every route of the API, what it needs, and which of them a path means.

The table is the one source of what is served: the OpenAPI document and the matrix that tests every
role against every route are read from it, and a path that is not in it is answered with 404.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from gateway.call import Call
from opslayer.records import Role

Handler = Callable[[Call], Awaitable[None]]


class Needs(Enum):
    """Who may call a route that asks for no one role."""

    PUBLIC = "public"
    """Anybody, without a key: probes of an orchestrator, and the API's own description."""
    KEY = "key"
    """Whoever has a key, whatever its roles."""


class Shape(Enum):
    """In which form a route's errors are."""

    OPENAI = "openai"
    PROBLEM = "problem"
    """RFC 9457."""
    OFREP = "ofrep"
    """OpenFeature's `errorCode` and `errorDetails`."""


@dataclass(frozen=True, slots=True)
class Route:
    """One operation."""

    method: str
    path: str
    """With places as `{name}`, each one segment long."""
    handler: Handler
    needs: Role | Needs
    summary: str
    errors: Shape = Shape.PROBLEM
    request: dict[str, Any] | None = None
    """JSON schema of the body; None where there is none."""
    answer: dict[str, Any] = field(default_factory=dict)
    """JSON schema of what is answered with 200."""
    sheds: bool = True
    """Whether it may be refused under load: what says how the process is has to answer then too."""


@dataclass(slots=True)
class Routes:
    """Routes by path and method."""

    table: tuple[Route, ...]
    _fixed: dict[str, dict[str, Route]] = field(init=False, default_factory=dict)
    _open: list[tuple[list[str], dict[str, Route]]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        for route in self.table:
            if "{" not in route.path:
                self._fixed.setdefault(route.path, {})[route.method] = route
                continue
            parts = route.path.split("/")
            for known, methods in self._open:
                if known == parts:
                    methods[route.method] = route
                    break
            else:
                self._open.append((parts, {route.method: route}))

    def find(self, path: str) -> tuple[dict[str, Route], dict[str, str]] | None:
        """The routes of a path by method, and what stands in its places; None for no such path."""
        fixed = self._fixed.get(path)
        if fixed is not None:
            return fixed, {}
        given = path.split("/")
        for parts, methods in self._open:
            params = _match(parts, given)
            if params is not None:
                return methods, params
        return None

    def __iter__(self) -> Iterator[Route]:
        return iter(self.table)


def _match(parts: Sequence[str], given: Sequence[str]) -> dict[str, str] | None:
    if len(parts) != len(given):
        return None
    params = {}
    for part, value in zip(parts, given, strict=True):
        if part.startswith("{"):
            if not value:
                return None
            params[part[1:-1]] = value
        elif part != value:
            return None
    return params
