"""Right role, right tenant: every operation by every caller, before a real gateway and console."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute

from benchmarks.role_matrix import (
    CONSOLE,
    GATEWAY,
    Ground,
    console_application,
    described,
    faults,
    left_behind,
    mounted,
    prepared,
    spelt,
    unruled,
    walk,
)
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
