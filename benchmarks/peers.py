"""The gateways and model servers that ours is measured beside, each in an environment of its own.

They are installed on first use into `.opslayer/peers` of the folder the benchmark runs in. One that
can't be installed or does not start is named and left out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(".opslayer/peers")
PATIENCE = 900
"""Seconds for an installation."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Another server of the same kind."""

    name: str
    packages: Sequence[str]
    command: Sequence[str]
    """With `{bin}`, `{folder}`, `{port}`, `{upstream}` to be filled in."""
    files: Mapping[str, str]
    """What it reads, by file name, filled in likewise."""
    environment: Mapping[str, str]
    path: str
    model: str
    """As it is named in a request; empty where the path names it."""
    health: str = "/health"


LITELLM = Peer(
    "litellm",
    ["litellm[proxy]"],
    [
        "{bin}/litellm",
        "--config",
        "{folder}/litellm.yaml",
        "--port",
        "{port}",
        "--num_workers",
        "1",
    ],
    {
        "litellm.yaml": "model_list:\n  - model_name: mock\n    litellm_params:\n"
        "      model: openai/mock\n      api_base: http://127.0.0.1:{upstream}/v1\n"
        "      api_key: sk-none\nlitellm_settings:\n  telemetry: false\n"
    },
    {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "NO_PROXY": "127.0.0.1",
        # It starts without a key only when told so; ours is open on loopback likewise.
        "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
    },
    "/v1/chat/completions",
    "mock",
    "/health/liveliness",
)
MLFLOW = Peer(
    "mlflow gateway",
    ["mlflow[gateway]==3.17.2"],
    [
        "{bin}/uvicorn", "mlflow.gateway.app:create_app_from_env", "--factory", "--port", "{port}",
        "--log-level", "error", "--no-access-log",
    ],
    {
        "mlflow.yaml": "endpoints:\n  - name: mock\n    endpoint_type: llm/v1/chat\n    model:\n"
        "      provider: openai\n      name: mock\n      config:\n        openai_api_key: none\n"
        "        openai_api_base: http://127.0.0.1:{upstream}/v1\n"
    },
    {"MLFLOW_GATEWAY_CONFIG": "{folder}/mlflow.yaml", "MLFLOW_DISABLE_TELEMETRY": "true"},
    "/gateway/mock/invocations",
    "",
)  # fmt: skip
MLSERVER = Peer(
    "mlserver",
    ["mlserver", "mlserver-sklearn", "scikit-learn"],
    ["{bin}/mlserver", "start", "{folder}/mlserver"],
    {
        "mlserver/settings.json": json.dumps(
            {"http_port": "{port}", "grpc_port": "{grpc}", "metrics_port": "{metrics}",
             "parallel_workers": 0, "debug": False}
        ),
        "mlserver/model-settings.json": json.dumps(
            {"name": "mock", "implementation": "mlserver_sklearn.SKLearnModel",
             "parameters": {"uri": "./model.joblib"}}
        ),
        "mlserver/make.py": "import joblib, numpy as np\n"
        "from sklearn.ensemble import HistGradientBoostingRegressor as Model\n"
        "rng = np.random.default_rng(0)\nrows = rng.normal(size=(5000, 10))\n"
        "joblib.dump(Model(max_iter=60).fit(rows, rows.sum(1)), 'model.joblib')\n",
    },
    {"OMP_NUM_THREADS": "1"},
    "/v2/models/mock/infer",
    "mock",
    "/v2/health/ready",
)  # fmt: skip


def install(peer: Peer) -> Path | None:
    """The peer's environment, installed where it is not; None where that fails, with the reason
    said."""
    folder = (HERE / peer.name.replace(" ", "-")).resolve()
    done = folder / "installed"
    if done.exists():
        return folder
    venv.create(folder, with_pip=True, clear=True)
    pip = [str(folder / "bin/pip"), "install", "--quiet", "--disable-pip-version-check"]
    said = subprocess.run(
        [*pip, *peer.packages], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    if said.returncode:
        last = said.stderr.strip().splitlines()[-1:] or ["pip said nothing"]
        print(f"{peer.name} is left out: it could not be installed ({last[0]})", file=sys.stderr)
        return None
    done.touch()
    return folder


def start(peer: Peer, folder: Path, ports: Mapping[str, int]) -> subprocess.Popen[bytes]:
    """Start an installed peer; `ports` has `port` and `upstream`, and whatever else it takes."""
    filled = {"bin": str(folder / "bin"), "folder": str(folder), **ports}

    def fill(text: str) -> str:
        for name, value in filled.items():
            text = text.replace(f'"{{{name}}}"', str(value)).replace(f"{{{name}}}", str(value))
        return text

    for name, text in peer.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(fill(text))
    script = folder / "mlserver/make.py"
    if "mlserver/make.py" in peer.files and not (script.parent / "model.joblib").exists():
        subprocess.run([folder / "bin/python", script], cwd=script.parent, check=True)
    return subprocess.Popen(
        [fill(word) for word in peer.command],
        env={**os.environ, **{name: fill(value) for name, value in peer.environment.items()}},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
