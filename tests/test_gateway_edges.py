"""What the gateway does with hostile calls, foreign callers, and stores that are away."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from serving import Served, free_port, serving
from taught import give_database
from upstream import calls, upstream
from waiting import until

from gateway.body import BodyError, parse_json
from gateway.server import HEAD_SECONDS
from opslayer.settings import Settings
from opslayer.steps.promote import Promotion, promote
from opslayer.stores import Stores
from tests import drifting

FILE = """\
name: desk
kind: chat
answer: {{deadline: 10s}}
guards: {{input: [shape, pii], output: [shape, pii]}}
fallback: [{{rule: {{constant: A colleague will answer you.}}}}]
upstreams:
  - {{name: main, base_url: "{url}/v1", model: ok, price: {{input: 1000, output: 1000}}}}
"""
CALL = {"model": "desk", "messages": [{"role": "user", "content": "hello"}]}
ADMIN = "an-admin-key-of-some-length"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with upstream() as address:
        yield address


@pytest.fixture(scope="module")
def configs(tmp_path_factory: pytest.TempPathFactory, url: str) -> Path:
    folder = tmp_path_factory.mktemp("edges") / "configs"
    (folder / "capabilities").mkdir(parents=True)
    (folder / "capabilities" / "desk.yaml").write_text(FILE.format(url=url))
    return folder


@pytest.fixture(scope="module")
def served(configs: Path) -> Iterator[Served]:
    with serving(configs.parent / "open", configs) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def locked(configs: Path) -> Iterator[Served]:
    with serving(
        configs.parent / "locked", configs, environment={"OPSLAYER_ADMIN_KEY": ADMIN}
    ) as gateway:
        yield gateway


def raw(served: Served, data: bytes) -> bytes:
    """Send bytes, and read what comes until the connection closes or a reply is whole."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as one:
        with suppress(BrokenPipeError, ConnectionResetError):  # refused before all of it was sent
            one.sendall(data)
        said = b""
        while b"\r\n\r\n" not in said:
            try:
                part = one.recv(65536)
            except ConnectionResetError:
                break
            if not part:
                break
            said += part
        return said


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[" * 100_000 + b"]" * 100_000, "nested"),
        (b"[" * 65 + b"]" * 65, "nested deeper than 64"),
        (b"[" + b"{}," * 100_000 + b"{}]", "more than 100,000"),
        (b'{"model": "desk", "model": "desk"}', "a key occurs twice"),
        (b'{"model": NaN}', "no JSON"),
        (b'{"n": 123456789012345678901234567890}', "no JSON"),
        (b'"\\ud800"', "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[]", "has to be a JSON object"),
        (b"{}", "write a capability's name"),
        (b'{"model": "desk"}', "messages"),
        (b'{"model": "desk", "messages": [{"role": "king", "content": 1}]}', "role: write one of"),
    ],
)
def test_a_body_that_is_wrong_is_refused_in_words(served: Served, body: bytes, said: str) -> None:
    reply = httpx.post(f"{served.url}/v1/chat/completions", content=body)
    assert reply.status_code == 400
    assert said in reply.json()["error"]["message"]


@given(st.data())
def test_a_body_is_read_as_it_was_meant_or_refused(data: st.DataObject) -> None:
    def no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError(pairs)
        return found

    texts = st.text(alphabet='ab:{["\\é0', max_size=4)
    numbers = st.integers(-(2**66), 2**66)
    pairs = data.draw(st.lists(st.tuples(texts, st.one_of(texts, numbers)), max_size=4))
    ascii_only = data.draw(st.booleans())
    inner = [f"{json.dumps(k, ensure_ascii=ascii_only)}: {json.dumps(v)}" for k, v in pairs]
    body = f'{{"a": [{{{", ".join(inner)}}}]}}'
    try:
        meant = json.loads(body, object_pairs_hook=no_key_twice)
    except ValueError:
        meant = None
    if any(isinstance(v, int) and abs(v) >= 2**64 for _, v in pairs):
        meant = None
    try:
        assert parse_json(body.encode()) == meant
    except BodyError:
        assert meant is None


def test_a_body_beyond_bounds_is_refused_before_it_is_held(served: Served) -> None:
    reply = httpx.post(f"{served.url}/v1/chat/completions", content=b"x" * 5_000_000)
    assert reply.status_code == 413


