"""What the stores hold: the database, MLflow's alias, unfinished work, quarantine, clocks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from opslayer.capability import Capability
from opslayer.steps.doctor.check import Check, Finding, Health, Installation

PATIENCE = 5
"""Seconds to wait for a database server."""
DIRTY = 0.01
"""Share of rows in quarantine above which a person should look."""
DRIFT = timedelta(minutes=5)
"""By how much clocks of one installation may differ."""


def _database(installation: Installation) -> Iterator[Finding]:
    """Looked at without opening our stores: those would make or upgrade the schema."""
    from sqlalchemy import create_engine, exc, make_url, text

    from opslayer.stores.ledger.migrate import HEAD, version

    try:
        url = make_url(installation.settings.database)
        if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
            return
        patience = {"connect_timeout": PATIENCE} if url.get_backend_name() == "postgresql" else {}
        engine = create_engine(url, connect_args=patience)
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
        found = version(engine)
        engine.dispose()
    except (exc.SQLAlchemyError, ImportError) as error:
        yield Finding("database", Health.FAILURE, _unreachable(error), DATABASE_WAY_OUT)
        return
    yield from _schema(found, HEAD)


DATABASE_WAY_OUT = "start the database, or correct OPSLAYER_DATABASE_URL"


def _unreachable(error: Exception) -> str:
    told = str(getattr(error, "orig", None) or error).strip().splitlines()
    return f"the database does not answer: {told[0] if told else type(error).__name__}"


def _schema(found: str | None, head: str) -> Iterator[Finding]:
    if found is not None and found > head:
        message = f"the database has schema {found}, and this Opslayer knows schemas up to {head}"
        way_out = "install the newer Opslayer again, or restore a backup from before it"
        yield Finding("database", Health.FAILURE, message, way_out)
    elif found is not None and found != head:
        message = f"the database has schema {found}, and this Opslayer writes {head}"
        yield Finding("database", Health.WARNING, message, "the next verb that writes upgrades it")


def _has_ledger(installation: Installation) -> bool:
    """Whether anything was ever stored; a doctor makes no database."""
    url = installation.settings.database
    return not url.startswith("sqlite:///") or Path(url.removeprefix("sqlite:///")).exists()


def _alias(installation: Installation) -> Iterator[Finding]:
    for capability in _known(installation):
        release = installation.stores.ledger.releases.newest(capability.name)
        if release is None or release.champion.model_version is None:
            continue
        alias = installation.stores.models.champion(capability.name)
        if alias != release.champion.model_version:
            serves = f"release {release.number} serves version {release.champion.model_version}"
            found = f"{capability.name}: {serves}, and MLflow's champion is {alias or 'not set'}"
            way_out = f"opslayer run watch_production {capability.name}"
            yield Finding("alias", Health.WARNING, found, way_out)


def _known(installation: Installation) -> list[Capability]:
    return installation.capabilities if _has_ledger(installation) else []


def _leases(installation: Installation) -> Iterator[Finding]:
    for capability in _known(installation):
        for row in installation.stores.ledger.causes.list(capability.name, "claimed"):
            if row.lease_until is None or row.lease_until >= installation.as_of:
                continue
            found = (
                f"{capability.name}: the retrain for cause {row.cause.id} was left by {row.owner}, "
                f"whose lease ended at {row.lease_until:%Y-%m-%d %H:%M} UTC"
            )
            way_out = f"opslayer run watch_production {capability.name} (it is taken up again)"
            yield Finding("leases", Health.WARNING, found, way_out)


def _quarantine(installation: Installation) -> Iterator[Finding]:
    for capability in installation.capabilities:
        kept, refused = (_count(installation, capability, name) for name in ("rows", "quarantine"))
        if refused > DIRTY * (kept + refused):
            share = refused / (kept + refused)
            found = f"{capability.name}: {refused:,} rows ({share:.1%}) are in quarantine"
            way_out = "look at the reasons: mend the source, or widen inputs in the capability"
            yield Finding("quarantine", Health.WARNING, found, way_out)


def _count(installation: Installation, capability: Capability, table: str) -> int:
    from deltalake import DeltaTable

    lake = installation.stores.lake
    if not DeltaTable.is_deltatable(lake.address(capability, table)):
        return 0
    counted = lake.query(capability, f"SELECT count(*) AS n FROM {table}", [table])  # noqa: S608
    return int(counted["n"][0].as_py())


def _clock(installation: Installation) -> Iterator[Finding]:
    latest = installation.as_of + DRIFT
    for capability in _known(installation):
        for what, moment in _newest(installation, capability):
            if moment > latest:
                found = (
                    f"{capability.name}: {what} is dated {moment:%Y-%m-%d %H:%M} UTC, ahead of now"
                )
                way_out = "set this machine's clock, or the zone of the source's times, right"
                yield Finding("clock", Health.WARNING, found, way_out)


def _newest(installation: Installation, capability: Capability) -> Iterator[tuple[str, datetime]]:
    ledger = installation.stores.ledger
    release = ledger.releases.newest(capability.name)
    if release is not None:
        yield f"release {release.number}", release.at
    for verdict in ledger.verdicts.list(capability.name, limit=1):
        yield f"the verdict about {verdict.about}", verdict.at


CHECKS = (
    Check("database", "the database answers, or is made at first use", _database),
    Check("alias", "MLflow's alias is what the ledger says", _alias, needs="database"),
    Check("leases", "no retrain was left half done", _leases, needs="database"),
    Check("quarantine", "few rows are in quarantine", _quarantine, needs="data-folder"),
    Check("clock", "nothing is dated in the future", _clock, needs="database"),
)
