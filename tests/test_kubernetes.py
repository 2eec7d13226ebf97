"""The Kubernetes manifests: valid, agreeing with each other and with the code."""

from __future__ import annotations

import copy
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
import pytest
from composed import INFRA, compose, manifests
from ruamel.yaml import YAML
from started import check

from commands import serve, supervisor

VERSION = "1.33"
ADDRESS = re.compile(r"(?:http|tcp)://([a-z]+):(\d+)")
OBJECTS = manifests()
PODS = {
    one["metadata"]["name"]: one["spec"]["template"]["spec"]
    for one in OBJECTS
    if one["kind"] in {"StatefulSet", "Deployment"}
}
CONTAINERS = [(name, one) for name, pod in PODS.items() for one in pod["containers"]]
KUSTOMIZATION = YAML(typ="safe").load((INFRA / "kustomization.yaml").read_text())


def named(kind: str, name: str) -> Any:
    (found,) = [one for one in OBJECTS if one["kind"] == kind and one["metadata"]["name"] == name]
    return found


@pytest.mark.parametrize("one", OBJECTS, ids=lambda one: f"{one['kind']}-{one['metadata']['name']}")
def test_every_object_is_one_that_kubernetes_takes(one: dict[str, Any]) -> None:
    kubernetes_validate.validate(one, VERSION, strict=True)


