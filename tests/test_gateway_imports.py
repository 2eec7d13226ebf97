"""What a gateway's processes load: little, so that they are up again soon after a fault."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

BATCH = {
    "prefect", "great_expectations", "evidently", "matplotlib", "mlflow", "pandas", "pyarrow",
    "deltalake", "boto3", "sklearn", "scipy", "numpy",
}  # fmt: skip
LOADED = "import json, sys; import {}; print(json.dumps(sorted(sys.modules)))"


@pytest.mark.parametrize("modules", ["gateway.assembly, gateway.server", "gateway.drain"])
def test_nothing_of_the_batch_half_is_loaded_before_a_model_asks_for_it(modules: str) -> None:
    said = subprocess.run(
        [sys.executable, "-c", LOADED.format(modules)], capture_output=True, text=True, check=True
    )
    assert {name.partition(".")[0] for name in json.loads(said.stdout)} & BATCH == set()
