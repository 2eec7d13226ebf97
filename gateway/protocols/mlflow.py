"""MLflow's scoring convention: rows as `dataframe_split`, `dataframe_records`, `inputs` or
`instances`; answers as `predictions`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gateway.answer import Answered, headers_of
from gateway.body import read_json
from gateway.call import Call, HttpError, encode
from gateway.protocols.v2 import ROWS, need_rows
from opslayer.capability import Capability, Kind

if TYPE_CHECKING:
    from gateway.app import Gateway

Rows = list[dict[str, Any]]


async def invocations(gateway: Gateway, call: Call) -> None:
    """POST /v1/capabilities/{name}/invocations."""
    serving = gateway.board.get(call.params["name"])
    need_rows(serving.capability)
    raw = await call.body()
    rows = rows_of(serving.capability, await read_json(raw))
    answers = await gateway.predict(call, serving, rows, raw)
    reply = {
        "predictions": [_prediction(serving.capability, one) for one in answers],
        "interaction_ids": [one.interaction.id for one in answers],
    }
    await call.reply(200, encode(reply), headers_of(answers[0].interaction))


def _prediction(capability: Capability, answered: Answered) -> Any:
    return answered.restored.get("reply" if capability.kind is Kind.CHAT else "value")


def rows_of(capability: Capability, body: Any) -> Rows:
    """The rows of a body; raises HttpError."""
    columns = list(capability.inputs)
    found = [name for name in READERS if isinstance(body, dict) and name in body]
    try:
        if len(found) != 1:
            raise ValueError(f"write exactly one of {', '.join(READERS)}")
        rows = READERS[found[0]](body[found[0]], columns)
        if not 1 <= len(rows) <= ROWS:
            raise ValueError(f"{found[0]}: holds {len(rows)} rows; send 1 to {ROWS} in one call")
    except ValueError as error:
        raise HttpError(400, "invalid_request", str(error)) from None
    return rows


def _split(given: Any, columns: list[str]) -> Rows:
    data = given.get("data") if isinstance(given, dict) else None
    if not isinstance(data, list):
        raise ValueError("dataframe_split: write an object with columns and data, a list of rows")
    names = given.get("columns", columns)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("dataframe_split.columns: write a list of names")
    if len(set(names)) < len(names):
        raise ValueError("dataframe_split.columns: a name comes twice")
    return _listed("dataframe_split.data", data, names)


def _records(given: Any, columns: list[str]) -> Rows:
    if not isinstance(given, list) or not all(isinstance(row, dict) for row in given):
        raise ValueError("dataframe_records: write a list of objects, one for each row")
    return given


def _inputs(given: Any, columns: list[str]) -> Rows:
    if isinstance(given, dict):
        return _columns(given)
    if isinstance(given, list) and given and isinstance(given[0], dict):
        return _records(given, columns)
    if isinstance(given, list):
        return _listed("inputs", given, columns)
    raise ValueError("inputs: write an object of columns, or a list of rows")


def _columns(given: dict[str, Any]) -> Rows:
    values = {name: one if isinstance(one, list) else [one] for name, one in given.items()}
    lengths = {len(one) for one in values.values()}
    if len(lengths) != 1:
        raise ValueError("inputs: the columns differ in length")
    flat = {name: [_scalar(value) for value in one] for name, one in values.items()}
    return [dict(zip(flat, row, strict=True)) for row in zip(*flat.values(), strict=True)]


def _scalar(value: Any) -> Any:
    """A value that is wrapped as a row of its own, as numpy's n x 1 arrays are."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _listed(field: str, rows: list[Any], names: list[str]) -> Rows:
    if not all(isinstance(row, list) and len(row) == len(names) for row in rows):
        raise ValueError(f"{field}: every row has to be a list of {len(names)}: {', '.join(names)}")
    return [dict(zip(names, row, strict=True)) for row in rows]


READERS: dict[str, Callable[[Any, list[str]], Rows]] = {
    "dataframe_split": _split,
    "dataframe_records": _records,
    "inputs": _inputs,
    "instances": _inputs,
}
