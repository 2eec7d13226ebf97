"""Lets the processes that tests start on PostgreSQL and S3 find their home there too."""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

NAME = "opslayer.settings"


class AfterSettings(MetaPathFinder):
    """Waits for `opslayer.settings` to be imported: most of what a process does is not that."""

    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> Any:
        if name != NAME:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            sys.path.insert(0, str(Path(__file__).parents[1]))
            from backend import use_servers

            sys.path.pop(0)
            use_servers(module.Settings)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, AfterSettings())
