"""Everything that rests below a folder, byte by byte, also inside of what is packed."""

from __future__ import annotations

import gzip
import json
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq
from backend import bring


def hits(folder: Path, words: list[str]) -> list[str]:
    """Where any of these words rests: its file, or object or table of a home, and the word."""
    with TemporaryDirectory() as aside:
        bring(folder, Path(aside))
        return [*_hits(folder, words), *_hits(Path(aside), words)]


def _hits(folder: Path, words: list[str]) -> list[str]:
    return [
        f"{path.relative_to(folder)}: {word}"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        for form in _forms(path)
        for word in words
        if word.encode() in form or json.dumps(word)[1:-1].encode() in form
    ]


def _forms(path: Path) -> Iterator[bytes]:
    raw = path.read_bytes()
    yield raw
    if raw[:2] == b"\x1f\x8b":
        yield gzip.decompress(raw)
    if path.suffix == ".parquet":
        yield repr(pq.read_table(path).to_pylist()).encode()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as packed:
            yield from (packed.read(name) for name in packed.namelist())
    if raw[:1] == b"\x78":
        try:
            yield zlib.decompress(raw)
        except zlib.error:
            return
