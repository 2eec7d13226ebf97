"""Prompts: templates in MLflow's prompt registry, and what was fetched of them on this machine."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from opslayer.capability import Prompt
from opslayer.errors import NotFound
from opslayer.stores.tracking import answering, client


@dataclass(frozen=True, slots=True)
class Prompts:
    """The registry's address, and a folder for copies. A version never changes, so a copy of one
    is good for ever."""

    tracking_uri: str
    folder: Path

    def register(self, capability: str, prompt: Prompt) -> int:
        """The version that holds a template: the one with these very words, or a new one.

        The prompt's tags say which version holds which words: MLflow can't be asked for that.
        Raises StoreError where MLflow does not answer.
        """
        name, tag = registered_name(capability, prompt.name), f"opslayer.{_digest(prompt.template)}"
        with answering(self.tracking_uri):
            mlflow = client(self.tracking_uri)
            known = mlflow.get_prompt(name)
            if known is not None and tag in known.tags:
                return int(known.tags[tag])
            made = int(mlflow.register_prompt(name=name, template=prompt.template).version)
            mlflow.set_prompt_tag(name, tag, str(made))
        return made

    def load(self, capability: str, prompt: str, version: int) -> str:
        """A version's template, from this machine's copy where there is one.

        Raises NotFound where the registry has no such version, StoreError where it does not answer.
        """
        copy = self.folder / f"{capability}.{prompt}.{version}.json"
        with suppress(OSError, ValueError, KeyError, TypeError):
            kept = json.loads(copy.read_text())
            if kept["sha256"] == _digest(kept["template"]):
                return str(kept["template"])
        with answering(self.tracking_uri):
            name = registered_name(capability, prompt)
            found = client(self.tracking_uri).get_prompt_version(name, str(version))
        if found is None:
            raise NotFound(f"the prompt registry has no version {version} of {name}")
        template = str(found.template)
        with suppress(OSError):  # without a copy the next start asks the registry again
            self.folder.mkdir(parents=True, exist_ok=True)
            copy.write_text(json.dumps({"template": template, "sha256": _digest(template)}))
        return template


def registered_name(capability: str, prompt: str) -> str:
    """A prompt's name in MLflow, where all capabilities share one registry."""
    return f"{capability}.{prompt}"


def _digest(template: str) -> str:
    return sha256(template.encode()).hexdigest()
