"""Reading input columns from the lake, also ones that its rows were written without."""

from __future__ import annotations

from collections.abc import Container, Iterable

import pandas as pd
import pyarrow as pa

from opslayer.capability import Capability
from opslayer.stores import Stores
from opslayer.stores.lake import INPUT, quoted


def read_inputs(
    capability: Capability, stores: Stores, columns: Iterable[str], where: str
) -> pa.Table:
    """row_id, event_time, known_time and the named inputs (prefixed) of the rows `where` holds for.

    Numbers are float64, all else strings. A column that is new in the capability's file is null
    until rows are ingested with it, one that has left the file is read as it was written.
    """
    there = {field.name for field in stores.lake.open(capability, "rows").schema().fields}
    named = [column_sql(capability, name, there) for name in columns]
    chosen = ", ".join(["row_id", "event_time", "known_time", *named])
    sql = f"SELECT {chosen} FROM rows WHERE {where}"  # noqa: S608 - names are quoted
    return stores.lake.query(capability, sql, ("rows",))


def as_features(capability: Capability, rows: pd.DataFrame) -> pd.DataFrame:
    """Read inputs as models take them: numbers as float64, all else as text or None."""
    features = {}
    for name, column in capability.inputs.items():
        values = rows[INPUT + name]
        if column.type.numeric:
            features[name] = values.astype("float64")
        else:
            features[name] = values.astype(object).where(values.notna(), None)
    return pd.DataFrame(features)


def column_sql(capability: Capability, name: str, there: Container[str]) -> str:
    """An input column in the lake's SQL; null where a table has none such."""
    if INPUT + name in there:
        return quoted(INPUT + name)
    numeric = name in capability.inputs and capability.inputs[name].type.numeric
    return f"CAST(NULL AS {'DOUBLE' if numeric else 'VARCHAR'}) AS {quoted(INPUT + name)}"
