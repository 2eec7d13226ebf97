"""The API's own description, made from the table of routes."""

from __future__ import annotations

from html import escape
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from gateway.call import Call, encode
from gateway.routes import Needs, Route, Routes, Shape

if TYPE_CHECKING:
    from gateway.app import Gateway

STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "h2{font:600 15px ui-monospace,monospace;margin:2rem 0 .2rem;border-top:1px solid #d8dee4;"
    "padding-top:1rem}b{background:#0b5cad;color:#fff;padding:.1rem .4rem;border-radius:3px;"
    "margin-right:.5rem}pre{background:#f6f8fa;padding:.7rem;overflow:auto;font-size:13px}"
    "p{margin:.2rem 0}small{color:#57606a}"
)


def document(routes: Routes) -> dict[str, Any]:
    """The OpenAPI 3.1 document of the routes."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Opslayer",
            "version": version("opslayer"),
            "description": "One API for every AI capability: the application names a capability, "
            "and knows nothing of models, versions or prompts.",
        },
        "paths": paths,
        "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
    }


def operation(route: Route) -> dict[str, Any]:
    """One route as OpenAPI describes it."""
    kind = "application/json" if route.errors is Shape.OPENAI else "application/problem+json"
    failed = {"description": "An error, in words for a person", "content": {kind: {}}}
    found: dict[str, Any] = {
        "operationId": operation_id(route),
        "summary": route.summary,
        "responses": {
            "200": {
                "description": "Done",
                "content": {"application/json": {"schema": route.answer}} if route.answer else {},
            },
            "default": failed,
        },
        "x-opslayer-needs": route.needs.value,
    }
    if route.needs is not Needs.PUBLIC:
        found["security"] = [{"key": []}]
    if places := [part[1:-1] for part in route.path.split("/") if part.startswith("{")]:
        found["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in places
        ]
    if route.request is not None:
        content = {"application/json": {"schema": route.request}}
        found["requestBody"] = {"required": True, "content": content}
    return found


def operation_id(route: Route) -> str:
    """`post_v1_chat_completions` for POST /v1/chat/completions."""
    words = route.path.strip("/").replace(".", "_").replace("{", "").replace("}", "")
    return f"{route.method.lower()}_{words.replace('/', '_').replace('-', '_')}"


def page(routes: Routes) -> str:
    """The description as a page that needs no script and nothing from elsewhere."""
    parts = [_section(route) for route in routes]
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Opslayer API</title>"
        f"<style>{STYLE}</style><h1>Opslayer API</h1><p>Point any OpenAI client at <code>/v1</code>"
        " and name a capability as the model. Send <code>Authorization: Bearer KEY</code>, and "
        "<code>X-Opslayer-Subject</code> for whom the answer is. The machine-readable description "
        "is <a href=/openapi.json>/openapi.json</a>.</p>" + "".join(parts)
    )


def _section(route: Route) -> str:
    needs = {"public": "no key", "key": "any key"}.get(
        route.needs.value, f"a key with the role {route.needs.value}"
    )
    schema = f"<pre>{escape(_pretty(route.request))}</pre>" if route.request else ""
    return (
        f"<h2><b>{route.method}</b>{escape(route.path)}</h2><p>{escape(route.summary)}</p>"
        f"<p><small>needs {needs}</small></p>{schema}"
    )


def _pretty(schema: dict[str, Any]) -> str:
    import json

    return json.dumps(schema, indent=2)


async def describe(gateway: Gateway, call: Call) -> None:
    """GET /openapi.json."""
    await call.reply(200, encode(document(gateway.routes)))


async def docs(gateway: Gateway, call: Call) -> None:
    """GET /docs."""
    policy = (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'")
    await call.reply(200, page(gateway.routes).encode(), [policy], b"text/html; charset=utf-8")
