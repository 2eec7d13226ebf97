"""Every variable that infra/ sets is one that somebody reads."""

from __future__ import annotations

import re
from typing import Any

from composed import INFRA, ROOT, compose, manifests

from opslayer.settings import Settings

PACKAGES = ("opslayer", "tasks", "flows", "gateway", "console", "commands")
AWS = {
    "AWS_ENDPOINT_URL", "AWS_ALLOW_HTTP", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
}  # fmt: skip
"""What boto3 and delta-rs read, as their manuals say; `AWS_ALLOW_HTTP` and `AWS_REGION` are the
latter's."""
OTHERS = {"DO_NOT_TRACK", "BUCKETS", "POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD", "HOME"}


def ours() -> set[str]:
    """Every `OPSLAYER_…` variable that the code reads."""
    read = {f"OPSLAYER_{name.upper()}" for name in Settings.model_fields}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            read |= set(re.findall(r'environ(?:\.get\(|\[)"(OPSLAYER_\w+)"', path.read_text()))
    return read


def given() -> set[str]:
    """Every variable that a container is started with."""
    services: Any = compose()["services"].values()
    names = {name for one in services for name in one.get("environment") or {}}
    for one in manifests():
        pod = one.get("spec", {}).get("template", {}).get("spec", {})
        for container in pod.get("containers", []):
            names |= {variable["name"] for variable in container.get("env", [])}
    return names


def test_every_variable_of_ours_in_infra_is_one_that_the_code_reads() -> None:
    read = ours()
    written = (one for one in INFRA.rglob("*") if one.is_file() and one.suffix != ".pyc")
    for path in written:
        named = set(re.findall(r"\bOPSLAYER_[A-Z_]+\b", path.read_text()))
        assert named <= read, f"{path.name}: {sorted(named - read)}"


def test_every_other_variable_is_one_that_its_library_reads() -> None:
    from mlflow.cli import server
    from prefect.settings import Settings as PrefectSettings
    from prefect.settings.legacy import _get_settings_fields

    mlflow = {str(option.envvar) for option in server.params}
    mlflow.add("MLFLOW_SERVER_ENABLE_JOB_EXECUTION")
    prefect = set(_get_settings_fields(PrefectSettings))
    known = mlflow | prefect | AWS | OTHERS
    assert {name for name in given() if not name.startswith("OPSLAYER_")} <= known


def test_what_replicas_must_share_is_given_to_every_one_of_them() -> None:
    for name, one in compose()["services"].items():
        if "OPSLAYER_DATABASE_URL" in (one.get("environment") or {}):
            assert {"OPSLAYER_SECRET", "OPSLAYER_LAKE_URL", "OPSLAYER_MLFLOW_URL"} <= set(
                one["environment"]
            ), name
