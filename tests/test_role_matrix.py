"""Right role, right tenant: every operation by every caller, before a real gateway and console."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute

from benchmarks.role_matrix import (
    ADMIN_KEY,
    CONSOLE,
    GATEWAY,
    Ground,
    console_application,
    described,
    faults,
    left_behind,
    mounted,
    patiently,
    prepared,
    spelt,
    unruled,
    walk,
)
from console.app import FIELDS, FORM, _form
from console.entry import Denied
from gateway.body import DEPTH
from gateway.call import BODY
from gateway.protocols.openapi import document
from gateway.routes import Needs, Routes
from gateway.routes import Route as Operation


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("matrix")


@pytest.fixture(scope="module")
def ground(home: Path) -> Iterator[Ground]:
    with prepared(home) as made:
        yield made


def wrong(walked: Iterator[tuple[str, bool]]) -> list[str]:
    """What was not answered as the policy says; something has to have been asked."""
    found = list(walked)
    assert len(found) > 100
    return [said for said, right in found if not right]


def test_every_operation_has_a_rule_and_is_described_as_the_rule_says(
    ground: Ground, home: Path
) -> None:
    assert faults(ground, home) == []


def test_the_gateway_answers_every_caller_as_the_policy_says(ground: Ground) -> None:
    assert wrong(walk(ground, ground.gateway, GATEWAY)) == []


def test_the_console_answers_every_caller_as_the_policy_says(ground: Ground) -> None:
    assert wrong(walk(ground, ground.console, CONSOLE)) == []


def test_no_other_method_or_spelling_of_a_closed_path_is_served(ground: Ground) -> None:
    assert wrong(spelt(ground, ground.gateway, GATEWAY)) == []
    assert wrong(spelt(ground, ground.console, CONSOLE)) == []


def test_what_is_said_of_anothers_call_never_reaches_it_its_labels_or_a_release(
    ground: Ground,
) -> None:
    for _ in walk(ground, ground.gateway, {"POST /v1/feedback": GATEWAY["POST /v1/feedback"]}):
        pass
    assert left_behind(ground) == []


def test_every_body_that_the_gateway_takes_is_bounded_in_size_depth_and_form(
    ground: Ground,
) -> None:
    """Whatever has a body by the description: too long, too deep, twice the same key, no JSON."""
    api = described(httpx.get(f"{ground.gateway}/openapi.json").json())
    taking = [one for one, its in api.items() if "requestBody" in its]
    assert len(taking) >= 7
    headers = {"authorization": f"Bearer {ADMIN_KEY}"}
    bodies = {
        413: [b" " * (BODY + 1), b'"' + b"x" * BODY + b'"'],
        400: [b"[" * (DEPTH + 1) + b"]" * (DEPTH + 1), b'{"a":1,"a":1}', b"{", b"", b"NaN", b"\xff",
              b'{"a":' + b"9" * 4_000 + b"}"],
    }  # fmt: skip
    for operation in taking:
        method, path = operation.split()
        place = ground.gateway + re.sub(r"{\w+}", "shop", path)
        for status, some in bodies.items():
            for body in some:
                got = patiently(
                    lambda place=place, body=body, method=method: ground.client.request(
                        method, place, content=body, headers=headers
                    )
                )
                assert got == status, (operation, body[:20])


def test_every_form_that_the_console_takes_is_bounded(ground: Ground) -> None:
    headers = {"authorization": f"Bearer {ADMIN_KEY}"}
    posts = [one for one in CONSOLE if one.startswith("POST ") and one != "POST /sign-out"]
    assert len(posts) >= 6
    fields = "&".join(f"f{number}=" for number in range(FIELDS + 1))
    for operation in posts:
        place = ground.console + operation.removeprefix("POST ").replace("{name}", "shop")
        for body in ("a=" + "x" * FORM, fields):
            assert ground.client.post(place, content=body, headers=headers).status_code == 413


def test_a_form_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent() -> Any:
        await asyncio.Event().wait()

    async def gone() -> Any:
        return {"type": "http.disconnect"}

    monkeypatch.setattr("console.app.WITHIN", 0.01)
    for receive, status in ((silent, 408), (gone, 400)):
        request = Request({"type": "http", "method": "POST", "headers": []}, receive)
        with pytest.raises(Denied) as denied:
            asyncio.run(_form(request))
        assert denied.value.status == status


def test_a_route_that_nobody_has_a_rule_for_is_found(home: Path) -> None:
    def endpoint(_: object) -> PlainTextResponse:
        return PlainTextResponse("open to all")

    async def talk(_: object) -> None:
        return None

    app = console_application(home)
    assert unruled(mounted(app.routes), CONSOLE) == []
    other = Starlette(routes=[Route("/dump", endpoint, methods=["POST"])])
    for route, named in (
        (Route("/backdoor", endpoint), "GET /backdoor"),
        (Mount("/prefect", other), "POST /prefect/dump"),
        (Mount("/files", endpoint), "* /files"),
        (WebSocketRoute("/live", talk), "* /live"),
    ):
        assert unruled(mounted([*app.routes, route]), CONSOLE) == [f"no rule: {named}"]
    extra = Operation("DELETE", "/v1/keys/{id}", talk, Needs.PUBLIC, "Revoke a key.")
    api = described(document(Routes((extra,))))
    assert "no rule: DELETE /v1/keys/{id}" in unruled([*GATEWAY, *api], GATEWAY)


def test_erasures_keys_and_the_tools_of_the_loop_have_no_route_at_all() -> None:
    said = " ".join((*GATEWAY, *CONSOLE))
    for word in ("erase", "erasure", "keys", "prefect", "mlflow", "backup", "config"):
        assert word not in said
    lines = Path("infra/nginx/nginx.conf").read_text().split("\n")
    assert {line.strip() for line in lines if "proxy_pass" in line} == {
        "proxy_pass http://gateways;"
    }
