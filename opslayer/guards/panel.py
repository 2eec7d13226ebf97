"""The guards of one capability, and what they say of one request's texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from opslayer.capability import Capability, GuardName, Guards
from opslayer.guards.holdback import HoldBack
from opslayer.guards.looked import Action, Blocked, GuardUnavailable, Looked, TextGuard
from opslayer.guards.pii import Pii
from opslayer.guards.shape import Shape

Side = Literal["input", "output"]
TEXTS = (GuardName.PII, GuardName.INJECTION, GuardName.CONTENT)
"""Guards that look at texts; `shape` looks at rows."""


@dataclass(frozen=True, slots=True)
class Panel:
    """What guards a capability."""

    rules: Guards
    shape: Shape
    trained: Mapping[GuardName, TextGuard]
    """The guards that look by a model, where it is there."""

    @classmethod
    def of(cls, capability: Capability, trained: Mapping[GuardName, TextGuard]) -> Panel:
        """The panel that a capability's file asks for."""
        return cls(capability.guards, Shape.of(capability), trained)

    def session(self) -> Session:
        """The panel's sitting for one request."""
        return Session(self, Pii(self.rules.pii))


@dataclass(slots=True)
class Session:
    """One request before the panel. What is masked keeps its mask in all of the request's texts."""

    panel: Panel
    pii: Pii
    lines: list[str] = field(default_factory=list)
    """What was found, for the interaction's record; each line once."""

    def look(self, text: str, side: Side, *, spoken: bool = True) -> str:
        """The text as it may go on; raises Blocked.

        `spoken` is whether the user, or a tool, wrote it: only such a text can be an injection.
        """
        names = self.panel.rules.input if side == "input" else self.panel.rules.output
        for name in names:
            if name in TEXTS and (spoken or name is not GuardName.INJECTION):
                text = self._look(name, text, side)
        return text

    def mask(self, text: str, side: Side) -> str:
        """A text that is no talk, as a name or an id, without personal data; raises Blocked."""
        names = self.panel.rules.input if side == "input" else self.panel.rules.output
        return self._look(GuardName.PII, text, side) if GuardName.PII in names else text

    def hold_back(self) -> HoldBack:
        """The output of a stream before the panel."""
        guarded = any(name in TEXTS for name in self.panel.rules.output)
        hold = self.panel.rules.hold_back if guarded else 0
        return HoldBack(lambda text: self.look(text, "output"), hold)

    def restore(self, text: str) -> str:
        """A text with the caller's own values in place of their masks, where the file allows it."""
        if not self.panel.rules.pii.reversible or "[" not in text:
            return text
        for mask, value in self.pii.originals.items():
            text = text.replace(mask, value)
        return text

    def _look(self, name: GuardName, text: str, side: Side) -> str:
        guard: TextGuard | None = (
            self.pii if name is GuardName.PII else self.panel.trained.get(name)
        )
        try:
            if guard is None:
                raise GuardUnavailable(f"{name} has no model yet")
            looked = guard.look(text)
        except GuardUnavailable:
            if self.panel.rules.unavailable == "pass":
                self._note(f"{name}:{side}:unavailable")
                return text
            looked = Looked(name, Action.BLOCKED, "", {"unavailable": 1})
        if looked.action is not Action.PASSED:
            self._note(looked.line(side))
        if looked.action is Action.BLOCKED:
            raise Blocked(looked)
        return looked.text

    def _note(self, line: str) -> None:
        if line not in self.lines:
            self.lines.append(line)
