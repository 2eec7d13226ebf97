"""`python -m commands.manual FILE`: write the manual of the command line, as `--help` shows it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from commands import VERBS, build

HEAD = """\
<!-- Made by `make manual`; a test holds it to the command line. -->

"""


def page() -> str:
    """Every verb with its sentence, its words and its options, in Markdown."""
    made = build(tuple(VERBS)).generate_docs(output_format="markdown", recursive=True)
    # It writes the name of the process into each usage of a verb in a verb.
    made = re.sub(
        r"^(opslayer [a-z]+ [a-z]+) (?:-m \S+|-c|[a-z]\S*)(?= |$)", r"\1", made, flags=re.MULTILINE
    )
    return HEAD + "\n".join(line.rstrip() for line in made.strip().splitlines()) + "\n"


def main() -> None:
    """Write it."""
    Path(sys.argv[1]).write_text(page())


if __name__ == "__main__":
    main()
