"""One MLflow run per training: written whole, or marked as failed."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from opslayer.errors import Refused, StoreError
from opslayer.records import Recipe
from opslayer.stores.folder import remove_folder
from opslayer.stores.manifest import seal
from opslayer.stores.registration import (
    Registration,
    datasets,
    example,
    metrics,
    params,
    requirements,
    signature,
)
from opslayer.stores.trusted_types import TRUSTED

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel, ModelVersion, Run


MODEL, RUN = 4, 3
"""Parts of a place below the root: CAPABILITY/models/ID/artifacts, and CAPABILITY/RUN/artifacts."""
DELETED = "Current state is deleted"
"""What MLflow says of a run that is deleted, which has no code of its own."""
ASIDE = ".writing"
"""Not in the system's temporary folder: a model may hold words of its rows, and a killed training
leaves them where whoever erases looks."""


@dataclass(frozen=True, slots=True)
class Registered:
    """Where a model went, and what it must look like when it is loaded."""

    version: int
    run_id: str
    manifest: dict[str, str]


def write_run(
    client: MlflowClient, experiment: str, registration: Registration, root: Path
) -> Registered:
    """Log a training and register its model; the experiment is given by its id.

    The model is first written below `root`, in a folder that `clear_aside` removes. Raises
    Refused for a model that skops can't load again from our list of types.
    """
    with (
        _run(client, experiment, registration) as run,
        _model(client, run, registration, root) as model,
    ):
        manifest = _upload(client, registration, model, root)
        _describe(client, registration, run, model)
        version = _register(client, registration, model)
        client.set_terminated(run.info.run_id, "FINISHED")
    return Registered(int(version.version), run.info.run_id, manifest)


@contextmanager
def _run(client: MlflowClient, experiment: str, registration: Registration) -> Iterator[Run]:
    from mlflow.exceptions import MlflowException

    name = f"{registration.recipe.value} {registration.cause}"
    run = client.create_run(experiment, tags=registration.tags, run_name=name)
    try:
        yield run
    except BaseException:
        with suppress(MlflowException):  # what went wrong first is what should be read
            client.set_terminated(run.info.run_id, "FAILED")
        raise


@contextmanager
def _model(
    client: MlflowClient, run: Run, registration: Registration, root: Path
) -> Iterator[LoggedModel]:
    """A run's model, to be written; of a run that is deleted meanwhile nothing stays."""
    from mlflow.exceptions import MlflowException

    model = client.create_logged_model(
        run.info.experiment_id, "model", run.info.run_id, registration.tags, params(registration)
    )
    try:
        yield model
    except BaseException:
        with suppress(MlflowException, StoreError):  # what went wrong first should be read
            if client.get_run(run.info.run_id).info.lifecycle_stage == "deleted":
                _delete(client, model.artifact_location, (root, MODEL))
                _delete(client, run.info.artifact_uri, (root, RUN))
                with gone_already():
                    client.delete_logged_model(model.model_id)
        raise


def _upload(
    client: MlflowClient, registration: Registration, model: LoggedModel, root: Path
) -> dict[str, str]:
    """Save the model aside, seal it there, and only then hand its files to the store."""
    aside = Path(root, ASIDE)
    aside.mkdir(parents=True, exist_ok=True)
    prefix = _aside_name(registration.cause, registration.recipe)
    with TemporaryDirectory(prefix=prefix, dir=aside) as folder:
        path = Path(folder, "model")
        _save(path, registration, model)
        manifest = seal(path)
        client.log_model_artifacts(model.model_id, str(path))
    client.finalize_logged_model(model.model_id, "READY")
    return manifest


def clear_aside(root: Path, cause: str, recipe: Recipe) -> None:
    """Remove what killed trainings of a cause and recipe had begun to write."""
    for folder in Path(root, ASIDE).glob(f"{_aside_name(cause, recipe)}*"):
        shutil.rmtree(folder, ignore_errors=True)


def _aside_name(cause: str, recipe: Recipe) -> str:
    return f"{cause}-{recipe.value}-"


