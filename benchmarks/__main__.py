"""`python -m benchmarks [NAME …]`: run the programs named, or all of them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def programs() -> list[str]:
    """The names of the programs: the modules here that have a main."""
    return sorted(
        path.stem
        for path in HERE.glob("[a-z]*.py")
        if re.search(r"^def main\(", path.read_text(), re.MULTILINE)
    )


def main(names: list[str]) -> int:
    """Run each program in its own process; 1 if one of them missed a bar, 2 for a wrong name."""
    there = programs()
    unknown = [name for name in names if name.replace("-", "_") not in there]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}: there are {', '.join(there)}", file=sys.stderr)
        return 2
    missed = []
    for name in [name.replace("-", "_") for name in names] or there:
        print(f"== {name}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}"]
        if subprocess.run(command, cwd=HERE.parent, check=False).returncode:
            missed.append(name)
    if missed:
        print(f"missed: {', '.join(missed)}", file=sys.stderr)
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
