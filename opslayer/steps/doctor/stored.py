"""What the stores hold: the database, MLflow's alias, unfinished work, quarantine, clocks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from opslayer.capability import Capability, Webhook
from opslayer.errors import NotFound, UntrustedModel
from opslayer.steps.doctor.check import PATIENCE, Check, Finding, Health, Installation
from opslayer.stores.last_backup import last_backup
from opslayer.stores.ledger.batches import UNDER_WAY
from opslayer.stores.secret import FILE

DIRTY = 0.01
"""Share of rows in quarantine above which a person should look."""
SECRET_LENGTH = 32
"""Characters: 128 bits as hexadecimal, which no one can search."""
UNTOLD = timedelta(minutes=30)
"""For which a webhook may hear nothing of what it is to be told."""
STALE = timedelta(days=7)
"""Age from which a backup is too old: a week's answers are what people would miss."""
AT_HOME = ("database",)
"""What most checks need."""
DRIFT = timedelta(minutes=5)
"""By how much clocks of one installation may differ."""


def _database(installation: Installation) -> Iterator[Finding]:
    from sqlalchemy import exc

    from opslayer.stores.ledger.migrate import HEAD

    try:
        found = installation.schema
    except (exc.SQLAlchemyError, ImportError) as error:
        told = str(getattr(error, "orig", None) or error).strip().splitlines()
        message = f"the database does not answer: {told[0] if told else type(error).__name__}"
        way_out = "start the database, or correct OPSLAYER_DATABASE_URL"
        yield Finding("database", Health.FAILURE, message, way_out)
        return
    if found is not None and found > HEAD:
        message = f"the database has schema {found}, and this Opslayer knows schemas up to {HEAD}"
        way_out = "install the newer Opslayer again, or restore a backup from before it"
        yield Finding("database", Health.FAILURE, message, way_out)
    elif found is not None and found != HEAD:
        message = f"the database has schema {found}, and this Opslayer writes {HEAD}"
        yield Finding("database", Health.WARNING, message, "the next verb that writes upgrades it")


def _known(installation: Installation) -> list[Capability]:
    """The capabilities, once there is a ledger of this schema that may know them."""
    from opslayer.stores.ledger.migrate import HEAD

    return installation.capabilities if installation.schema == HEAD else []


def _alias(installation: Installation) -> Iterator[Finding]:
    for capability in _known(installation):
        release = installation.stores.ledger.releases.serving(capability.name)
        if release is None or release.champion.model_version is None:
            continue
        alias = installation.stores.models.champion(capability.name)
        if alias != release.champion.model_version:
            serves = f"release {release.number} serves version {release.champion.model_version}"
            found = f"{capability.name}: {serves}, and MLflow's champion is {alias or 'not set'}"
            way_out = f"opslayer run watch_production {capability.name}"
            yield Finding("alias", Health.WARNING, found, way_out)


def _lake(installation: Installation) -> Iterator[Finding]:
    from opslayer.stores.lake import Lake

    if "://" in installation.settings.lake:  # a folder is looked at as the data folder
        Lake(installation.settings.lake).examine(PATIENCE)
    yield from ()


def _registry(installation: Installation) -> Iterator[Finding]:
    from opslayer.stores.tracking import examine

    examine(installation.settings.tracking, PATIENCE)
    yield from ()


def _models(installation: Installation) -> Iterator[Finding]:
    for capability in _known(installation):
        ledger, name = installation.stores.ledger, capability.name
        release = ledger.releases.serving(name)
        for number in sorted(release.model_versions) if release else ():
            try:
                installation.stores.models.contents(ledger.versions.get(name, number))
            except (UntrustedModel, NotFound) as error:
                found = f"release {release.number} of {name}: {error}" if release else str(error)
                way_out = f'opslayer release rollback {name} --reason "…", or restore a backup'
                yield Finding("models", Health.FAILURE, found, way_out)


def _leases(installation: Installation) -> Iterator[Finding]:
    for capability in _known(installation):
        for row in installation.stores.ledger.causes.list(capability.name, "claimed"):
            if row.lease_until is None or row.lease_until >= installation.as_of:
                continue
            found = (
                f"{capability.name}: the retrain for cause {row.cause.id} was left by {row.owner}, "
                f"whose lease ended at {row.lease_until:%Y-%m-%d %H:%M} UTC"
            )
            retrain = f"opslayer run retrain_model {capability.name} cause={row.cause.id}"
            way_out = f"{retrain} (it is taken up where it was left)"
            yield Finding("leases", Health.WARNING, found, way_out)


