"""Take rows in, exactly once: from every source of a capability and from the interaction log."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from opslayer.capability import Capability
from opslayer.engine import HERE, Executor
from opslayer.errors import ConfigError, FileRefused, Problem
from opslayer.sources.files import FilesFeed
from opslayer.sources.interactions import NAME, LogFeed
from opslayer.sources.part import Feed, Refusal
from opslayer.sources.query import QueryFeed
from opslayer.sources.sift import Counts
from opslayer.steps.intake import Intake
from opslayer.stores import Stores
from opslayer.stores.journal import drain


@dataclass(frozen=True, slots=True)
class Ingested:
    """What one run took in."""

    counts: Counts
    """Over all sources."""
    sources: dict[str, Counts] = field(default_factory=dict)
    """By source; the log's is `interactions`."""
    refused: tuple[Refusal, ...] = ()
    """Files and sources that were not taken, with those refused earlier that have not changed."""


def ingest(
    capability: Capability, stores: Stores, as_of: datetime, executor: Executor = HERE
) -> Ingested:
    """Take in everything that is new in the capability's sources and in the interaction log.

    Rows of the future (event_time after `as_of`) are stored like all others: every view leaves
    them out until their time has come. A bad row goes to quarantine with its file, line, columns
    and reasons; one whose target is wrong is bad as a whole. A refused file leaves nothing
    behind, and is not tried again until it changes; the others go on.

    `executor` reads and converts what is much, files or stretches of the log, ahead of its turn;
    what is done with it, and in which order, is decided here and is the same wherever it was read.

    Several processes may ingest one capability at once. Raises ConfigError for a source that
    can't be asked, FileRefused where something was refused and nothing of the capability was ever
    taken, StoreError where a store, or the engine, is away.
    """
    feeds = _feeds(capability, stores)
    drain(stores.journal, stores.events)  # what a gateway has acknowledged and not carried on yet
    intake = Intake(capability, stores, as_of, executor)
    taken = {feed.name: intake.take(feed) for feed in intake.ordered(feeds)}
    counts = sum((one.counts for one in taken.values()), Counts())
    refused = tuple(refusal for one in taken.values() for refusal in one.refused.values())
    if refused and not counts.read and not intake.ever_took(feeds):
        raise FileRefused("\n".join(map(str, refused)))
    return Ingested(counts, {name: one.counts for name, one in taken.items()}, refused)


def _feeds(capability: Capability, stores: Stores) -> list[Feed]:
    """A feed for each source, in the file's order, then the log. Raises ConfigError."""
    problems: list[Problem] = []
    feeds: list[Feed] = []
    for source in capability.sources:
        feeds.append(
            FilesFeed(capability, source)
            if source.path
            else QueryFeed(capability, source, stores.source_reach)
        )
        try:
            feeds[-1].check()
        except ConfigError as error:
            problems += error.problems
        if source.name == NAME:
            message = f"{NAME} is the interaction log's own name: choose another"
            problems.append(Problem(f"{capability.name}.yaml", 0, "sources", message))
    if problems:
        raise ConfigError(problems)
    return [*feeds, LogFeed(capability, stores.events)]
