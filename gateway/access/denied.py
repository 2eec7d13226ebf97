"""A call that may not be made, and the way out."""

from __future__ import annotations


class Denied(Exception):
    """A call that is refused before anything is asked; the text says what to do, and no secret.

    `status` is 401 for who can't be known, 403 for what may not be done, 429 for too much, 503 for
    what can't be told now. `code` is one short word for a machine.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        retry_after: float | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after = retry_after
        """Seconds after which the call may be made again; None where waiting does not help."""
        self.headers = headers
