"""Instructions from a template: `{{name}}` is replaced, once, and nothing else is special."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.exchange import Failure, FailureKind
from opslayer.template import fill, places

LONGEST = 10_000
"""Characters of one value, at most."""


@dataclass(frozen=True, slots=True)
class Renderer:
    """One version of a prompt."""

    template: str
    defaults: Mapping[str, str]

    def render(self, metadata: Any) -> str:
        """The template with the request's metadata in its places.

        What a value holds is never rendered again, so no caller writes instructions' places. Raises
        Failure BAD_REQUEST that names every missing or unusable value.
        """
        given = metadata if isinstance(metadata, dict) else {}
        asked = places(self.template)
        values = {**self.defaults, **{name: given[name] for name in asked if name in given}}
        problems = [
            f"metadata.{name}: {wrong}" for name in asked if (wrong := _wrong(values.get(name)))
        ]
        if problems:
            raise Failure(FailureKind.BAD_REQUEST, "; ".join(problems), status=400)
        return fill(self.template, values)


def _wrong(value: Any) -> str:
    if value is None:
        return "is missing; this capability's prompt needs it"
    if not isinstance(value, str):
        return "write a string"
    return f"is longer than {LONGEST} characters" if len(value) > LONGEST else ""
