"""The `opslayer` command: one file per verb, read only when the verb is used.

Exit codes: 0 done, 1 refused with a reason, 2 wrong use, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opslayer.errors import ConfigError, OpslayerError

if TYPE_CHECKING:
    from cyclopts import App

VERBS = {
    "demo": ("commands.demo:demo", "Replay a year of data and show what the loop does."),
    "up": ("commands.up:up", "Start every service, supervised."),
    "serve": ("commands.serve:serve", "Answer the API: the gateway alone."),
    "console": ("commands.console:console", "Show the console alone."),
    "run": ("commands.run:run", "Run one flow for one capability now."),
    "status": ("commands.status:status", "What serves, how well, and what comes next."),
    "doctor": ("commands.doctor:doctor", "Check this installation, and say what to do."),
    "backtest": ("commands.backtest:backtest", "Try every retraining policy on the past."),
    "score": ("commands.score:score", "Score files of rows with the model that serves."),
    "release": ("commands.release:app", "List, show, promote and roll back releases."),
    "explain": ("commands.explain:explain", "What answered a call, why, and from which rows."),
    "experiment": ("commands.experiment:app", "Compare models, prompts and user flows."),
    "erase": ("commands.erase:erase", "Erase a person, and get the receipt."),
    "backup": ("commands.backup:backup", "Back everything up into one file, while in use."),
    "restore": ("commands.restore:restore", "Make the data folder of a backup."),
    "config": ("commands.config:app", "Check the files in configs/."),
    "feedback": ("commands.feedback:app", "Import what was said later about answers."),
    "review": (
        "commands.review:app",
        "Look at answers, one after the other, and say what is right.",
    ),
    "export": ("commands.export:app", "Write out interactions, labels or a training set."),
    "webhooks": (
        "commands.webhooks:app",
        "Tell webhooks what was decided; list and resend what they got.",
    ),
    "keys": ("commands.keys:app", "Create, list and revoke keys of the API."),
}
"""Each verb's function or app, and the sentence that `opslayer --help` shows."""
LOADING = ("serve", "up")
"""The verbs that start a gateway."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process with its exit code."""
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    try:
        _begin(tokens)
        code = execute(tokens)
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        # The reader has gone, as `head` does: leave as any Unix tool, and say nothing at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = 141
    leave(code)


def leave(code: int) -> None:
    """End the process with an exit code; what is registered to run at exit runs."""
    # The interpreter's last collection would walk through every library for seconds, and free
    # what ends with the process anyway.
    gc.freeze()
    sys.exit(code)


def execute(tokens: Sequence[str]) -> int:
    """Run a command line; its exit code. An error is printed, as JSON where `--json` is given."""
    from cyclopts import CycloptsError

    as_json = "--json" in tokens
    try:
        _know_verb(tokens)
        code = build(tokens)(tokens, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        _complain(error, as_json, "WrongUse")
        return 2
    except OpslayerError as error:
        _complain(error, as_json)
        return 1
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.filename is None:
            raise
        _complain(OSError(f"{error.filename}: {error.strerror}"), as_json, type(error).__name__)
        return 1
    return code if isinstance(code, int) else 0


def build(tokens: Sequence[str] = ()) -> App:
    """The application. The verb among `tokens` keeps its own, longer help."""
    from cyclopts import App

    app = App(
        name="opslayer",
        help="The AI operations layer between an application and its models.",
        version=_version,
        help_formatter="plain",
        result_action="return_value",
    )
    for verb, (path, sentence) in VERBS.items():
        app.command(path, name=verb, help=None if verb in tokens else sentence)
    return app


def _begin(tokens: Sequence[str]) -> None:
    """Begin what takes a verb longest before its other words are read."""
    if next(iter(tokens), "") in LOADING and not {"-h", "--help"} & set(tokens):
        from commands.loading import begin_early

        begin_early()


def _know_verb(tokens: Sequence[str]) -> None:
    """Refuse a mistyped verb before cyclopts does, which would import every verb to name it."""
    from cyclopts import CycloptsError

    verb = next(iter(tokens), "-")
    if not verb.startswith("-") and verb not in VERBS:
        from opslayer.configuration import nearest

        there = f"unknown verb {verb}; there are {', '.join(VERBS)}"
        raise CycloptsError(msg=there + nearest(verb, VERBS))


def _version() -> str:
    from importlib.metadata import version

    return version("opslayer")


def _complain(error: Exception, as_json: bool, kind: str = "") -> None:
    from commands.output import complain, emit

    if not as_json:
        complain(str(error))
        return
    problems = error.problems if isinstance(error, ConfigError) else ()
    kind = kind or type(error).__name__
    detail = {"type": kind, "message": str(error), "problems": problems}
    emit({"error": detail})
