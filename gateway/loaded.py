"""What the gateway's processes load, all of it: forked from one that has, they start in a moment.

Imported by the process that the others are forked from, and for that alone. It opens nothing and
starts no thread: neither would outlive a fork.
"""

from __future__ import annotations

import gc
import os

from opslayer.parent import die_with_parent
from opslayer.settings import SUPERVISOR

if SUPERVISOR in os.environ:
    die_with_parent()

gc.disable()  # there is nothing to collect; what is forked begins again

import uvloop  # noqa: E402, F401 - from here on what is loaded is what counts

import gateway.assembly  # noqa: E402
import gateway.drain  # noqa: E402
import gateway.server  # noqa: E402
import gateway.watch  # noqa: E402
import gateway.worker  # noqa: E402, F401

LOADER = os.getpid()
"""The process that loaded it: whoever is forked from it knows by this who its parent was."""

gc.freeze()