def _save(path: Path, registration: Registration, model: LoggedModel) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.models import Model
    from mlflow.sklearn import save_model

    training = registration.capability.training
    assert training is not None
    try:
        with _no_list_of_modules():
            save_model(
                registration.model,
                str(path),
                serialization_format=training.serialization,
                skops_trusted_types=list(TRUSTED),
                signature=signature(registration.capability),
                input_example=example(registration.capability),
                pip_requirements=requirements(registration.capability),
                mlflow_model=Model(
                    artifact_path=model.artifact_location,
                    model_uuid=model.model_id,
                    run_id=model.source_run_id,
                    model_id=model.model_id,
                ),
            )
    except MlflowException as error:
        raise Refused(
            f"{registration.capability.name}: {training.estimator} can't be kept in a file that "
            f"runs no code when it is loaded{_foreign(registration)}. Choose another estimator or "
            "parameters, or set training.serialization to cloudpickle where nobody else can "
            "write the model store"
        ) from error


@contextmanager
def _no_list_of_modules() -> Iterator[None]:
    """Keep MLflow from listing what every installed package brings, which takes a process half a
    second and more: it is for packages that are found under no name of theirs, and what our models
    name is found under its own."""
    from mlflow.utils import requirements_utils

    listed = requirements_utils._MODULES_TO_PACKAGES
    requirements_utils._MODULES_TO_PACKAGES = listed or {}
    try:
        yield
    finally:
        requirements_utils._MODULES_TO_PACKAGES = listed


def _foreign(registration: Registration) -> str:
    """The types in a model that are not on our list, where skops can name them."""
    import skops.io
    from skops.io.exceptions import UnsupportedTypeException

    try:
        found = skops.io.get_untrusted_types(data=skops.io.dumps(registration.model))
    except UnsupportedTypeException as error:
        return f" ({error})"
    foreign = sorted(set(found) - set(TRUSTED))
    return f" (it holds {', '.join(foreign)})" if foreign else ""


def _describe(
    client: MlflowClient, registration: Registration, run: Run, model: LoggedModel
) -> None:
    from mlflow.entities import LoggedModelOutput, Param

    run_id = run.info.run_id
    client.log_batch(
        run_id,
        metrics(registration, run_id=run_id, model_id=model.model_id),
        [Param(name, value) for name, value in params(registration).items()],
    )
    client.log_inputs(run_id, datasets(registration))
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a letter that the font lacks is drawn as a box
        for name, figure in registration.figures.items():
            client.log_figure(run_id, figure, f"{name}.png", save_kwargs={"dpi": 90})


def _register(client: MlflowClient, registration: Registration, model: LoggedModel) -> ModelVersion:
    from mlflow.exceptions import MlflowException

    name = registration.capability.name
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    return client.create_model_version(
        name,
        model.artifact_location,
        model.source_run_id,
        registration.tags,
        model_id=model.model_id,
    )


def discard_run(client: MlflowClient, run: Run, root: Path) -> None:
    """Delete a run that came to nothing, with the models and other files it stored; what another
    process has deleted meanwhile stays so.

    Of files of this machine, those below `root` alone: MLflow keeps the places of a home that was
    copied, and they are another one's.
    """
    where = f"source_run_id = '{run.info.run_id}'"
    for model in client.search_logged_models([run.info.experiment_id], where):
        _delete(client, model.artifact_location, (root, MODEL))
        with gone_already():
            client.delete_logged_model(model.model_id)
    if run.info.artifact_uri:
        _delete(client, run.info.artifact_uri, (root, RUN))
    with gone_already():
        if run.info.status == "RUNNING":
            client.set_terminated(run.info.run_id, "KILLED")
        client.delete_run(run.info.run_id)


@contextmanager
def gone_already() -> Iterator[None]:
    """Let what is to be deleted be deleted already, as MLflow says it."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        # A run that is deleted is no missing one: it may be had back, and can't be changed.
        deleted = error.error_code == "INVALID_PARAMETER_VALUE" and DELETED in str(error.message)
        if not deleted and error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise


def _delete(client: MlflowClient, place: str, below: tuple[Path, int]) -> None:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
    from mlflow.utils.uri import is_local_uri

    if not is_local_uri(place):
        get_artifact_repository(place, client.tracking_uri).delete_artifacts()
        return
    root, layout = below
    path = local_path(place)
    remove_folder(path if path.is_relative_to(root) else Path(root, *path.parts[-layout:]))


def local_path(uri: str) -> Path:
    """The path that a local address of MLflow's means."""
    from mlflow.utils.file_utils import local_file_uri_to_path

    return Path(local_file_uri_to_path(uri))
