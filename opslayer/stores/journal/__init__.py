"""The journal: where a gateway's records are durable before its replies leave.

Each writer, one process, has a folder of numbered segments that it only appends to. One write and
one sync make a batch durable. `drain` carries whole records on into the interaction log, also while
they are written, and takes away the segments it is done with; a record that it carries twice is in
the log once.
"""

from opslayer.stores.journal.address import Journal
from opslayer.stores.journal.drain import drain
from opslayer.stores.journal.entry import Entry, entries_in
from opslayer.stores.journal.erase import blank, blank_absent
from opslayer.stores.journal.writer import Writer

__all__ = ["Entry", "Journal", "Writer", "blank", "blank_absent", "drain", "entries_in"]