def test_a_body_that_is_slow_to_come_takes_nobodys_place(served: Served) -> None:
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 400\r\n\r\n{"
    address = ("127.0.0.1", served.port)
    with ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(socket.create_connection(address)).sendall(head)
        time.sleep(0.5)
        assert "opslayer_calls_under_way 0.0" in httpx.get(f"{served.url}/metrics").text


def test_many_slow_bodies_at_once_get_nobody_refused(served: Served) -> None:
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 400\r\n\r\n{"
    address = ("127.0.0.1", served.port)
    with ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(address)) for _ in range(300)]
        for one in slow:
            one.sendall(head)
        assert httpx.post(f"{served.url}/v1/chat/completions", json=CALL).status_code == 200
        for one in slow:
            one.setblocking(False)
            with pytest.raises(BlockingIOError):  # nothing was said to it: it may go on
                one.recv(100)


def test_a_body_in_chunks_is_as_good_as_one_whose_length_is_said(served: Served) -> None:
    def parts() -> Iterator[bytes]:
        whole = json.dumps(CALL).encode()
        yield whole[:10]
        time.sleep(0.1)
        yield whole[10:]

    assert httpx.post(f"{served.url}/v1/chat/completions", content=parts()).status_code == 200


def test_a_packed_body_is_refused(served: Served) -> None:
    packed = gzip.compress(json.dumps(CALL).encode())
    headers = {"content-encoding": "gzip"}
    reply = httpx.post(f"{served.url}/v1/chat/completions", content=packed, headers=headers)
    assert reply.status_code == 415


def test_a_header_beyond_bounds_is_refused(served: Served) -> None:
    long = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-long: " + b"a" * 10_000_000
    assert raw(served, long).startswith(b"HTTP/1.1 431")
    many = b"".join(b"x-%d: %s\r\n" % (number, b"b" * 500) for number in range(200))
    assert raw(served, b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n" + many + b"\r\n").startswith(
        b"HTTP/1.1 431"
    )
    assert httpx.get(f"{served.url}/healthz").status_code == 200


@pytest.mark.parametrize(
    "data",
    [
        b"GARBAGE\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/feedback HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n"
        b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ],
)
def test_what_is_no_http_gets_a_400_and_harms_nobody(served: Served, data: bytes) -> None:
    assert raw(served, data).startswith(b"HTTP/1.1 400")
    assert httpx.get(f"{served.url}/readyz").status_code == 200


def test_a_page_of_a_stranger_may_not_call(served: Served) -> None:
    for headers in ({"origin": "https://evil.example"}, {"host": "evil.example"}):
        reply = httpx.post(f"{served.url}/v1/chat/completions", json=CALL, headers=headers)
        assert reply.status_code == 403


