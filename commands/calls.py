"""What the demo asks the gateway once the loop has trained everything: one call of each kind."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from commands.after import answers
from opslayer.capability import Capability, ColumnType, Input, Kind
from opslayer.errors import Refused

PATIENCE = 90.0
"""Seconds for the gateway to answer."""
QUESTION = "The front brake of my bike is broken, what now?"


@contextmanager
def serving(log: Path) -> Iterator[str]:
    """Run the gateway on the installation that the environment names; yields its address."""
    port = _free_port()
    with log.open("ab") as heard:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "commands", "serve", "--port", str(port)],
            stdout=heard,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url, process, log)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def ask_all(url: str, capabilities: Sequence[Capability], folder: Path) -> list[dict[str, Any]]:
    """Call each capability by its own convention; a picture is written into the folder."""
    return [_ask(url, capability, folder) for capability in capabilities]


def _ask(url: str, capability: Capability, folder: Path) -> dict[str, Any]:
    name = capability.name
    if capability.kind is Kind.CHAT:
        path, body = chat(capability, {"text": QUESTION})
    elif capability.kind is Kind.IMAGE:
        path = "/v1/images/generations"
        body = {"model": name, "prompt": f"a {_subject(capability)}"}
    else:
        row = {name: _ordinary(one) for name, one in capability.inputs.items()}
        path, body = rows_of(capability, row)
    said, headers = post(url + path, body)
    return {
        "capability": name,
        "asked": body.get("prompt") or (QUESTION if "messages" in body else "one row"),
        "answer": _answer(capability, said, folder),
        "variant": headers["X-Opslayer-Variant"],
        "release": int(headers["X-Opslayer-Release"]),
        "interaction": headers["X-Opslayer-Interaction"],
    }


def _answer(capability: Capability, said: Any, folder: Path) -> Any:
    if capability.kind is Kind.CHAT:
        return said["choices"][0]["message"]["content"]
    if capability.kind is Kind.IMAGE:
        picture = folder / f"{capability.name}.png"
        picture.write_bytes(base64.b64decode(said["data"][0]["b64_json"]))
        return str(picture)
    return said["outputs"][0]["data"][0]


def _subject(capability: Capability) -> str:
    assert capability.classes is not None
    return capability.classes[7 % len(capability.classes)]


def chat(capability: Capability, row: Mapping[str, Any]) -> tuple[str, Any]:
    """Path and body of a chat call that says what a row's one column holds."""
    (said,) = row.values()
    messages = [{"role": "user", "content": str(said)}]
    return "/v1/chat/completions", {"model": capability.name, "messages": messages}


def rows_of(capability: Capability, row: Mapping[str, Any]) -> tuple[str, Any]:
    """Path and body of a call that asks about one row."""
    tensors = [_tensor(name, one, row[name]) for name, one in capability.inputs.items()]
    return f"/v2/models/{capability.name}/infer", {"inputs": tensors}


def _tensor(name: str, column: Input, value: Any) -> dict[str, Any]:
    plain = value.item() if hasattr(value, "item") else value
    kind = "FP64" if column.type.numeric else "BYTES"
    data = float(plain) if column.type.numeric else plain
    return {"name": name, "shape": [1], "datatype": kind, "data": [data]}


def _ordinary(column: Input) -> Any:
    """A value that the contract allows."""
    if column.type is ColumnType.BOOLEAN:
        return 1
    if column.type.numeric:
        low = 0.0 if column.min is None else column.min
        high = low + 2 if column.max is None else column.max
        return round((low + high) / 2)
    return column.choices[0] if column.choices else "an ordinary text"


def post(url: str, body: Any, headers: Mapping[str, str] | None = None) -> tuple[Any, Any]:
    """Post JSON; the reply's JSON and headers. Raises Refused with what was answered instead."""
    request = urllib.request.Request(  # noqa: S310 - our own server
        url, json.dumps(body).encode(), {"content-type": "application/json", **(headers or {})}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310
            return json.load(reply), reply.headers
    except urllib.error.HTTPError as error:
        raise Refused(f"{url} answered {error.code}: {error.read().decode()[:500]}") from error


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not answers(f"{url}/readyz"):
        if process.poll() is not None or time.monotonic() > deadline:
            raise Refused(f"the gateway does not answer; see {log}")
        time.sleep(0.2)


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
