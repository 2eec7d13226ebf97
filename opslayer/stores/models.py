"""Models: trained pipelines, registered in MLflow, loaded only as they were registered.

`mlflow.sklearn.load_model` is never used: it runs what the file asks for, and takes the list of
trusted types from the file's own folder. `Models.load` checks the manifest of the ledger first and
then lets skops build the classes of our fixed list alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

from opslayer.errors import NotFound, StoreError, UntrustedModel
from opslayer.records import Version
from opslayer.stores.manifest import check_names, unseal
from opslayer.stores.registration import CAUSE, RECIPE, Registration
from opslayer.stores.run import (
    ASIDE,
    MODEL,
    Registered,
    clear_aside,
    discard_run,
    gone_already,
    local_path,
    write_run,
)
from opslayer.stores.tracking import answering, client, experiment, is_local
from opslayer.stores.trusted_types import TRUSTED

if TYPE_CHECKING:
    from mlflow.store.artifact.artifact_repo import ArtifactRepository
    from sklearn.pipeline import Pipeline

Serialization = Literal["skops", "cloudpickle"]

ALIAS = "champion"
SKOPS, PICKLE = "model.skops", "model.pkl"


@dataclass(frozen=True, slots=True)
class Models:
    """The address of the model registry, and the folder for the artefacts of our own runs."""

    tracking_uri: str
    root: str

    def register(self, registration: Registration) -> Registered:
        """Write one MLflow run with everything about a training, and register its model.

        Every call makes a run and a version of its own; `keep_only` clears away those of attempts
        that did not get into the ledger. Raises Refused for a model that skops could not load
        again from our list of types, StoreError where MLflow doesn't answer.
        """
        with answering(self.tracking_uri):
            where = self._experiment(registration.capability.name)
            return write_run(client(self.tracking_uri), where, registration, Path(self.root))

    def load(self, version: Version, serialization: Serialization = "skops") -> Pipeline:
        """The fitted pipeline of a version, once every one of its files is what was registered.

        A pickled model is loaded only with `serialization="cloudpickle"`, from the capability's
        file: unpickling runs what the file says. A process keeps the last 16 models it loaded, by
        manifest. Raises UntrustedModel, NotFound, or StoreError.
        """
        manifest = tuple(sorted(version.manifest.items()))
        return _load(self, version.capability, version.version, manifest, serialization)

    def contents(self, version: Version) -> dict[str, bytes]:
        """The files of a version, by path, every one as its manifest says.

        Raises UntrustedModel, NotFound, or StoreError.
        """
        return self._contents(version.capability, version.version, version.manifest)

    def set_champion(self, capability: str, version: int) -> None:
        """Let MLflow's alias `champion` name a version; NotFound where MLflow has none such."""
        with answering(self.tracking_uri):
            mlflow = client(self.tracking_uri)
            mlflow.set_registered_model_alias(capability, ALIAS, str(version))

    def champion(self, capability: str) -> int | None:
        """The version that MLflow's alias `champion` names, if any."""
        with suppress(NotFound), answering(self.tracking_uri):
            model = client(self.tracking_uri).get_registered_model(capability)
            return int(model.aliases[ALIAS]) if ALIAS in model.aliases else None
        return None

    def note(self, version: Version, name: str, document: Mapping[str, Any]) -> None:
        """Add a JSON document to a version's run; an earlier one of that name is replaced."""
        with answering(self.tracking_uri):
            client(self.tracking_uri).log_dict(version.run_id, dict(document), f"{name}.json")

    def keep_only(self, version: Version) -> None:
        """Clear away what other attempts at this version's training left: killed, or too late.

        To be called once the ledger has the version: it decides which attempt counts.
        """
        clear_aside(Path(self.root), version.cause, version.recipe)
        same = f"tags.`{CAUSE}` = '{version.cause}' and tags.`{RECIPE}` = '{version.recipe.value}'"
        with answering(self.tracking_uri):
            mlflow = client(self.tracking_uri)
            found = mlflow.search_model_versions(f"name = '{version.capability}' and {same}")
            for other in found:
                if int(other.version) != version.version:
                    with gone_already():
                        mlflow.delete_model_version(other.name, other.version)
            where = self._experiment(version.capability)
            for run in mlflow.search_runs([where], same):
                if run.info.run_id != version.run_id:
                    discard_run(mlflow, run, Path(self.root))

    def forget(self, version: Version) -> None:
        """Remove a version's files, its run and its registration; one that is gone stays gone."""
        with suppress(NotFound), answering(self.tracking_uri):
            mlflow = client(self.tracking_uri)
            mlflow.delete_model_version(version.capability, str(version.version))
        with suppress(NotFound), answering(self.tracking_uri):
            mlflow = client(self.tracking_uri)
            discard_run(mlflow, mlflow.get_run(version.run_id), Path(self.root))

    def _experiment(self, capability: str) -> str:
        """The id of the capability's experiment, whose artefacts lie below the root.

        MLflow never moves an experiment: in a home that was moved a second one carries on.
        """
        mlflow = client(self.tracking_uri)
        if not is_local(self.tracking_uri):
            return str(experiment(mlflow, capability, None).experiment_id)
        place = Path(self.root, capability)
        found = experiment(mlflow, capability, str(place))
        if local_path(found.artifact_location) != place:
            found = experiment(mlflow, f"{capability} in {self.root}", str(place))
        return str(found.experiment_id)

    def _contents(self, capability: str, number: int, manifest: Mapping[str, str]) -> _Files:
        """The bytes of a version's files, every one as its manifest says."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        with answering(self.tracking_uri):
            mlflow = client(self.tracking_uri)
            place = mlflow.get_model_version_download_uri(capability, str(number))
            folder = self._folder(place)
            if folder is not None:
                return unseal(folder, manifest)
            store = get_artifact_repository(place, self.tracking_uri, self.tracking_uri)
            check_names(manifest, _listed(store))
            aside = Path(self.root, ASIDE)
            aside.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(prefix="load-", dir=aside) as fetched:
                for name in manifest:
                    store.download_artifacts(name, fetched)
                return unseal(Path(fetched), manifest)

    def _folder(self, place: str) -> Path | None:
        """The local folder of a model; None for one that has to be fetched."""
        from mlflow.utils.uri import is_local_uri

        if not is_local_uri(place):
            return None
        folder = local_path(place)
        moved = Path(self.root, *folder.parts[-MODEL:])  # the home has moved since
        for path in (folder, moved):
            if path.is_dir():
                return path
        raise StoreError(f"the model's files are not at {folder}: restore them from a backup")


_Files = dict[str, bytes]


@lru_cache(maxsize=16)
def _load(
    models: Models,
    capability: str,
    number: int,
    manifest: tuple[tuple[str, str], ...],
    serialization: Serialization,
) -> Pipeline:
    try:
        contents = models._contents(capability, number, dict(manifest))
        return build(contents, serialization)
    except UntrustedModel as error:
        raise UntrustedModel(
            f"{capability}: model version {number} is not loaded: {error}. Restore its files from "
            "a backup, or train again"
        ) from error


def build(contents: _Files, serialization: Serialization) -> Pipeline:
    """The pipeline in a model's files, which were checked; raises UntrustedModel."""
    from sklearn.pipeline import Pipeline

    if SKOPS in contents:
        model = _from_skops(contents[SKOPS])
    elif PICKLE in contents and serialization == "cloudpickle":
        import cloudpickle  # type: ignore[import-untyped]

        model = cloudpickle.loads(contents[PICKLE])
    else:
        raise UntrustedModel(
            f"it is no skops file ({', '.join(sorted(contents))}), and the capability doesn't say "
            "training.serialization: cloudpickle"
        )
    if not isinstance(model, Pipeline):
        raise UntrustedModel(f"it holds no pipeline but a {type(model).__name__}")
    return model


def _from_skops(raw: bytes) -> object:
    """The object in a skops file, made of the types of our list alone."""
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        return skops.io.loads(raw, trusted=list(TRUSTED))
    except UntrustedTypesFoundException as error:
        raise UntrustedModel(
            f"it would build types that no model of ours holds: {error}"
        ) from error
    except Exception as error:  # a made-up file can break skops in any way
        raise UntrustedModel(f"it is no readable skops file ({type(error).__name__})") from error


def _listed(store: ArtifactRepository, below: str | None = None) -> list[str]:
    names: list[str] = []
    for item in store.list_artifacts(below):
        names.extend(_listed(store, item.path) if item.is_dir else [item.path])
    return names
