"""What every page is made from: the machine's settings, its capabilities and its stores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock

from opslayer.capability import Capability
from opslayer.configuration.folder import Files
from opslayer.errors import NotFound
from opslayer.settings import Settings
from opslayer.steps.heard import Heard
from opslayer.stores import Stores
from opslayer.stores.secret import installation_secret


@dataclass(slots=True)
class Desk:
    """The reviewer's desk: opened once for each process."""

    settings: Settings
    stores: Stores
    secret: bytes
    files: Files
    heard: dict[str, dict[str, Heard]] = field(default_factory=dict)
    """By capability, what was heard of its experiments: a page goes on from where it was."""
    alone: Lock = field(default_factory=Lock)
    """Held by the page that listens, or reads the files: pages are made in several threads."""

    @classmethod
    def at(cls, settings: Settings) -> Desk:
        """The desk of an installation."""
        secret = installation_secret(settings)
        return cls(settings, Stores.at(settings), secret, Files(settings.configs))

    def capabilities(self) -> tuple[list[Capability], Mapping[str, str]]:
        """Every capability by name, and by file what is wrong with it."""
        with self.alone:
            found, wrong = self.files.read()
        return sorted(found, key=lambda one: one.name), wrong

    def capability(self, name: str) -> Capability:
        """One capability; NotFound names what there is."""
        there = {one.name: one for one in self.capabilities()[0]}
        if name not in there:
            raise NotFound(f"there is no capability {name[:64]!r}: there are {', '.join(there)}")
        return there[name]
