"""Text with places, as `{{name}}`, that are filled once; nothing else in it is special."""

from __future__ import annotations

import re
from collections.abc import Mapping

PLACE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]{0,63})\s*\}\}")


def places(template: str) -> tuple[str, ...]:
    """The names that a template asks for, each once."""
    return tuple(dict.fromkeys(PLACE.findall(template)))


def fill(template: str, values: Mapping[str, str]) -> str:
    """A template with a value in each of its places; what a value holds is not filled again.

    Raises KeyError for a place without a value.
    """
    return PLACE.sub(lambda match: values[match[1]], template)