def _batches(installation: Installation) -> Iterator[Finding]:
    for capability in _known(installation):
        ledger, name = installation.stores.ledger, capability.name
        newest = ledger.batches.newest(name)
        if newest is not None and newest.status in UNDER_WAY:
            found = (
                f"{name}: batch {newest.number} of source {newest.source} was begun and not done"
            )
            way_out = f"if no ingest runs now: opslayer run ingest_data {name} (it is finished)"
            yield Finding("batches", Health.WARNING, found, way_out)
        for source in capability.sources:
            last = ledger.batches.of(name, source.name)[-1:]
            if last and last[0].status == "refused":
                found = f"{name}: source {source.name}: {last[0].begin.get('file')} was refused"
                way_out = f"mend the file, then: opslayer run ingest_data {name}"
                reason = f"{found}: {last[0].reason}"
                yield Finding("batches", Health.WARNING, reason, way_out)


def _secret(installation: Installation) -> Iterator[Finding]:
    secret, kept = installation.settings.secret, installation.settings.root / FILE
    way_out = "set OPSLAYER_SECRET to the output of: openssl rand -hex 32"
    if secret is not None and len(secret.get_secret_value()) < SECRET_LENGTH:
        found = (
            f"OPSLAYER_SECRET has less than {SECRET_LENGTH} characters, so hashes can be guessed"
        )
        yield Finding("secret", Health.WARNING, found, way_out)
    if (
        secret is None
        and not kept.is_file()
        and any(_has_subjects(installation, one) for one in _known(installation))
    ):
        found = f"answers are kept for subjects, and what hides them is neither in {kept} nor set"
        way_out = "restore the file, or set OPSLAYER_SECRET to what it was when they were stored"
        yield Finding("secret", Health.FAILURE, found, way_out)


def _has_subjects(installation: Installation, capability: Capability) -> bool:
    batch = installation.stores.events.read(capability.name, {}, limit=1000)
    return any(getattr(event.record(), "subject", None) for event in batch.events)


def _quarantine(installation: Installation) -> Iterator[Finding]:
    for capability in installation.capabilities:
        kept, refused = (_count(installation, capability, name) for name in ("rows", "quarantine"))
        if refused > DIRTY * (kept + refused):
            share = refused / (kept + refused)
            found = f"{capability.name}: {refused:,} rows ({share:.1%}) are in quarantine"
            way_out = "look at the reasons: mend the source, or widen inputs in the capability"
            yield Finding("quarantine", Health.WARNING, found, way_out)


def _count(installation: Installation, capability: Capability, table: str) -> int:
    found = _ask(installation, capability, table, "count(*)")
    return int(found or 0)


def _ask(installation: Installation, capability: Capability, table: str, what: str) -> Any:
    """One value from a table of the lake; None where there is no such table, which stays so."""
    from deltalake import DeltaTable

    from opslayer.stores.lake import Lake

    lake = Lake(installation.settings.lake)
    if not DeltaTable.is_deltatable(lake.address(capability, table)):
        return None
    found = lake.query(capability, f"SELECT {what} AS found FROM {table}", [table])  # noqa: S608
    return found["found"][0].as_py()


def _clock(installation: Installation) -> Iterator[Finding]:
    ahead = _ahead_of_database(installation)
    if abs(ahead) > DRIFT:
        how = "ahead of" if ahead > timedelta(0) else "behind"
        found = f"this machine's clock is {str(abs(ahead)).split('.')[0]} {how} the database's"
        yield Finding("clock", Health.WARNING, found, "set both by the same time server")
    latest = installation.as_of + DRIFT
    for capability in _known(installation):
        for what, moment in _newest(installation, capability):
            if moment > latest:
                found = (
                    f"{capability.name}: {what} is dated {moment:%Y-%m-%d %H:%M} UTC, ahead of now"
                )
                way_out = "set this machine's clock, or the zone of the source's times, right"
                yield Finding("clock", Health.WARNING, found, way_out)


def _ahead_of_database(installation: Installation) -> timedelta:
    """By how much the clocks differ where the database has one of its own."""
    from sqlalchemy import text

    with installation.engine() as engine:
        if engine.dialect.name != "postgresql":
            return timedelta(0)
        with engine.connect() as connection:
            told = connection.scalar(text("SELECT clock_timestamp()"))
    assert isinstance(told, datetime)
    return installation.as_of - told


