"""Fixtures that more than one file needs: real stores in a temporary home, real data."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import backend
import once
import pytest
from hypothesis import settings

from opslayer.settings import DATABASE, Settings
from opslayer.stores import Stores

# A busy machine is no fault of the code: no example is timed.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# Set by whoever runs several workers: tables would be folded to it, and sentences with them.
os.environ.pop("COLUMNS", None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out, by name and with its reason, what is about SQLite or local folders themselves."""
    for item in items if backend.SERVER else ():
        if found := item.get_closest_marker("local_only"):
            item.add_marker(pytest.mark.skip(reason=f"local only: {found.args[0]}"))
        backend.take_few(getattr(item, "obj", None))


@pytest.fixture(scope="session", autouse=True)
def _made_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Where the run keeps what is made once: a worker's own folder lies in that of all."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    os.environ[once.FOLDER] = str(shared / "once")


@pytest.fixture(scope="session", autouse=True)
def _servers() -> Iterator[None]:
    """PostgreSQL and S3 for the whole session, where the tests run on them."""
    if not backend.SERVER:
        yield
        return
    with backend.servers():
        backend.use_servers(Settings)
        yield


@pytest.fixture(scope="module", autouse=True)
def _databases(_servers: None) -> Iterator[None]:
    """A file's databases go with it."""
    yield
    if backend.SERVER:
        backend.forget_all()


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    """Every store of a fresh installation in a temporary folder."""
    made = Stores.at(Settings(home=tmp_path / "home", configs=tmp_path / "configs"))
    if not backend.SERVER:
        backend.database_at(tmp_path / "home" / DATABASE)
    return made


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """The address of a scheduler with two worker processes of one thread each."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        yield cluster.scheduler_address


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the real data sets; tests that need it are skipped where it is absent."""
    near = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("OPSLAYER_DATA_DIR", near))
    if not folder.is_dir():
        pytest.skip(f"no data sets at {folder}: set OPSLAYER_DATA_DIR")
    return folder
