"""A small file that says only what this installation wrote into it."""

from __future__ import annotations

import hmac
import os
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile


@dataclass(frozen=True, slots=True)
class Sealed:
    """A file with a signature by the installation's secret; its name is signed with it."""

    path: Path
    secret: bytes = field(repr=False)

    def read(self) -> bytes | None:
        """What was written last; None where the file was not written by `write`, or is not there.

        Raises OSError where it can't be read.
        """
        try:
            signature, _, content = self.path.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        return content if hmac.compare_digest(signature, self._sign(content)) else None

    def write(self, content: bytes) -> None:
        """Replace it as a whole, durably, readable for this user alone; raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=self.path.parent, delete=False) as file:
            try:
                file.write(self._sign(content) + b"\n" + content)
                file.flush()
                os.fsync(file.fileno())
                os.replace(file.name, self.path)
            except OSError:
                os.unlink(file.name)
                raise

    def _sign(self, content: bytes) -> bytes:
        words = self.path.name.encode() + b"\n" + content
        return hmac.new(self.secret, words, sha256).hexdigest().encode()
