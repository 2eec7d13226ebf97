"""Where the shared data lies."""

from __future__ import annotations

import os
from pathlib import Path

DATA = Path(os.environ.get("OPSLAYER_DATA_DIR", Path(__file__).parents[2] / "shared" / "data"))
