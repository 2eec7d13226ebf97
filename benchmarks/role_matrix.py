"""P17: right role, right tenant. Every operation, by every caller, on own and others' objects.

The operations are generated: those of the gateway from the OpenAPI document that it serves, held
against what it has mounted; those of the console from the application's own routes. `GATEWAY` and
`CONSOLE` say once who may do what. Both run for real, on one home with the calls of three tenants,
and every answer is held against the policy; what nobody has a rule for is a fault. In the end it is
looked whether a call that was refused, or about another's object, has left anything behind.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from time import sleep
from typing import Any, cast

import httpx
import taught
from looking import looking
from serving import serving
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Route
from taught import give_database

from benchmarks.bars import Bar, finish, say
from console.app import console
from console.desk import Desk
from gateway.protocols.openapi import document
from gateway.routes import Routes
from gateway.table import table
from opslayer.capability import Capability
from opslayer.records import Interaction, Role, Variant
from opslayer.settings import Settings
from opslayer.steps.ingest import ingest
from opslayer.steps.promote import Promotion, promote
from opslayer.steps.review import Reviewer, take
from opslayer.stores import Stores
from opslayer.stores.ledger.keys import Terms

ADMIN_KEY = "the-operator-s-own-key-of-some-length"
TENANTS = ("", "acme")
"""Of the keys that call; `globex` has calls, and nobody who walks has a key of it."""
OTHER = {"": "acme", "acme": "globex"}
"""Whose objects are foreign to whom."""
NAMES = ("call", "feedback", "review", "release", "erase", "admin")
STRANGERS = ("nobody", "wrong", "revoked", "expired")
PUBLIC = frozenset({*STRANGERS, *NAMES, "operator"})
ANY_KEY = frozenset({*NAMES, "operator"})
DESK = {
    "name": "desk", "kind": "chat", "answer": {"deadline": "5s"},
    "upstreams": [{"name": "away", "base_url": "http://127.0.0.1:9/v1", "model": "m"}],
    "fallback": [{"rule": {"constant": "A colleague will answer you."}}],
}  # fmt: skip
CHAT = {"model": "desk", "messages": [{"role": "user", "content": "where is my bike?"}]}
ROW = {"size": 1.0, "colour": "red"}
TENSORS = {
    "inputs": [
        {"name": "size", "shape": [1], "datatype": "FP64", "data": [1.0]},
        {"name": "colour", "shape": [1], "datatype": "BYTES", "data": ["red"]},
    ]
}
TRUE, FORGED = {7.0, 8.0}, {666.0, 667.0}
"""True values that are said of one's own calls, and of others'."""


def only(*roles: str) -> frozenset[str]:
    """Who has one of these roles; who has `admin`, and the operator, may do everything."""
    return frozenset({*roles, "admin", "operator"})


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody who calls: what they hold, and of which tenant."""

    kind: str
    """A role, `operator`, or why their key is none."""
    tenant: str = ""
    secret: str | None = None

    @property
    def name(self) -> str:
        """By which the reviewer's claims are kept."""
        return f"{self.kind}@{self.tenant}"

    @property
    def headers(self) -> dict[str, str]:
        """What they send."""
        return {} if self.secret is None else {"authorization": f"Bearer {self.secret}"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What is sent for one operation."""

    places: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    form: Mapping[str, str] | None = None


@dataclass(slots=True)
class Ground:
    """A running gateway and console on one home."""

    gateway: str
    console: str
    stores: Stores
    holders: Sequence[Holder]
    shop: Capability
    calls: dict[str, str]
    """By tenant, the id of a call of theirs that is in the log."""
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=60))

    def held_row(self, name: str) -> str:
        """A row that a reviewer holds."""
        item = take(self.shop, self.stores, Reviewer(name, datetime.now(UTC)))
        assert item is not None, "no row waits for a reviewer"
        return item.row_id


Ask = Callable[[Ground, Holder, bool], Asked]


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may do an operation, how it is asked, and what whoever may is answered."""

    may: frozenset[str]
    done: frozenset[int] = frozenset({200})
    """Statuses for whoever may."""
    ask: Ask = lambda *_: Asked()
    foreign: frozenset[int] | None = None
    """Statuses for whoever may, on what is another's; None where nothing is anybody's."""


def sends(body: Any = None, form: Mapping[str, str] | None = None, **places: str) -> Ask:
    """The same request for everybody."""
    return lambda *_: Asked(places, body, form)


def _interaction(ground: Ground, holder: Holder, foreign: bool) -> Asked:
    return Asked({"id": ground.calls[OTHER[holder.tenant] if foreign else holder.tenant]})


def _feedback(ground: Ground, holder: Holder, foreign: bool) -> Asked:
    id = ground.calls[OTHER[holder.tenant] if foreign else holder.tenant]
    said = {"interaction_id": id, "kind": "true_value"}
    first, second = sorted(FORGED if foreign else TRUE)
    # Whether it names the capability or not: another's call is not theirs to speak of.
    return Asked(body=[{**said, "value": first, "capability": "shop"}, {**said, "value": second}])


def _reviewed(ground: Ground, holder: Holder, foreign: bool) -> Asked:
    """Skip a row: one's own, or one that somebody else holds."""
    allowed = holder.kind in only("review") and not holder.tenant
    named = "somebody else" if foreign else _console_name(holder)
    row = ground.held_row(named) if allowed or foreign else "none"
    return Asked({"name": "shop"}, form={"do": "skip", "row": row})


def _console_name(holder: Holder) -> str:
    """By which the console knows them."""
    return "admin" if holder.kind == "operator" else holder.name


def _any_call(ground: Ground, _: Holder, __: bool) -> Asked:
    return Asked({"id": ground.calls["acme"]})


ok, drawn, nowhere = frozenset({200}), frozenset({400}), frozenset({404})
went, told, refused = frozenset({303}), frozenset({401}), frozenset({409})
CALLS, KEYS = only("call"), ANY_KEY
GATEWAY: Mapping[str, Rule] = {
    "POST /v1/chat/completions": Rule(CALLS, ok, sends(CHAT)),
    # No capability here draws: whoever may is told so, and nobody else is.
    "POST /v1/images/generations": Rule(
        CALLS, frozenset({400}), sends({"model": "desk", "prompt": "a seven"})
    ),
    "GET /v1/models": Rule(KEYS),
    "GET /v1/models/{name}": Rule(KEYS, ok, sends(name="desk")),
    "POST /v2/models/{name}/infer": Rule(CALLS, ok, sends(TENSORS, name="shop")),
    "GET /v2/models/{name}": Rule(KEYS, ok, sends(name="shop")),
    "GET /v2/models/{name}/ready": Rule(KEYS, ok, sends(name="shop")),
    "GET /v2": Rule(PUBLIC),
    "GET /v2/health/live": Rule(PUBLIC),
    "GET /v2/health/ready": Rule(PUBLIC),
    "POST /v1/capabilities/{name}/invocations": Rule(
        CALLS, ok, sends({"dataframe_records": [ROW]}, name="shop")
    ),
    # Of another's call, what is said waits for ever: nobody learns from the answer that it exists.
    "POST /v1/feedback": Rule(only("feedback"), ok, _feedback, ok),
    "POST /ofrep/v1/evaluate/flags/{key}": Rule(
        CALLS, frozenset({404}), sends({"context": {"targetingKey": "s"}}, key="desk.none")
    ),
    "POST /ofrep/v1/evaluate/flags": Rule(CALLS, ok, sends({"context": {"targetingKey": "s"}})),
    "GET /v1/interactions/{id}": Rule(only("review"), ok, _interaction, frozenset({404})),
    "GET /metrics": Rule(KEYS),
    "GET /healthz": Rule(PUBLIC),
    "GET /readyz": Rule(PUBLIC),
    "GET /openapi.json": Rule(PUBLIC),
    "GET /docs": Rule(PUBLIC),
}
"""Who may do what at the gateway. A tenant bounds what a key sees, not which operations it has."""

LOOKS, RELEASES = only("review", "release"), only("release")
stale = {"parent": "99", "to": "98", "version": "1", "how": "champion", "reason": "a test"}
SHOP = sends(name="shop")
CONSOLE: Mapping[str, Rule] = {
    "GET /": Rule(LOOKS),
    "GET /capabilities/{name}": Rule(LOOKS, ok, SHOP),
    "GET /capabilities/{name}/releases": Rule(LOOKS, ok, SHOP),
    # Neither release 99 nor version 1 is there: whoever may is told that, and nothing is changed.
    "POST /capabilities/{name}/releases/promote": Rule(
        RELEASES, refused | nowhere, sends(form=stale, name="shop")
    ),
    "POST /capabilities/{name}/releases/rollback": Rule(
        RELEASES, refused | nowhere, sends(form=stale, name="shop")
    ),
    "GET /capabilities/{name}/experiments": Rule(LOOKS, ok, SHOP),
    "GET /capabilities/{name}/review": Rule(LOOKS, ok, SHOP),
    "POST /capabilities/{name}/review": Rule(only("review"), frozenset({303}), _reviewed, refused),
    "GET /capabilities/{name}/reviews": Rule(LOOKS, ok, SHOP),
    "GET /capabilities/{name}/numbers": Rule(LOOKS, ok, SHOP),
    "POST /capabilities/{name}/numbers": Rule(
        only("review"), ok, sends(form={"size": "1", "colour": "red"}, name="shop")
    ),
    "GET /capabilities/{name}/reports": Rule(LOOKS, ok, SHOP),
    "GET /reports/{name}/{file}": Rule(LOOKS, nowhere, sends(name="shop", file="none.html")),
    "GET /interactions": Rule(LOOKS),
    "POST /interactions": Rule(LOOKS - {"release"}, frozenset({303}), sends(form={"id": "x"})),
    "GET /interactions/{id}": Rule(LOOKS, ok, _any_call),
    # Whoever sends no key that opens anything is asked for one.
    "POST /sign-in": Rule(PUBLIC, frozenset({401}), sends(form={"key": "none"})),
    "POST /sign-out": Rule(PUBLIC, frozenset({303}), sends(form={})),
    "GET /healthz": Rule(PUBLIC),
    "GET /static/console.css": Rule(PUBLIC),
    "GET /static/console.js": Rule(PUBLIC),
}
"""Who may do what in the console. Pages show every tenant, so that a tenant's key opens none."""


def described(api: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """`METHOD /path` of every operation of an OpenAPI document."""
    return {
        f"{method.upper()} {path}": operation
        for path, methods in api["paths"].items()
        for method, operation in methods.items()
    }


def mounted(routes: Sequence[BaseRoute], root: str = "") -> list[str]:
    """`METHOD /path` of everything that an application has mounted, whatever it is.

    What is no route with methods (a folder of files, another application without routes) is named
    with `*`, for which there never is a rule.
    """
    found: list[str] = []
    for route in routes:
        if isinstance(route, Mount) and route.routes:
            found += mounted(route.routes, root + route.path)
        elif isinstance(route, Route) and route.methods:
            path = root + route.path.replace(":path}", "}")
            found += [f"{method} {path}" for method in sorted(route.methods)]
        else:
            found.append(f"* {root}{getattr(route, 'path', '?')}")
    return found


def unruled(operations: Sequence[str], policy: Mapping[str, Rule]) -> list[str]:
    """Operations without a rule, and rules without an operation; a HEAD is its GET."""
    asked = {one.replace("HEAD ", "GET ") for one in operations}
    return [f"no rule: {one}" for one in sorted(asked - set(policy))] + [
        f"no such operation: {one}" for one in sorted(set(policy) - asked)
    ]


def gateway_operations() -> list[str]:
    """What the gateway mounts, by its table."""
    return list(described(document(Routes(table(cast(Any, None))))))


def console_application(home: Path) -> Starlette:
    """The console's application on the same home, for its routes."""
    return console(Desk.at(Settings(home=home / "home", configs=home / "configs")))


def walk(ground: Ground, url: str, policy: Mapping[str, Rule]) -> Iterator[tuple[str, bool]]:
    """Every operation by every holder on every object: what was asked and answered, and whether
    that is as the policy says."""
    every_tenant = url == ground.console
    for operation, rule in policy.items():
        for holder in ground.holders:
            for foreign in (False, True) if rule.foreign is not None else (False,):
                got = send(ground, url, operation, rule.ask(ground, holder, foreign), holder)
                may = holder.kind in rule.may
                if every_tenant and rule.may != PUBLIC and holder.tenant:
                    may = False
                if may:
                    right = got in (rule.foreign if foreign and rule.foreign else rule.done)
                else:
                    right = got == (401 if holder.kind in STRANGERS else 403)
                whose = "another's" if foreign else "own"
                yield f"{operation} by {holder.name} on {whose}: {got}", right


def send(ground: Ground, url: str, operation: str, asked: Asked, holder: Holder) -> int:
    """Send one request; its status."""
    method, path = operation.split()
    for place, value in asked.places.items():
        path = path.replace(f"{{{place}}}", value)
    data = {"data": dict(asked.form)} if asked.form is not None else {}
    body = {"json": asked.body} if asked.body is not None else {}
    return patiently(
        lambda: ground.client.request(method, url + path, headers=holder.headers, **data, **body)
    )


def spelt(ground: Ground, url: str, policy: Mapping[str, Rule]) -> Iterator[tuple[str, bool]]:
    """Other methods and other spellings of every closed path, by nobody: none is served."""
    for operation in policy:
        method, path = operation.split()
        if policy[operation].may == PUBLIC:
            continue
        real = path.replace("{name}", "shop").replace("{id}", ground.calls["acme"])
        real = real.replace("{key}", "desk.x").replace("{file}", "x.html")
        asked = [(other, real) for other in ("HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE")]
        asked += [(method, one) for one in _spellings(real)]
        for how, place in asked:
            got = _as_it_is(url, how, place)
            yield f"{how} {place} by nobody: {got}", got in (307, 400, 401, 403, 404, 405)


def _as_it_is(url: str, method: str, path: str) -> int:
    """Send a path as it is spelt, which clients would mend; its status."""

    def ask() -> httpx.Response:
        with closing(HTTPConnection(url.removeprefix("http://"), timeout=60)) as one:
            one.request(method, path)
            reply = one.getresponse()
            return httpx.Response(reply.status, headers=list(reply.headers.items()))

    return patiently(ask)


def patiently(ask: Callable[[], httpx.Response]) -> int:
    """The status of a call; one that was shed, because the machine is busy, is made once more."""
    for _ in range(200):
        reply = ask()
        if reply.status_code != 503 or "retry-after" not in reply.headers:
            break
        sleep(0.05)
    return reply.status_code


def _spellings(path: str) -> list[str]:
    return [
        f"/{path}", f"{path}/", f"/healthz/..{path}", f"/.{path}", path.upper(), f"{path}%00",
        f"{path};x", "/" + path[1:].replace("/", "%2f"), f"{path}?role=admin", f"http://localhost{path}",
    ]  # fmt: skip


def left_behind(ground: Ground) -> list[str]:
    """What a call that was refused, or was about another's object, has left where it must not."""
    found = []
    for tenant, id in ground.calls.items():
        (call,) = ground.stores.events.interactions([id])
        found += [
            f"{said.tenant or 'no tenant'} spoke of a call of {tenant or 'no tenant'}"
            for said in ground.stores.events.feedback_about(call)
            if said.tenant != tenant
        ]
    ingest(ground.shop, ground.stores, datetime.now(UTC))
    told = ground.stores.lake.query(ground.shop, "SELECT value FROM tags", ("tags",))
    values = told.column("value").to_pylist()
    found += [f"a foreign true value became a tag: {one:g}" for one in values if one in FORGED]
    if not set(values) & TRUE:
        found.append("nobody's own true value became a tag: it is not looked at all")
    newest = ground.stores.ledger.releases.newest("shop")
    if newest is None or newest.number != 1:
        found.append("a release was made")
    return found


@contextmanager
def prepared(home: Path) -> Iterator[Ground]:
    """A home with the calls of three tenants and a key of every kind, and both services on it."""
    folder = home / "configs" / "capabilities"
    folder.mkdir(parents=True)
    settings = Settings(home=home / "home", configs=home / "configs")
    stores, shop = give_database(Stores.at(settings)), _shop()
    for name, spec in (("desk", DESK), ("shop", shop.model_dump(mode="json", exclude_unset=True))):
        (folder / f"{name}.yaml").write_text(json.dumps(spec))  # which is YAML
    # The fixed rule serves: no model is trained for what is asked here.
    first = Promotion(0, "ann", "there is no model yet", None, (), datetime.now(UTC))
    promote(shop, Variant(name="constant"), stores, first)
    _answered(stores, 24)
    ingest(shop, stores, datetime.now(UTC))
    own = {"OPSLAYER_ADMIN_KEY": ADMIN_KEY}
    with (
        serving(settings.root, settings.configs, environment=own) as gateway,
        looking(settings.root, settings.configs, own) as desk,
    ):
        holders = [*_holders(stores), Holder("operator", "", ADMIN_KEY)]
        ground = Ground(gateway.url, desk, stores, holders, shop, {})
        _call(ground)
        yield ground
        ground.client.close()


def _shop() -> Capability:
    return taught.shop("regression", fallback=[{"rule": {"constant": 0}}])


def _holders(stores: Stores) -> Iterator[Holder]:
    """Every kind of caller but the operator."""
    now = datetime.now(UTC)
    yield Holder("nobody")
    yield Holder("wrong", "", "ops_" + "x" * 43)
    for tenant in TENANTS:
        for kind in (*NAMES, "revoked", "expired"):
            role = Role(kind) if kind in NAMES else Role.ADMIN
            ends = now + timedelta(milliseconds=1) if kind == "expired" else None
            terms = Terms(name=f"{kind}@{tenant}", roles=(role,), tenant=tenant, expires=ends)
            made = stores.ledger.keys.create(terms, now)
            if kind == "revoked":
                stores.ledger.keys.revoke(made.key.id, now)
            yield Holder(kind, tenant, made.secret)


def _answered(stores: Stores, count: int) -> None:
    """Calls in the log, for the reviewers' queue."""
    now = datetime.now(UTC)
    rows = [
        Interaction.model_validate(
            {
                "id": f"row{number}", "capability": "shop", "event_time": now, "release": 0,
                "input": {**ROW, "size": float(number)}, "output": {"value": 1.0},
                "variant": "constant", "status": "answered", "latency_ms": 1.0, "cost": 0.0,
                "tenant": "globex",
            }
        )
        for number in range(count)
    ]  # fmt: skip
    stores.events.append(rows, "test")


def _call(ground: Ground) -> None:
    """One call of each tenant through the gateway, by keys that walk no further."""
    for tenant in ("", "acme", "globex"):
        terms = Terms(name="caller", roles=(Role.CALL, Role.REVIEW), tenant=tenant)
        made = ground.stores.ledger.keys.create(terms, datetime.now(UTC))
        headers = {"authorization": f"Bearer {made.secret}"}
        place = f"{ground.gateway}/v1/capabilities/shop/invocations"
        body = {"dataframe_records": [ROW]}
        said = ground.client.post(place, json=body, headers=headers)
        assert said.status_code == 200, said.text
        ground.calls[tenant] = said.json()["interaction_ids"][0]
        story = f"{ground.gateway}/v1/interactions/{ground.calls[tenant]}"
        assert ground.client.get(story, headers=headers).status_code == 200


def faults(ground: Ground, home: Path) -> list[str]:
    """Where operations, rules and descriptions don't agree."""
    served = described(httpx.get(f"{ground.gateway}/openapi.json").json())
    desk = mounted(console_application(home).routes)
    found = [*unruled(list(served), GATEWAY), *unruled(desk, CONSOLE)]
    found += [
        f"described and not mounted: {one}" for one in set(served) ^ set(gateway_operations())
    ]
    for operation, described_as in served.items():
        needs, rule = described_as["x-opslayer-needs"], GATEWAY.get(operation)
        says = {"public": PUBLIC, "key": ANY_KEY}.get(needs) or only(needs)
        if rule is not None and says != rule.may:
            found.append(f"{operation} is described as for {needs}")
        if ("security" in described_as) != (says != PUBLIC):
            found.append(f"{operation} is described with the wrong security")
    return found


def main() -> int:
    """Walk both matrices, every other spelling, and look at what is left."""
    with tempfile.TemporaryDirectory() as made, prepared(Path(made)) as ground:
        apart = faults(ground, Path(made))
        walks = {
            "gateway": list(walk(ground, ground.gateway, GATEWAY)),
            "console": list(walk(ground, ground.console, CONSOLE)),
            "other spellings": [
                *spelt(ground, ground.gateway, GATEWAY), *spelt(ground, ground.console, CONSOLE),
            ],
        }  # fmt: skip
        left = left_behind(ground)
    for one in (*apart, *left, *(said for found in walks.values() for said, ok in found if not ok)):
        say(one)
    bars = [Bar("operations, rules and descriptions that don't agree", len(apart), "== 0")]
    for name, found in walks.items():
        wrong = sum(not right for _, right in found)
        bars.append(Bar(f"{name}: answered otherwise than the policy", wrong, "== 0", len(found)))
    bars.append(Bar("things that a refused or foreign call left behind", len(left), "== 0"))
    unknown = unruled(["POST /v1/backdoor", *GATEWAY], GATEWAY)
    bars.append(Bar("an operation that nobody has a rule for is found", len(unknown), "== 1"))
    return finish("role_matrix", sum(map(len, walks.values())), bars)


if __name__ == "__main__":
    sys.exit(main())
