"""Where this machine keeps things: the `OPSLAYER_*` environment, read once at the edge.

Steps and stores never read the environment; they are handed `Stores`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from opslayer.reach import OWN, Network, Reach, parse_networks

SUPERVISOR = "OPSLAYER_SUPERVISOR"
"""The variable by which a process that is kept running knows who started it."""

Networks = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(parse_networks)]


def _scheduler(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("tcp", "tls") or not parts.hostname or "@" in parts.netloc:
        raise ValueError(
            "no address of a Dask scheduler: write tcp://HOST:8786, or leave it out to work in "
            "this process"
        )
    return url


EngineUrl = Annotated[str, AfterValidator(_scheduler)]
DATABASE, TRACKING, LAKE = "opslayer.db", "mlflow.db", "lake"
"""What lies in the data folder where no variable says otherwise."""


class Settings(BaseSettings):
    """The machine's settings. With nothing set: SQLite and folders under `./.opslayer`."""

    # An empty variable means "not set", as compose files and CI pass it.
    model_config = SettingsConfigDict(env_prefix="OPSLAYER_", env_ignore_empty=True, frozen=True)

    home: Path = Path(".opslayer")
    configs: Path = Path("configs")
    database_url: str | None = None
    lake_url: str | None = None
    mlflow_url: str | None = None
    engine_url: EngineUrl | None = None
    """The Dask scheduler on whose workers the batch half runs its independent pieces; unset, they
    run in this process."""
    secret: SecretStr | None = None
    admin_key: SecretStr | None = None
    upstream_networks: Networks = OWN
    """Where upstreams may be beside the open internet. Their addresses stand in files that only
    operators write, and models served in one's own network are the normal case, so this is open
    for private networks; `none` shuts them out."""
    webhook_networks: Networks = ()
    """Where webhooks may be beside the open internet. Nothing unless it is named: what receives
    them is mostly somebody else's, and decisions about it are made by whoever writes a file."""
    source_networks: Networks = OWN
    """Where the databases of sources may be beside the open internet. They mostly are in one's own
    network, so this is open for private ones; `none` shuts them out."""

    @property
    def root(self) -> Path:
        """The data folder as an absolute path."""
        return self.home.expanduser().resolve()

    @property
    def elsewhere(self) -> dict[str, str]:
        """The parts that a variable puts at an address of its own, each with that variable."""
        said = {"database": self.database_url, "lake": self.lake_url, "mlflow": self.mlflow_url}
        return {part: f"OPSLAYER_{part}_url".upper() for part, url in said.items() if url}

    @property
    def database(self) -> str:
        """The SQLAlchemy URL of the ledger and the interaction log."""
        return self.database_url or f"sqlite:///{self.root / DATABASE}"

    @property
    def lake(self) -> str:
        """The folder or `s3://` address below which every Delta table lies."""
        return self.lake_url or str(self.root / LAKE)

    @property
    def tracking(self) -> str:
        """The MLflow tracking and registry URI; its own database, never ours."""
        return self.mlflow_url or f"sqlite:///{self.root / TRACKING}"

    @property
    def upstream_reach(self) -> Reach:
        """Where upstreams may be."""
        return Reach(self.upstream_networks, "OPSLAYER_UPSTREAM_NETWORKS")

    @property
    def webhook_reach(self) -> Reach:
        """Where webhooks may be."""
        return Reach(self.webhook_networks, "OPSLAYER_WEBHOOK_NETWORKS")

    @property
    def source_reach(self) -> Reach:
        """Where the databases of sources may be."""
        return Reach(self.source_networks, "OPSLAYER_SOURCE_NETWORKS")
