"""The compose file: what it names is there, and what it says agrees with the code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import compose_spec
import pytest
from composed import COMPOSE, INFRA, ROOT, compose, variables
from ruamel.yaml import YAML
from started import check

from commands import serve, supervisor

DOCUMENT = compose()
SERVICES: dict[str, dict[str, Any]] = DOCUMENT["services"]
OURS = {name: one for name, one in SERVICES.items() if one["image"].startswith("opslayer-")}


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def test_it_is_what_the_compose_specification_says() -> None:
    parsed = compose_spec.PyCompose.from_json(json.dumps(DOCUMENT))
    parsed.validate()
    assert set(parsed.service_names()) == set(SERVICES)
    broken = json.dumps({"services": SERVICES}).replace('"healthcheck"', '"heathcheck"', 1)
    with pytest.raises(ValueError, match="heathcheck"):
        compose_spec.PyCompose.from_json(broken)


def test_every_variable_it_needs_is_in_the_example_and_no_other() -> None:
    lines = (COMPOSE.parent / ".env.example").read_text().splitlines()
    named = {line.partition("=")[0] for line in lines if re.match(r"\w+=", line)}
    assert named == {name for name, default in variables().items() if default is None}
    assert all(line.endswith("=") for line in lines if re.match(r"\w+=", line)), "a value is in git"


@pytest.mark.parametrize("name", OURS)
def test_every_command_of_ours_is_there(name: str) -> None:
    command = OURS[name]["command"]
    if command == ["python", "/srv/buckets.py"]:
        (place,) = OURS[name]["volumes"]
        compile((COMPOSE.parent / place.split(":")[0]).read_text(), place, "exec")
    else:
        check(command)


def test_every_path_and_volume_is_there() -> None:
    used = set()
    for service in SERVICES.values():
        for place in service.get("volumes", []):
            source = place.split(":")[0]
            if source.startswith("."):
                assert (COMPOSE.parent / source).exists(), source
            else:
                used.add(source)
        build = service.get("build")
        if build:
            context = (COMPOSE.parent / build["context"]).resolve()
            assert context == ROOT
            stages = re.findall(r" AS (\S+)", (context / build["dockerfile"]).read_text())
            assert build["target"] in stages
    assert used == set(DOCUMENT["volumes"])


def _listens(service: dict[str, Any]) -> set[str]:
    """The ports that a service of ours is told to listen on."""
    command = service.get("command", [])
    told = {command[at + 1] for at, word in enumerate(command) if word == "--port"}
    return told | {service.get("environment", {}).get("PREFECT_SERVER_API_PORT", "")} - {""}


def test_ports_agree_between_commands_checks_and_what_is_published() -> None:
    for name, service in OURS.items():
        checked = re.findall(r"127\.0\.0\.1:(\d+)", str(service.get("healthcheck", "")))
        published = [one.rpartition(":")[2] for one in service.get("ports", [])]
        assert {*checked, *published} <= _listens(service), name
    for service in SERVICES.values():
        assert all(one.startswith("127.0.0.1:") for one in service.get("ports", []))
    for name in ("scheduler", "engine"):  # whoever reaches one runs code on it
        assert "ports" not in SERVICES[name]
        assert "--no-dashboard" in SERVICES[name]["command"]


def test_every_address_inside_names_a_service_and_its_port() -> None:
    places = set()
    for service in SERVICES.values():
        for value in (service.get("environment") or {}).values():
            places |= set(re.findall(r"[@/]([a-z][\w-]*):(\d+)", value))
    replicas = (INFRA / "nginx" / "gateways.conf").read_text()
    scraped = YAML(typ="safe").load((INFRA / "prometheus" / "prometheus.yml").read_text())
    targets = scraped["scrape_configs"][0]["static_configs"][0]["targets"]
    asked = re.findall(r"^server (\S+):(\d+)", replicas, re.MULTILINE)
    assert [f"{name}:{port}" for name, port in asked] == targets
    known = {"postgres": {"5432"}, "s3": {"8333"}}
    for name, port in places | set(asked):
        assert port in (known.get(name) or _listens(SERVICES[name])), name


def test_replicas_have_a_disk_and_a_lasting_name_each() -> None:
    gateways = {name: one for name, one in SERVICES.items() if "serve" in one.get("command", [])}
    assert len(gateways) == 2
    assert all(one["hostname"] == name for name, one in gateways.items())
    assert len({one["volumes"][0].split(":")[0] for one in gateways.values()}) == len(gateways)


def test_nobody_is_stopped_before_what_is_under_way_has_had_its_time() -> None:
    for name in ("gateway-1", "gateway-2"):
        needed = serve.PATIENCE + supervisor.PATIENCE
        assert seconds(SERVICES[name]["stop_grace_period"]) > needed
    shutdown = re.search(
        r"worker_shutdown_timeout (\d+)s", (INFRA / "nginx/nginx.conf").read_text()
    )
    assert shutdown
    assert seconds(SERVICES["entrance"]["stop_grace_period"]) > int(shutdown[1])


def test_ours_run_with_as_little_as_they_can() -> None:
    for name, one in {**OURS, "entrance": SERVICES["entrance"]}.items():
        assert one["read_only"], name
        assert one["cap_drop"] == ["ALL"]
        assert one["security_opt"] == ["no-new-privileges:true"]
    assert not any(one.get("privileged") for one in SERVICES.values())


def test_no_image_is_just_the_latest() -> None:
    for one in SERVICES.values():
        assert re.search(r":v?\d+(\.\d+)+(-[\w.]+)?(@sha256:[0-9a-f]{64})?$", one["image"]), one


def test_configuration_files_inside_it_can_be_read() -> None:
    identities = json.loads(DOCUMENT["configs"]["s3"]["content"])["identities"]
    (credentials,) = identities[0]["credentials"]
    said = SERVICES["mlflow"]["environment"]
    assert credentials["accessKey"] == said["AWS_ACCESS_KEY_ID"]
    assert credentials["secretKey"] == said["AWS_SECRET_ACCESS_KEY"]


def test_each_part_has_its_own_database_and_each_is_made() -> None:
    given = [
        value for one in SERVICES.values() for value in (one.get("environment") or {}).values()
    ]
    used = set(re.findall(r"postgresql\+\w+://\S+?/(\w+)", " ".join(given)))
    made = re.findall(r"CREATE DATABASE (\w+);", (INFRA / "postgres/databases.sql").read_text())
    assert sorted(used) == sorted([*made, SERVICES["postgres"]["environment"]["POSTGRES_DB"]])


def test_buckets_are_made_for_all_that_is_kept_in_them() -> None:
    named = set(re.findall(r"s3://(\w+)", COMPOSE.read_text()))
    assert named == set(SERVICES["buckets"]["environment"]["BUCKETS"].split(","))


def test_no_secret_is_told_on_a_command_line() -> None:
    given = {name: f"secret-{name}" for name in variables()}
    for service in compose({**given, "ENTRANCE_ADDRESS": "127.0.0.1"})["services"].values():
        assert "secret-" not in json.dumps(service.get("command", []))
        assert "secret-" not in json.dumps(service.get("healthcheck", {}))


def test_git_keeps_no_filled_env_file() -> None:
    ignored = (Path(ROOT) / ".gitignore").read_text().splitlines()
    assert {"infra/compose/.env", "infra/compose/secrets/"} <= set(ignored)
