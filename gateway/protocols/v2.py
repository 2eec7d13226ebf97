"""The Open Inference Protocol, version 2: one tensor for each input column, one row an interaction.

Tensors come as JSON or as bytes behind the JSON (the binary data extension, which Triton's client
uses by itself); answers go out as JSON, which every client reads.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from math import prod
from typing import TYPE_CHECKING, Any

from gateway.answer import Answered, headers_of
from gateway.body import read_json
from gateway.call import Call, HttpError, encode
from opslayer.capability import Capability, ColumnType, Kind

if TYPE_CHECKING:
    from gateway.app import Gateway
    from gateway.serving import Serving

ROWS = 1_000
"""Rows in one call, at most: each is answered, guarded and kept as one."""
MOST = 1_000_000
"""The largest number in a shape."""
FORMATS = {
    "BOOL": "?", "INT8": "b", "INT16": "h", "INT32": "i", "INT64": "q", "UINT8": "B",
    "UINT16": "H", "UINT32": "I", "UINT64": "Q", "FP16": "e", "FP32": "f", "FP64": "d",
}  # fmt: skip
"""How each data type lies in bytes, little-endian."""
TYPES = {
    ColumnType.NUMBER: "FP64",
    ColumnType.INTEGER: "INT64",
    ColumnType.BOOLEAN: "BOOL",
    ColumnType.CATEGORY: "BYTES",
    ColumnType.TEXT: "BYTES",
}
SPLIT = b"inference-header-content-length"
"""Where the JSON ends and the tensors' bytes begin."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input as it came."""

    name: str
    shape: tuple[int, ...]
    values: list[Any]


async def infer(gateway: Gateway, call: Call) -> None:
    """POST /v2/models/{name}/infer."""
    serving = gateway.board.get(call.params["name"])
    need_rows(serving.capability)
    raw = await call.body()
    body, rest = await split(call, raw)
    rows = rows_of(serving.capability, tensors(body, rest))
    answers = await gateway.predict(call, serving, rows, raw)
    reply: dict[str, Any] = {
        "model_name": serving.capability.name,
        "model_version": str(answers[0].interaction.release),
        "outputs": outputs(serving.capability, answers),
        "parameters": {"interaction_ids": [one.interaction.id for one in answers]},
    }
    if isinstance(body.get("id"), str):
        reply["id"] = body["id"]
    await call.reply(200, encode(reply), headers_of(answers[0].interaction))


async def metadata(gateway: Gateway, call: Call) -> None:
    """GET /v2/models/{name}."""
    await call.reply(200, encode(describe(gateway.board.get(call.params["name"]))))


async def ready(gateway: Gateway, call: Call) -> None:
    """GET /v2/models/{name}/ready."""
    serving = gateway.board.get(call.params["name"])
    body = {"name": serving.capability.name, "ready": serving.ready}
    await call.reply(200 if serving.ready else 503, encode(body))


async def server(gateway: Gateway, call: Call) -> None:
    """GET /v2."""
    about = {
        "name": "opslayer",
        "version": version("opslayer"),
        "extensions": ["binary_tensor_data"],
    }
    await call.reply(200, encode(about))


def describe(serving: Serving) -> dict[str, Any]:
    """A capability as the protocol describes a model."""
    capability, release = serving.capability, serving.plan.release
    inputs = [
        {"name": name, "datatype": TYPES[column.type], "shape": [-1]}
        for name, column in capability.inputs.items()
    ]
    return {
        "name": capability.name,
        "versions": [str(release.number)] if release else [],
        "platform": "opslayer",
        "inputs": inputs,
        "outputs": [
            {"name": output_name(capability), "datatype": answer_type(capability), "shape": [-1]}
        ],
    }


def need_rows(capability: Capability) -> None:
    """Refuse a capability that is not asked by rows of its input columns."""
    if capability.kind is Kind.IMAGE or not capability.predictor:
        place = (
            "/v1/images/generations" if capability.kind is Kind.IMAGE else "/v1/chat/completions"
        )
        raise HttpError(
            400, "wrong_route", f"{capability.name} is {capability.kind}: POST {place} instead"
        )


async def split(call: Call, raw: bytes) -> tuple[dict[str, Any], bytes]:
    """The JSON of a body, and the bytes behind it."""
    size = call.header(SPLIT)
    end = len(raw)
    if size is not None:
        if not size.isdigit() or not 0 < int(size) <= len(raw):
            raise HttpError(
                400,
                "invalid_header",
                f"Inference-Header-Content-Length: {size!r} fits no body of {len(raw)} bytes",
            )
        end = int(size)
    body = await read_json(raw[:end])
    if not isinstance(body, dict) or not isinstance(body.get("inputs"), list) or not body["inputs"]:
        raise HttpError(400, "invalid_request", "inputs: write a list of tensors")
    return body, raw[end:]


def tensors(body: dict[str, Any], rest: bytes) -> list[Tensor]:
    """Every input tensor; raises HttpError with everything that is wrong with any."""
    found: list[Tensor] = []
    problems: list[str] = []
    for place, given in enumerate(body["inputs"]):
        try:
            tensor, rest = _tensor(given, rest)
            found.append(tensor)
        except ValueError as error:
            problems.append(f"inputs[{place}]: {error}")
    if rest and not problems:
        problems.append(f"{len(rest)} bytes stand behind the last tensor")
    if problems:
        raise HttpError(400, "invalid_request", "; ".join(problems))
    return found


