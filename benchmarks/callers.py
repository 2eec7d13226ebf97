"""Clients that call a gateway all the time, and again what was not answered."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import httpx

from benchmarks.harmed import NAME

CLIENTS = 2
"""Of each load."""
PAUSE = 0.05
"""Seconds between two calls of a client: a light load."""


@dataclass
class Heard:
    """What clients heard."""

    answered: dict[str, str] = field(default_factory=dict)
    """Interaction by key."""
    calls: int = 0
    """Calls that were sent, repeats included."""
    refused: Counter[str] = field(default_factory=Counter)
    """Calls that were not answered, by why."""
    bare: int = 0
    """Of the refused, those that say nothing of when to come again."""
    slowest: float = 0.0

    @property
    def overloaded(self) -> int:
        """Of the refused, those that had to wait for the processor, which others have here too."""
        return sum(count for why, count in self.refused.items() if '"overloaded"' in why)


@dataclass(frozen=True)
class Called:
    """Where is called, and with which key of ours."""

    url: str
    key: str

    def ask(
        self, client: httpx.Client, headers: Mapping[str, str] = MappingProxyType({})
    ) -> httpx.Response:
        """One call."""
        asked = {"dataframe_records": [{"size": 1.0, "colour": "red"}]}
        path = f"{self.url}/v1/capabilities/{NAME}/invocations"
        ours = {"authorization": f"Bearer {self.key}", **headers}
        return client.post(path, json=asked, headers=ours)


class Load:
    """Clients that call all the time, all with keys or all without."""

    def __init__(self, called: Called, keys: bool) -> None:
        self.called, self.keys, self.heard, self.lock = called, keys, Heard(), threading.Lock()
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self._call, args=(n,)) for n in range(CLIENTS)]

    def turn(self) -> Heard:
        """What was heard up to now; from here on it is counted anew."""
        with self.lock:
            said, self.heard = self.heard, Heard()
        return said

    def _call(self, number: int) -> None:
        place = 0
        with httpx.Client(timeout=30) as client:
            while not self.over.is_set():
                place += 1
                key = f"{number}-{place}-{time.time_ns()}"
                while not self.over.is_set() and not self._once(client, key):
                    self.over.wait(PAUSE)
                self.over.wait(PAUSE)

    def _once(self, client: httpx.Client, key: str) -> bool:
        began, named = time.monotonic(), {"idempotency-key": key} if self.keys else {}
        try:
            reply = self.called.ask(client, named)
        except httpx.TransportError as error:
            self._note(key, began, None, type(error).__name__)
            return False
        if reply.status_code == 200 and "x-opslayer-fallback" not in reply.headers:
            self._note(key, began, reply.headers["x-opslayer-interaction"], "")
            return True
        why = f"{reply.status_code} {reply.headers.get('x-opslayer-fallback') or reply.text[:200]}"
        self._note(key, began, None, why, "retry-after" in reply.headers)
        return False

    def _note(
        self, key: str, began: float, interaction: str | None, why: str, told: bool = True
    ) -> None:
        with self.lock:
            heard = self.heard
            heard.calls += 1
            heard.slowest = max(heard.slowest, time.monotonic() - began)
            if interaction is not None:
                heard.answered[key] = interaction
            else:
                heard.refused[why] += 1
                heard.bare += not told

    def __enter__(self) -> Load:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()
