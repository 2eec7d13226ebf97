"""The estimator that a capability file names: found by its import path, its parameters checked."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.utils import all_estimators, get_tags
from sklearn.utils._param_validation import InvalidParameterError, validate_parameter_constraints

from opslayer.capability import Capability, Kind, Training
from opslayer.errors import ConfigError, Problem

WANTED = {Kind.CLASSIFICATION: "classifier", Kind.REGRESSION: "regressor"}
NESTED = {"estimator", "params"}
"""A parameter that is itself an estimator is written as `{estimator: path, params: {…}}`."""


def check_estimator_path(training: Training, kind: Kind | None = None) -> list[str]:
    """Everything wrong with `training.estimator` and `training.params`, as `field: message`.

    Imports the module that holds the estimator; with `kind`, a regressor for classification (or
    the reverse) is named too. Empty where the estimator can be made.
    """
    return _assemble(training, kind)[1]


def make_estimator(capability: Capability) -> BaseEstimator:
    """The unfitted estimator, its randomness fixed by `training.seed`.

    `random_state` is set wherever it occurs, nested estimators included, unless the file sets it.
    Raises ConfigError with every problem at once.
    """
    assert capability.training is not None
    made, problems = _assemble(capability.training, capability.task)
    if problems:
        raise ConfigError([_problem(capability, sentence) for sentence in problems])
    states = {
        name: capability.training.seed
        for name, value in made.get_params(deep=True).items()
        if name.split("__")[-1] == "random_state" and value is None
    }
    return made.set_params(**states)


def _problem(capability: Capability, sentence: str) -> Problem:
    place, _, message = sentence.partition(": ")
    # The file's reader has checked this with line numbers; here only the file is known.
    return Problem(f"capabilities/{capability.name}.yaml", 1, place, message)


def _assemble(training: Training, kind: Kind | None) -> tuple[Any, list[str]]:
    assembly = _Assembly(
        training.serialization == "cloudpickle", WANTED.get(kind) if kind else None
    )
    made = assembly.estimator("training", training.estimator, training.params)
    if made is not None:
        assembly.check_kind(made, training.estimator)
    return made, assembly.problems


@dataclass
class _Assembly:
    """One estimator being put together, and what was wrong on the way."""

    anywhere: bool
    """Whether estimators of other packages than scikit-learn may be imported."""
    wanted: str | None
    """`classifier` or `regressor`, where it matters."""
    problems: list[str] = field(default_factory=list)

    def estimator(self, place: str, path: str, params: Mapping[str, Any]) -> Any:
        """The estimator at an import path; None where a problem was found."""
        before = len(self.problems)
        found = self._find(f"{place}.estimator", path)
        if found is None:
            return None
        known = inspect.signature(found).parameters
        given = {
            name: self._value(f"{place}.params.{name}", value)
            for name, value in params.items()
            if self._known(f"{place}.params", name, found)
        }
        needed = (name for name, parameter in known.items() if parameter.default is parameter.empty)
        for name in sorted(set(needed) - set(given) - {"args", "kwargs"}):
            self.problems.append(f"{place}.params.{name}: {found.__name__} needs it")
        if len(self.problems) > before:
            return None
        made = found(**given)
        self._check_values(f"{place}.params", made)
        return made if len(self.problems) == before else None

    def check_kind(self, made: BaseEstimator, path: str) -> None:
        """Whether the estimator answers what the capability asks."""
        found = get_tags(made).estimator_type
        if self.wanted and found != self.wanted:
            what = f"a {found}" if found else "neither a classifier nor a regressor"
            self.problems.append(
                f"training.estimator: {path} is {what}, and this capability needs a {self.wanted}"
            )

    def _find(self, place: str, path: str) -> Any:
        if not path.startswith("sklearn.") and not self.anywhere:
            self.problems.append(
                f"{place}: {path} is not of scikit-learn{_nearest(path, self.wanted)}; other "
                "packages need serialization: cloudpickle"
            )
            return None
        found = _imported(path)
        if found is None:
            self.problems.append(
                f"{place}: there is no estimator {path}{_nearest(path, self.wanted)}"
            )
        return found

    def _known(self, place: str, name: str, found: type) -> bool:
        known = inspect.signature(found).parameters
        if name in known:
            return True
        near = get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"it takes {', '.join(known) or 'none'}"
        self.problems.append(f"{place}.{name}: {found.__name__} has no such parameter: {hint}")
        return False

    def _value(self, place: str, value: Any) -> Any:
        if isinstance(value, Mapping) and "estimator" in value and set(value) <= NESTED:
            return self.estimator(place, str(value["estimator"]), value.get("params") or {})
        if isinstance(value, Mapping):
            return {key: self._value(f"{place}.{key}", item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._value(f"{place}.{n}", item) for n, item in enumerate(value)]
        return value

    def _check_values(self, place: str, made: BaseEstimator) -> None:
        constraints = getattr(made, "_parameter_constraints", {})
        for name, value in made.get_params(deep=False).items():
            try:
                validate_parameter_constraints(
                    {name: constraints.get(name, "no_validation")},
                    {name: value},
                    type(made).__name__,
                )
            except InvalidParameterError as error:
                self.problems.append(f"{place}.{name}: {error}")


def _imported(path: str) -> Any:
    """The estimator class at a public import path; None where there is none."""
    module, _, name = path.rpartition(".")
    if not module or any(part.startswith("_") or part == "tests" for part in path.split(".")):
        return None
    try:
        found = getattr(import_module(module), name, None)
    except Exception:  # a module may raise anything while it is imported
        return None
    fits = (
        isinstance(found, type) and issubclass(found, BaseEstimator) and hasattr(found, "predict")
    )
    return found if fits else None


def _nearest(path: str, wanted: str | None) -> str:
    """`: did you mean …?` with the scikit-learn estimator whose name is the most alike."""
    kinds = [wanted] if wanted else ["classifier", "regressor"]
    paths = {name: _public_path(found) for name, found in all_estimators(kinds)}
    lower = {name.lower(): name for name in paths}
    near = get_close_matches(path.rpartition(".")[2].lower(), lower, n=1, cutoff=0.5)
    return f": did you mean {paths[lower[near[0]]]}?" if near else ""


def _public_path(found: type) -> str:
    parts = found.__module__.split(".")
    private = next((n for n, part in enumerate(parts) if part.startswith("_")), len(parts))
    return ".".join([*parts[:private], found.__name__])