def _tensor(given: Any, rest: bytes) -> tuple[Tensor, bytes]:
    if not isinstance(given, dict) or not isinstance(given.get("name"), str):
        raise ValueError("write an object with name, shape, datatype and data")
    shape = _shape(given.get("shape"))
    count = prod(shape)
    if count > ROWS * 10_000:
        raise ValueError(f"shape: {count} values are too many")
    kind = given.get("datatype")
    if kind not in FORMATS and kind != "BYTES":
        raise ValueError(f"datatype: write BYTES or one of {', '.join(FORMATS)}")
    parameters = given.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if size is not None:
        values, rest = _binary(kind, count, size, rest)
    else:
        values = list(_flat(given.get("data")))
    if len(values) != count:
        raise ValueError(f"data: holds {len(values)} values, and shape says {count}")
    return Tensor(given["name"], shape, values), rest


def _shape(shape: Any) -> tuple[int, ...]:
    if not isinstance(shape, list) or not 1 <= len(shape) <= 2:
        raise ValueError("shape: write a list of one or two whole numbers")
    for size in shape:
        if type(size) is not int or not 1 <= size <= MOST:
            raise ValueError(f"shape: write whole numbers from 1 to {MOST:,}")
    return tuple(shape)


def _flat(data: Any) -> list[Any]:
    if not isinstance(data, list):
        raise ValueError("data: write a list")
    if data and isinstance(data[0], list):
        return [value for row in data for value in (row if isinstance(row, list) else [row])]
    return data


def _binary(kind: str, count: int, size: Any, rest: bytes) -> tuple[list[Any], bytes]:
    if type(size) is not int or not 0 <= size <= len(rest):
        raise ValueError(f"parameters.binary_data_size: {size!r} is not how many bytes are left")
    raw, rest = rest[:size], rest[size:]
    if kind == "BYTES":
        return _strings(raw), rest
    wanted = struct.calcsize(f"<{count}{FORMATS[kind]}")
    if size != wanted:
        raise ValueError(
            f"parameters.binary_data_size: {count} values of {kind} are {wanted} bytes"
        )
    return list(struct.unpack(f"<{count}{FORMATS[kind]}", raw)), rest


def _strings(raw: bytes) -> list[str]:
    """Texts, each behind its length in four bytes."""
    found, place = [], 0
    while place < len(raw):
        length = int.from_bytes(raw[place : place + 4], "little")
        text = raw[place + 4 : place + 4 + length]
        if len(text) < length or place + 4 > len(raw):
            raise ValueError("data: a text is cut off")
        try:
            found.append(text.decode())
        except UnicodeDecodeError:
            raise ValueError("data: a text is not UTF-8") from None
        place += 4 + length
    return found


def rows_of(capability: Capability, given: Sequence[Tensor]) -> list[dict[str, Any]]:
    """The rows that tensors make: a tensor for each column, or one with a row for each row."""
    columns = list(capability.inputs)
    if len(given) == 1 and given[0].name not in capability.inputs and len(given[0].shape) == 2:
        return _from_matrix(columns, given[0])
    problems = []
    rows = given[0].shape[0]
    for tensor in given:
        if len(tensor.values) != tensor.shape[0]:
            problems.append(
                f"{tensor.name}: shape {list(tensor.shape)} is no column; "
                f"write [{tensor.shape[0]}, 1]"
            )
        elif tensor.shape[0] != rows:
            problems.append(
                f"{tensor.name}: has {tensor.shape[0]} rows, and {given[0].name} {rows}"
            )
    names = [tensor.name for tensor in given]
    problems += [
        f"{name}: comes twice" for name in sorted({n for n in names if names.count(n) > 1})
    ]
    _bound(rows, problems)
    return [
        dict(zip(names, values, strict=True))
        for values in zip(*(tensor.values for tensor in given), strict=True)
    ]


def _from_matrix(columns: Sequence[str], tensor: Tensor) -> list[dict[str, Any]]:
    rows, width = tensor.shape
    problems = []
    if width != len(columns):
        problems.append(f"{tensor.name}: has {width} columns; the inputs are {', '.join(columns)}")
    _bound(rows, problems)
    cut = (tensor.values[at : at + width] for at in range(0, len(tensor.values), width))
    return [dict(zip(columns, values, strict=True)) for values in cut]


def _bound(rows: int, problems: list[str]) -> None:
    if rows > ROWS:
        problems.append(f"{rows} rows are too many; send {ROWS} in one call at most")
    if problems:
        raise HttpError(400, "invalid_request", "; ".join(problems))


def output_name(capability: Capability) -> str:
    """The name of the answer's tensor."""
    return capability.target or "value"


def answer_type(capability: Capability) -> str:
    """The data type of the answer's tensor."""
    return "FP64" if capability.kind is Kind.REGRESSION else "BYTES"


def outputs(capability: Capability, answers: Sequence[Answered]) -> list[dict[str, Any]]:
    """The answers as tensors: the value, a chat's reply, and probabilities where all have some."""
    said = [one.restored for one in answers]
    count = len(said)
    name = "reply" if capability.kind is Kind.CHAT else output_name(capability)
    field = "reply" if capability.kind is Kind.CHAT else "value"
    found: list[dict[str, Any]] = [
        {
            "name": name,
            "datatype": answer_type(capability),
            "shape": [count],
            "data": [one.get(field) for one in said],
        }
    ]
    shares: list[Any] = [one.get("probabilities") for one in said]
    if all(shares):
        classes = list(shares[0])
        found.append(
            {
                "name": "probabilities",
                "datatype": "FP64",
                "shape": [count, len(classes)],
                "data": [share[one] for share in shares for one in classes],
                "parameters": {"classes": classes},
            }
        )
    return found