def test_no_described_input_gives_a_server_error(served: Served, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"]
    words = ["run", f"{served.url}/openapi.json", "--checks", "not_a_server_error"]
    said = subprocess.run(
        [*command, *words, "--max-examples", "12", "--seed", "1", "--phases", "fuzzing"],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        cwd=tmp_path,
    )
    assert said.returncode == 0, said.stdout[-3000:] + said.stderr[-1000:]
    assert "fuzzing" in said.stdout.lower()


def test_no_text_of_a_caller_begins_a_line_of_the_log(served: Served) -> None:
    forged = '\r\n{"level": "error", "event": "forged"}\n\x85\u2028{"event": "forged"}\x1b[2J'
    before = served.log.stat().st_size
    for body in (
        {**CALL, "messages": [{"role": "user", "content": forged}]},
        {**CALL, "user": forged},
        {**CALL, "model": forged},
        {**CALL, "metadata": {forged: forged}},
        {**CALL, "messages": [{"role": "user", "content": "hello", "name": forged}]},
    ):
        httpx.post(f"{served.url}/v1/chat/completions", json=body, timeout=30)
        telling = {"interaction_id": forged, "kind": "thumb", "value": forged}
        httpx.post(f"{served.url}/v1/feedback", json=telling, timeout=30)
    httpx.get(f"{served.url}/v1/interactions/{quote(forged)}", timeout=30)
    written = served.log.read_bytes()[before:].decode()
    said = [json.loads(line) for line in written.split("\n")[:-1]]
    assert [one["event"] for one in said].count("call") >= 1
    assert "forged" not in written
    assert written.isascii()


def test_without_a_key_the_gateway_binds_this_machine_alone(configs: Path, tmp_path: Path) -> None:
    environment = {"OPSLAYER_HOME": str(tmp_path), "OPSLAYER_CONFIGS": str(configs)}
    command = [sys.executable, "-m", "commands", "serve", "--host", "0.0.0.0"]
    said = subprocess.run(
        [*command, "--port", str(free_port())],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert said.returncode == 1
    assert "opslayer keys create" in said.stderr


def make_key(served: Served, configs: Path, role: str, *more: str) -> str:
    """A key with one role, made by the command line."""
    home = served.log.parent
    command = [sys.executable, "-m", "commands", "keys", "create", "--name", role, "--role", role]
    said = subprocess.run(
        [*command, "--json", *more],
        env={**os.environ, "OPSLAYER_HOME": str(home), "OPSLAYER_CONFIGS": str(configs)},
        capture_output=True,
        text=True,
        check=True,
    )
    made: dict[str, Any] = json.loads(said.stdout)
    return str(made["secret"])


def test_a_tenant_never_sees_anothers_interaction(locked: Served, configs: Path) -> None:
    mine = make_key(locked, configs, "admin", "--tenant", "mine")
    other = make_key(locked, configs, "admin", "--tenant", "other")
    headers = {"authorization": f"Bearer {mine}"}
    reply = httpx.post(f"{locked.url}/v1/chat/completions", json=CALL, headers=headers)
    id = reply.headers["x-opslayer-interaction"]
    place = f"{locked.url}/v1/interactions/{id}"
    assert httpx.get(place, headers=headers).status_code == 200
    assert httpx.get(place, headers={"authorization": f"Bearer {other}"}).status_code == 404


def test_a_budget_refuses_before_it_is_passed(locked: Served, configs: Path) -> None:
    key = make_key(locked, configs, "call", "--budget", "1")
    headers = {"authorization": f"Bearer {key}"}
    body = {**CALL, "max_tokens": 100}
    statuses, spent = [], 0.0
    for _ in range(60):
        reply = httpx.post(f"{locked.url}/v1/chat/completions", json=body, headers=headers)
        statuses.append(reply.status_code)
        if reply.status_code == 200:
            used = reply.json()["usage"]
            spent += (used["prompt_tokens"] + used["completion_tokens"]) * 1000 / 1_000_000
    assert set(statuses) == {200, 429}
    assert spent <= 1.0


def test_calls_a_minute_are_bounded_by_the_key(locked: Served, configs: Path) -> None:
    key = make_key(locked, configs, "call", "--per-minute", "3")
    headers = {"authorization": f"Bearer {key}"}
    replies = [
        httpx.post(f"{locked.url}/v1/chat/completions", json=CALL, headers=headers)
        for _ in range(5)
    ]
    assert [reply.status_code for reply in replies] == [200, 200, 200, 429, 429]
    assert int(replies[-1].headers["retry-after"]) >= 1


def test_a_start_where_nothing_can_be_written_says_so_and_the_way_out(
    configs: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "gateway").write_text("no folder")
    said = subprocess.run(
        [sys.executable, "-m", "commands", "serve", "--port", str(free_port())],
        env={**os.environ, "OPSLAYER_HOME": str(home), "OPSLAYER_CONFIGS": str(configs)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert said.returncode == 1
    assert f"{home / 'gateway' / 'metrics'} can't be written to (Not a directory)" in said.stderr
    assert "OPSLAYER_HOME" in said.stderr


def test_what_was_loaded_once_answers_while_the_ledger_is_away(
    configs: Path, tmp_path: Path
) -> None:
    home, key = tmp_path / "home", {"OPSLAYER_ADMIN_KEY": ADMIN}
    headers = {"authorization": f"Bearer {ADMIN}"}
    with serving(home, configs, environment=key) as gateway:
        place = f"{gateway.url}/v1/chat/completions"
        assert httpx.post(place, json=CALL, headers=headers).status_code == 200
    for path in home.glob("opslayer.db*"):
        path.unlink()
    (home / "opslayer.db").mkdir()  # nothing opens this as a database
    with serving(home, configs, environment=key, ready=False) as gateway:
        place = f"{gateway.url}/v1/chat/completions"
        reply = httpx.post(place, json=CALL, headers=headers)
        assert reply.status_code == 200
        assert reply.headers["x-opslayer-variant"] == "upstream"
        stranger = {"authorization": "Bearer ops_nobody-knows-this-key"}
        assert httpx.post(place, json=CALL, headers=stranger).status_code in (401, 503)
        assert httpx.get(f"{gateway.url}/readyz").json()["status"] == "degraded"
        assert httpx.get(f"{gateway.url}/healthz").status_code == 200


def test_what_served_last_answers_a_start_while_its_successor_can_t_be_had(
    tmp_path: Path,
) -> None:
    """The registry is away, and a release was made since that nobody here has loaded."""
    configs, home = drifting.write(tmp_path, drifting.rows(), drifting.LINE), tmp_path / "home"
    stores, spec = Stores.at(Settings(home=home, configs=configs)), drifting.capability(configs)
    first = drifting.train(spec, give_database(stores), datetime(2024, 2, 1, tzinfo=UTC)).release
    assert first is not None
    path = f"/v1/capabilities/{drifting.NAME}/invocations"
    row = {"dataframe_records": [dict.fromkeys(drifting.COLUMNS, 0.5)]}
    with serving(home, configs) as gateway:
        assert httpx.post(gateway.url + path, json=row, timeout=30).status_code == 200
    when = datetime(2024, 2, 9, tzinfo=UTC)
    drifting.train(spec, stores, when)
    newest = stores.ledger.releases.newest(drifting.NAME)
    assert newest is not None
    if newest.number == first.number:
        decision = Promotion(first.number, "Ada", "newer data", None, (), when)
        newest = promote(spec, stores.ledger.versions.get(drifting.NAME, 2), stores, decision)
    files = Path(stores.models.root)
    away = files.rename(files.with_name("away"))
    with serving(home, configs, ready=False) as gateway:
        reply = httpx.post(gateway.url + path, json=row, timeout=30)
        assert (reply.status_code, reply.headers["x-opslayer-release"]) == (200, "1")
        ready = httpx.get(f"{gateway.url}/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        away.rename(files)
        until(lambda: served_by(gateway.url + path, row) == str(newest.number))


def served_by(place: str, row: dict[str, Any]) -> str:
    """The release that answers."""
    return httpx.post(place, json=row, timeout=30).headers["x-opslayer-release"]


def test_a_key_whose_call_came_to_no_answer_is_tried_again_and_an_answered_one_is_not(
    url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "configs" / "capabilities"
    folder.mkdir(parents=True)
    for name, model in (("desk", "ok-once"), ("narrow", "f18-once")):  # f18: context too long
        text = FILE.format(url=url).replace("name: desk", f"name: {name}", 1)
        (folder / f"{name}.yaml").write_text(text.replace("model: ok", f"model: {model}"))
    with serving(tmp_path / "home", tmp_path / "configs") as gateway:
        place = f"{gateway.url}/v1/chat/completions"
        for name, model, asked in (("desk", "ok-once", 1), ("narrow", "f18-once", 2)):
            one, two = (
                httpx.post(place, json={**CALL, "model": name}, headers={"idempotency-key": name})
                for _ in range(2)
            )
            assert (one.status_code, calls(url)[model]) == (two.status_code, asked)
            ids = {reply.headers.get("x-opslayer-interaction") for reply in (one, two)}
            assert len(ids) == asked


def test_a_connection_that_has_been_answered_may_stay_idle(served: Served) -> None:
    """Longer than a head may take to come, which the time since the connection was made is not."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    with closing(connection):
        for pause in (HEAD_SECONDS + 1, 0):
            connection.request("POST", "/v1/chat/completions", json.dumps(CALL))
            reply = connection.getresponse()
            assert (reply.status, "choices" in json.loads(reply.read())) == (200, True)
            assert connection.sock is not None, "it stays open"
            quiet, _, _ = select.select([connection.sock], [], [], pause)
            assert not quiet, "nothing comes that was not asked for"
