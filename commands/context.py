"""What a verb works with: the machine's settings, its capabilities, its stores."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from pydantic import ValidationError

from opslayer.errors import ConfigError, Problem, Refused

if TYPE_CHECKING:
    from opslayer.capability import Capability
    from opslayer.engine import Executor
    from opslayer.settings import Settings
    from opslayer.stores import Stores


@dataclass(frozen=True)
class Context:
    """Built when a verb runs; the stores only when it asks for them."""

    settings: Settings

    @cached_property
    def stores(self) -> Stores:
        """The stores that the settings name; makes the data folder, Refused where it can't be."""
        from opslayer.stores import Stores

        try:
            return Stores.at(self.settings)
        except OSError as error:
            raise Refused(
                f"the data folder {self.settings.root} can't be made ({error.strerror}): set "
                "OPSLAYER_HOME to a folder that this user may write to"
            ) from error

    @property
    def executor(self) -> Executor:
        """What runs independent pieces: this process, or the engine that the settings name."""
        from opslayer.engine import executor_at

        return executor_at(self.settings)

    def capability(self, name: str) -> Capability:
        """A capability by name; NotFound names what there is, ConfigError every problem."""
        from opslayer.configuration import load_capability

        return load_capability(name, self.settings.configs)

    def capabilities(self) -> list[Capability]:
        """Every capability by name; ConfigError with the problems of all files."""
        from opslayer.configuration import load_all

        return load_all(self.settings.configs)


def context() -> Context:
    """The context that the environment describes; ConfigError for a setting that can't be."""
    from opslayer.settings import Settings

    try:
        return Context(Settings())
    except ValidationError as error:
        raise ConfigError(
            [
                Problem("environment", 1, f"OPSLAYER_{detail['loc'][0]}".upper(), detail["msg"])
                for detail in error.errors(include_url=False, include_input=False)
            ]
        ) from error
