"""What Opslayer knows: capabilities, stores, learners, judgements and steps.

Importing this package switches off the telemetry of every library it uses, before any of them
is imported: nothing here opens a connection that nobody configured.
"""

import os

SILENCE = {
    "DO_NOT_TRACK": "1",  # Evidently, Prefect and others honour it
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
}
for _name, _value in SILENCE.items():
    os.environ.setdefault(_name, _value)