def test_a_mistyped_field_would_be_found() -> None:
    wrong = copy.deepcopy(named("StatefulSet", "gateway"))
    wrong["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSION, strict=True)


def test_kubectl_itself_puts_it_together() -> None:
    program = shutil.which("kubectl") or pytest.skip(
        "no kubectl: see kubernetes.io/docs/tasks/tools"
    )
    command = [program, "kustomize", str(INFRA)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    made = [one for one in YAML(typ="safe").load_all(done.stdout) if one]
    assert len(made) == len(OBJECTS) + 1
    (configuration,) = [one for one in made if one["kind"] == "ConfigMap"]
    assert set(configuration["data"]) == {"nginx.conf", "gateways.conf"}
    shown = str([one for one in made if one["metadata"]["name"] == "entrance"])
    assert configuration["metadata"]["name"] in shown


def test_kustomization_names_every_file() -> None:
    there = {f"kubernetes/{path.name}" for path in (INFRA / "kubernetes").glob("*.yaml")}
    assert set(KUSTOMIZATION["resources"]) == there
    for path in KUSTOMIZATION["configMapGenerator"][0]["files"]:
        assert (INFRA / path).exists()


def test_images_are_those_of_compose_and_none_is_the_latest() -> None:
    tagged = {one["name"]: one["newTag"] for one in KUSTOMIZATION["images"]}
    composed = {one["image"] for one in compose()["services"].values()}
    for _, one in CONTAINERS:
        name = one["image"]
        assert (f"{name}:{tagged[name]}" if name in tagged else name) in composed


def test_every_command_of_ours_is_there() -> None:
    for _, one in CONTAINERS:
        if one["image"].startswith("opslayer-"):
            check(one["command"])


def test_what_runs_here_runs_in_compose_by_the_same_command_and_variables() -> None:
    services = {
        tuple(one["command"]): one for one in compose()["services"].values() if "command" in one
    }
    for _, one in CONTAINERS:
        same = services[tuple(one["command"])]
        ours = {variable["name"] for variable in one.get("env", [])}
        assert set(same.get("environment") or {}) - ours <= {"AWS_ALLOW_HTTP"}, one["name"]


def _probed(container: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
        if kind in container:
            probe = container[kind]
            yield kind, probe["httpGet"] if "httpGet" in probe else probe["tcpSocket"]


def test_probes_ask_paths_and_ports_that_there_are() -> None:
    for _, one in CONTAINERS:
        ports = {port["containerPort"] for port in one.get("ports", [])}
        assert all(asked["port"] in ports for _, asked in _probed(one))
        assert bool(ports) == bool(list(_probed(one))), one["name"]
    gateway = dict(_probed(PODS["gateway"]["containers"][0]))
    assert gateway["readinessProbe"]["path"] == "/readyz"
    assert gateway["livenessProbe"]["path"] == "/healthz"  # which no store can take down


def test_services_reach_pods_and_ports_that_there_are() -> None:
    for service in (one for one in OBJECTS if one["kind"] == "Service"):
        selector = dict(service["spec"]["selector"])
        pod = selector.pop("statefulset.kubernetes.io/pod-name", "").rpartition("-")[0]
        containers = PODS[pod or selector["app"]]["containers"]
        ports = [port for one in containers for port in one.get("ports", [])]
        for port in service["spec"]["ports"]:
            target = port.get("targetPort", port["port"])
            assert target in {one["containerPort"] for one in ports} | {
                one["name"] for one in ports
            }


def test_each_replica_has_its_service_and_its_line_in_nginx() -> None:
    names = [
        f"gateway-{number}" for number in range(named("StatefulSet", "gateway")["spec"]["replicas"])
    ]
    for name in names:
        selector = named("Service", name)["spec"]["selector"]
        assert selector == {"statefulset.kubernetes.io/pod-name": name}
    asked = (INFRA / "kubernetes" / "gateways.conf").read_text()
    assert re.findall(r"^server (\S+):8000 ", asked, re.MULTILINE) == names


def test_a_replica_outlives_the_connections_to_it_and_its_calls() -> None:
    pod = PODS["gateway"]
    (wait,) = re.findall(
        r"\d+", str(pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"])
    )
    lives = re.search(r"keepalive_time (\d+)s", (INFRA / "nginx" / "nginx.conf").read_text())
    assert lives
    assert int(wait) > int(lives[1])
    needed = int(wait) + serve.PATIENCE + supervisor.PATIENCE
    assert pod["terminationGracePeriodSeconds"] > needed


def test_all_that_has_several_replicas_gives_up_one_at_a_time() -> None:
    several = {
        one["metadata"]["name"] for one in OBJECTS if one.get("spec", {}).get("replicas", 1) > 1
    }
    budgets = {
        one["spec"]["selector"]["matchLabels"]["app"]: one["spec"]["maxUnavailable"]
        for one in OBJECTS
        if one["kind"] == "PodDisruptionBudget"
    }
    assert budgets == dict.fromkeys(several, 1)


def test_secrets_are_only_named_and_each_is_told_of() -> None:
    told = (INFRA / "README.md").read_text()
    for _, one in CONTAINERS:
        for variable in one.get("env", []):
            if re.search(r"SECRET|KEY|AUTH|PASSWORD|DATABASE|STORE_URI", variable["name"]):
                reference = variable["valueFrom"]["secretKeyRef"]
                assert reference["name"] == "opslayer"
                assert f"`{reference['key']}`" in told, reference["key"]
    assert not [one for one in OBJECTS if one["kind"] == "Secret"]


def test_every_pod_runs_with_as_little_as_it_can_and_within_limits() -> None:
    for name, pod in PODS.items():
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["securityContext"]["runAsNonRoot"]
        for one in pod["containers"]:
            may = one["securityContext"]
            assert may["readOnlyRootFilesystem"]
            assert not may["allowPrivilegeEscalation"]
            assert may["capabilities"] == {"drop": ["ALL"]}
            assert set(one["resources"]["requests"]) == {"cpu", "memory"}
            assert "memory" in one["resources"]["limits"]


def test_volumes_that_are_mounted_are_there() -> None:
    for one in OBJECTS:
        if one["kind"] not in {"StatefulSet", "Deployment"}:
            continue
        pod = one["spec"]["template"]["spec"]
        claims = one["spec"].get("volumeClaimTemplates", [])
        there = {volume["name"] for volume in pod["volumes"]}
        there |= {claim["metadata"]["name"] for claim in claims}
        for container in pod["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} <= there


def test_who_may_call_whom_covers_every_address_that_is_called() -> None:
    policies = {
        one["spec"]["podSelector"].get("matchLabels", {}).get("app"): one["spec"].get("ingress", [])
        for one in OBJECTS
        if one["kind"] == "NetworkPolicy"
    }
    assert policies[None] == []  # closed by default
    for caller, one in CONTAINERS:
        for variable in one.get("env", []):
            for called, port in ADDRESS.findall(variable.get("value", "")):
                (rule,) = policies[called]
                allowed = [
                    peer["podSelector"]["matchLabels"]["app"]
                    for peer in rule["from"]
                    if "podSelector" in peer
                ]
                assert caller in allowed
                assert {"port": int(port)} in rule["ports"]


def test_only_the_loop_and_the_engine_itself_reach_what_runs_anything_it_is_told() -> None:
    may = {"scheduler": {"loop", "engine"}, "engine": {"scheduler", "engine"}}
    for name, wanted in may.items():
        (rule,) = named("NetworkPolicy", name)["spec"]["ingress"]
        assert {peer["podSelector"]["matchLabels"]["app"] for peer in rule["from"]} == wanted
    for _, one in CONTAINERS:
        if one["command"][2].startswith("distributed."):
            assert "--no-dashboard" in one["command"]
            page = one["command"][one["command"].index("--dashboard-address") + 1]
            assert page.startswith("127.0.0.1:")
