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
from collections.abc import Iterator, Sequence
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
        path = "/v1/chat/completions"
        body: Any = {"model": name, "messages": [{"role": "user", "content": QUESTION}]}
    elif capability.kind is Kind.IMAGE:
        path = "/v1/images/generations"
        body = {"model": name, "prompt": f"a {_subject(capability)}"}
    else:
        path = f"/v2/models/{name}/infer"
        body = {"inputs": [_tensor(name, one) for name, one in capability.inputs.items()]}
    said, headers = _post(url + path, body)
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


def _tensor(name: str, column: Input) -> dict[str, Any]:
    """One column of a row that the contract allows."""
    value: Any = column.choices[0] if column.choices else "an ordinary text"
    if column.type is ColumnType.BOOLEAN:
        value = 1
    elif column.type.numeric:
        low = 0.0 if column.min is None else column.min
        high = low + 2 if column.max is None else column.max
        value = round((low + high) / 2)
    kind = "FP64" if column.type.numeric else "BYTES"
    return {"name": name, "shape": [1], "datatype": kind, "data": [value]}


def _post(url: str, body: Any) -> tuple[Any, Any]:
    request = urllib.request.Request(  # noqa: S310 - our own server
        url, json.dumps(body).encode(), {"content-type": "application/json"}
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
