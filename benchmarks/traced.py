"""What a process asked of the kernel, in order, as `strace` saw it: on disk before it was told?

`strace(OUT, …)` begins the command line that records, or that makes a call fail or kill;
`calls(OUT)` reads the record; `early(…)` names what was acknowledged before a sync that covers it.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

TOLD = ("write", "writev", "sendto", "sendmsg")
"""Calls by which a process tells another one something."""
KEPT = ("pwrite64", "fdatasync", "fsync", "openat")
LINE = re.compile(r"(?P<process>\d+) +(?P<name>\w+)\((?P<rest>.*)$", re.DOTALL)
RESUMED = re.compile(r"(?P<process>\d+) +<\.\.\. (?P<name>\w+) resumed>(?P<rest>.*)$", re.DOTALL)
UNFINISHED = "<unfinished ...>"
RESULT = re.compile(r"\) += (?P<result>-?\d+)")
OPENED = re.compile(r" = \d+<(?P<path>[^>]*)>")
FILE = re.compile(r"\d+<(?P<path>[^>]*)>")


@dataclass(frozen=True, slots=True)
class Call:
    """One call into the kernel, from the line where it began to the line where it ended."""

    name: str
    path: str
    """Of the file, or the socket, that it is about."""
    text: str
    """Its arguments and its result."""
    began: int
    ended: int

    @property
    def done(self) -> bool:
        """Whether it succeeded."""
        found = RESULT.search(self.text)
        return found is not None and int(found["result"]) >= 0


def strace(out: Path, inject: Sequence[str] = ()) -> list[str]:
    """The beginning of a command line that traces what comes behind it, threads and children too.

    `inject` has strace's own words: `fdatasync:error=EIO:when=3`. Raises FileNotFoundError where
    this machine has no strace.
    """
    if shutil.which("strace") is None:
        raise FileNotFoundError("strace is not installed")
    injected = [word.split(":")[0] for word in inject]
    traced = ",".join(dict.fromkeys((*TOLD, *KEPT, *injected)))
    seen = ["strace", "-f", "-y", "-qq", "-s", "1000000", "-o", str(out), "-e", f"trace={traced}"]
    return [*seen, *(part for word in inject for part in ("-e", f"inject={word}"))]


def calls(out: Path) -> list[Call]:
    """Every call of a record that ended, in the order in which they began."""
    return sorted(_calls(out.read_text(errors="replace").splitlines()), key=lambda one: one.began)


def early(found: Sequence[Call], told: Callable[[Call], Iterable[str]]) -> list[str]:
    """What was acknowledged before a sync of the segment that has it, and of its folder, ended.

    `told` names what a call acknowledges: texts that stand in a record's bytes too.
    """
    return [
        text
        for call in found
        if call.name in TOLD
        for text in told(call)
        if not _covered(found, text, call)
    ]


def _covered(found: Sequence[Call], text: str, told: Call) -> bool:
    """Whether one write that has the text was synced, under a name that is durable, by then."""
    before = [call for call in found if call.done and call.ended < told.began]
    return any(
        _followed(before, write, "fdatasync", write.path)
        and any(
            opened.path == write.path
            and _followed(before, opened, "fsync", str(Path(write.path).parent))
            for opened in before
            if opened.name == "openat" and "O_CREAT" in opened.text
        )
        for write in before
        if write.name == "pwrite64" and text in write.text
    )


def _followed(before: Sequence[Call], call: Call, name: str, path: str) -> bool:
    return any(one.name == name and one.path == path and one.began > call.ended for one in before)


def _calls(lines: Sequence[str]) -> Iterator[Call]:
    under_way: dict[str, Call] = {}
    for at, line in enumerate(lines):
        if resumed := RESUMED.match(line):
            begun = under_way.pop(resumed["process"], None)
            if begun is not None:
                yield _finished(replace(begun, text=begun.text + resumed["rest"], ended=at))
        elif whole := LINE.match(line):
            file = FILE.match(whole["rest"])
            call = Call(whole["name"], file["path"] if file else "", whole["rest"], at, at)
            if line.endswith(UNFINISHED):
                under_way[whole["process"]] = replace(call, text=call.text[: -len(UNFINISHED)])
            else:
                yield _finished(call)


def _finished(call: Call) -> Call:
    """An open tells its file's name with its result."""
    opened = OPENED.search(call.text) if call.name == "openat" else None
    return replace(call, path=opened["path"]) if opened else call