def _newest(installation: Installation, capability: Capability) -> Iterator[tuple[str, datetime]]:
    ledger = installation.stores.ledger
    release = ledger.releases.newest(capability.name)
    if release is not None:
        yield f"release {release.number}", release.at
    for verdict in ledger.verdicts.list(capability.name, limit=1):
        yield f"the verdict about {verdict.about}", verdict.at
    newest = _ask(installation, capability, "rows", "max(event_time)")
    if newest is not None:
        yield "the newest row", newest


def _webhooks(installation: Installation) -> Iterator[Finding]:
    for capability in _known(installation):
        for hook in capability.webhooks:
            wrong = _unsigned(installation, hook) or _untold(installation, capability, hook)
            if wrong:
                found = f"{capability.name}: webhook {hook.name} {wrong[0]}"
                yield Finding("webhooks", Health.WARNING, found, wrong[1])


def _unsigned(installation: Installation, hook: Webhook) -> tuple[str, str] | None:
    from opslayer.errors import Refused
    from opslayer.webhooks.signature import secrets_of

    try:
        secrets_of(hook.secret_env, installation.environment)
    except Refused as error:
        return f"has no secret to sign with: {error}", "set the variable where Opslayer is started"
    return None


def _untold(
    installation: Installation, capability: Capability, hook: Webhook
) -> tuple[str, str] | None:
    """What has kept a webhook from hearing anything for long, and the way out."""
    deliveries = installation.stores.ledger.deliveries
    resend = "opslayer webhooks resend ID (opslayer webhooks list shows them)"
    if deliveries.gone(capability.name, hook):
        return "has asked for no more (410)", f"take it out of the file, or {resend}"
    rows = deliveries.newest(capability.name, hook.name)
    heard = max(
        (row.tried for row in rows if row.tried and row.status == "delivered"), default=None
    )
    vain = [row for row in rows if row.status in ("waiting", "failed")]
    vain = [row for row in vain if heard is None or (row.tried or row.created) > heard]
    if not vain or min(row.created for row in vain) > installation.as_of - UNTOLD:
        return None
    since = f"{min(row.created for row in vain):%Y-%m-%d %H:%M} UTC"
    if not any(row.tried for row in vain):
        return f"waits since {since}, and nobody sends", "opslayer up, or opslayer webhooks send"
    last = max((row for row in vain if row.tried), key=lambda row: row.tried or row.created)
    why = last.reason or "whoever sent it was gone before the answer"
    return (
        f"has not taken what it is told since {since}: {why}",
        f"mend the receiver, then {resend}",
    )


def _backup(installation: Installation) -> Iterator[Finding]:
    """Worth saying once something has served for longer than may be lost."""
    since = [
        releases[0].at
        for capability in _known(installation)
        if (releases := installation.stores.ledger.releases.all(capability.name))
    ]
    oldest = installation.as_of - STALE
    if installation.settings.database_url or not since:
        return
    last = last_backup(installation.settings.root)
    if last is not None and last.taken >= oldest:
        message = f"the last backup was taken at {last.taken:%Y-%m-%d %H:%M} UTC: {last.file}"
        yield Finding("backup", Health.OK, message)
    elif last is not None or min(since) < oldest:
        what = (
            f"the last backup was taken at {last.taken:%Y-%m-%d %H:%M} UTC"
            if last
            else (f"there is no backup, and something serves since {min(since):%Y-%m-%d}")
        )
        yield Finding("backup", Health.WARNING, what, "opslayer backup --output FOLDER")


CHECKS = (
    Check("database", "the database answers, or is made at first use", _database),
    Check(
        "lake", "the lake answers", _lake,
        way_out="start the object store, or correct OPSLAYER_LAKE_URL and AWS_ENDPOINT_URL",
    ),
    Check(
        "registry", "MLflow's server answers, or its files do", _registry,
        way_out="start MLflow's server, or correct OPSLAYER_MLFLOW_URL",
    ),
    Check("alias", "MLflow's alias is what the ledger says", _alias, ("database", "registry")),
    Check(
        "models", "what serves is as it was registered", _models, ("database", "registry", "lake")
    ),
    Check("batches", "no ingest was left half done and no file was refused", _batches, AT_HOME),
    Check("secret", "what hides subjects is there, or no subject is known", _secret, AT_HOME),
    Check("leases", "no retrain was left half done", _leases, AT_HOME),
    Check("webhooks", "every webhook hears what it is told", _webhooks, AT_HOME),
    Check("quarantine", "few rows are in quarantine", _quarantine, ("data-folder", "lake")),
    Check("backup", "nothing has served for long enough to need a backup", _backup, AT_HOME),
    Check("clock", "nothing is dated in the future", _clock, ("database", "lake")),
)  # fmt: skip
