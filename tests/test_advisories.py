"""The lock is held against stored advisories: a finding without a reason fails the check."""

from __future__ import annotations

import importlib.util
import io
import json
import subprocess
import sys
import threading
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from composed import ROOT

FOLDER = ROOT / "infra" / "advisories"


def load() -> Any:
    spec = importlib.util.spec_from_file_location("audit", FOLDER / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["audit"] = module
    spec.loader.exec_module(module)
    return module


audit = load()
TODAY = date(2026, 5, 1)


def record(*events: dict[str, str], versions: tuple[str, ...] = (), **fields: Any) -> Any:
    affected = {
        "package": {"ecosystem": "PyPI", "name": "Idna"},
        "ranges": [{"type": "ECOSYSTEM", "events": list(events)}],
        "versions": list(versions),
    }
    return {"id": "PYSEC-1", "aliases": ["CVE-1"], "affected": [affected], **fields}


SPAN = ({"introduced": "2.0"}, {"fixed": "2.7"}, {"introduced": "0"}, {"fixed": "1.5"})


@pytest.mark.parametrize(
    ("events", "version", "means"),
    [
        (SPAN, "1.4.9", True), (SPAN, "1.5", False), (SPAN, "1.9", False), (SPAN, "2.0", True),
        (SPAN, "2.7rc1", True), (SPAN, "2.7", False), (SPAN, "2.10", False),
        (({"introduced": "0"}, {"last_affected": "3.1"}), "3.1", True),
        (({"introduced": "0"}, {"last_affected": "3.1"}), "3.1.post1", False),
        (({"introduced": "3"},), "2", False), (({"introduced": "3"},), "99", True),
        ((), "1", False), (({"introduced": "no version"},), "1", False),
    ],
)  # fmt: skip
def test_a_span_means_the_versions_in_it_and_no_others(
    events: Any, version: str, means: bool
) -> None:
    assert bool(list(audit.findings([record(*events)], {"idna": {version}}))) is means


def test_what_is_listed_is_meant_and_what_was_withdrawn_or_is_elsewhere_is_not() -> None:
    packages = {"idna": {"3.1"}}
    assert list(audit.findings([record(versions=("3.1.0",))], packages))
    assert not list(audit.findings([record(versions=("3.2",))], packages))
    assert not list(audit.findings([record(versions=("3.1",), withdrawn="2024")], packages))
    other = record(versions=("3.1",))
    other["affected"][0]["package"]["ecosystem"] = "npm"
    assert not list(audit.findings([other], packages))


def test_a_finding_needs_a_reason_that_has_not_ended_and_a_reason_a_finding() -> None:
    found = list(audit.findings([record(versions=("1",))], {"idna": {"1"}}))
    reason = {"id": "CVE-1", "reason": "names come from us alone", "until": date(2026, 6, 1)}
    (said,) = audit.unexplained(found, [], TODAY)
    assert said.startswith("idna 1: PYSEC-1 (CVE-1)")
    assert audit.unexplained(found, [reason], TODAY) == []
    assert "ended" in audit.unexplained(found, [{**reason, "until": date(2026, 4, 1)}], TODAY)[0]
    assert "empty" in audit.unexplained(found, [{**reason, "reason": ""}], TODAY)[0]
    assert "found no more" in audit.unexplained([], [reason], TODAY)[0]


def test_the_lock_has_no_finding_and_an_older_one_would_have(tmp_path: Path) -> None:
    stored = json.loads((FOLDER / "advisories.json").read_text())["advisories"]
    accepted = tomllib.loads((FOLDER / "accepted.toml").read_text()).get("accepted", [])
    assert audit.unexplained(audit.findings(stored, audit.locked()), accepted, TODAY) == []
    assert len(audit.locked()) > 200
    about = {one["package"]["name"] for each in stored for one in each["affected"]}
    assert about <= set(audit.locked()), "kept of packages that are not locked any more"
    for name in about:
        assert list(audit.findings(stored, {name: {"0.14.0", "1.1", "2.0.0", "2015.4.28"}})), name


def test_the_check_fails_where_the_lock_has_a_finding(tmp_path: Path) -> None:
    (tmp_path / "infra").mkdir()
    folder = tmp_path / "infra" / "advisories"
    folder.mkdir()
    for name in ("audit.py", "advisories.json", "accepted.toml"):
        (folder / name).write_bytes((FOLDER / name).read_bytes())
    lock = (ROOT / "uv.lock").read_text()
    idna = next(one for one in tomllib.loads(lock)["package"] if one["name"] == "idna")
    old = f'name = "idna"\nversion = "{idna["version"]}"'
    assert old in lock
    for text, code in ((lock, 0), (lock.replace(old, 'name = "idna"\nversion = "3.6"'), 1)):
        (tmp_path / "uv.lock").write_text(text)
        done = subprocess.run(
            [sys.executable, str(folder / "audit.py")], capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stderr
        assert ("idna 3.6: PYSEC-2024-60" in done.stderr) is bool(code)
        assert "advisories as of" in done.stdout
    assert "infra/advisories/audit.py" in (ROOT / "Makefile").read_text().partition("check:")[2]


@contextmanager
def offering(content: bytes) -> Iterator[str]:
    """Somebody who has the list."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/all.zip"
        server.shutdown()


def test_a_fetched_list_is_cut_down_to_what_is_locked(tmp_path: Path) -> None:
    other = record(versions=("1",), id="PYSEC-2")
    other["affected"][0]["package"]["name"] = "something-that-nobody-locks"
    many = record(*SPAN, versions=("2.0", "2.1"), details="a crafted name takes long")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for one in (many, other, record(versions=("1",), id="PYSEC-3", withdrawn="2024")):
            archive.writestr(f"{one['id']}.json", json.dumps(one))
    store = tmp_path / "advisories.json"
    with offering(packed.getvalue()) as url:
        assert audit.refresh(url, store) == 1
    said = json.loads(store.read_text())
    (kept,) = said["advisories"]
    assert date.fromisoformat(said["as_of"])
    assert (kept["id"], kept["summary"]) == ("PYSEC-1", "a crafted name takes long")
    assert kept["affected"][0]["package"]["name"] == "idna"
    assert [one.version for one in audit.findings([kept], {"idna": {"2.1", "2.8"}})] == ["2.1"]
