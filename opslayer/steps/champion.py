"""Who serves a capability now, as a version that can be loaded."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from opslayer.capability import Capability
from opslayer.records import Version
from opslayer.stores import Stores
from opslayer.windows import window_index

if TYPE_CHECKING:
    from opslayer.judgement.policy import Member


def champion(capability: Capability, stores: Stores) -> Version | None:
    """The serving release's champion; None before the first one or for a constant rule."""
    release = stores.ledger.releases.serving(capability.name)
    if release is None or release.champion.model_version is None:
        return None
    return stores.ledger.versions.get(capability.name, release.champion.model_version)


def first_window_after(cut: datetime, width: timedelta) -> int:
    """The first whole window that holds no row from before `cut`: the first that judges fairly."""
    return window_index(cut - timedelta(microseconds=1), width) + 1


def member(capability: Capability, version: Version) -> Member:
    """A version as the policy knows it."""
    from opslayer.judgement.policy import Member

    cut = first_window_after(version.cut, capability.monitor.window)
    return Member(version.version, version.recipe.value, cut)  # type: ignore[arg-type]
