"""Whether a command that infra/ starts is one that the code or its libraries have."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

import commands


def check(command: Sequence[str]) -> None:
    """Raise where the program, a verb or an option is not there."""
    program, *rest = command
    if program == "opslayer":
        commands.build(rest).parse_args(rest, exit_on_error=False, print_error=False)
    elif rest[0] == "-m":
        assert find_spec(rest[1]), rest[1]
        if rest[1] == "mlflow":
            from mlflow.cli import cli

            group = cli.get_command(None, rest[2])
            assert group is not None
            group.make_context("server", list(rest[3:]))
        elif rest[1].startswith("distributed.cli."):
            program = rest[1].removeprefix("distributed.cli.dask_")
            import_module(rest[1]).main.make_context(program, list(rest[2:]))
        elif rest[1] == "prefect":
            assert tuple(rest[2:]) == ("server", "start")
        else:
            assert rest[2:] == [], "our own modules take no arguments"
    else:
        assert program == "python", command
