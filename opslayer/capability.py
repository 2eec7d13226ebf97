"""What a file in `configs/capabilities/` may say. `opslayer.configuration` reads the files."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal, NamedTuple, Self

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from opslayer.records import Value

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
LONGEST = timedelta(days=3660)
"""Ten years: a longer duration is a slip, and may leave the calendar when added to a date."""
MOST = 1_000_000_000
"""The bound of every count, so that none overflows where it is used."""


def parse_duration(text: object) -> timedelta:
    """`90s`, `30m`, `24h`, `7d` or `2w` as a timedelta; anything else is a ValueError."""
    if isinstance(text, timedelta):
        return text
    match = re.fullmatch(r"([0-9]{1,9})([smhdw])", str(text))
    if not match:
        raise ValueError("write a whole number and a unit: 90s, 30m, 24h, 7d, 2w")
    duration = timedelta(**{UNITS[match[2]]: int(match[1])})
    if duration > LONGEST:
        raise ValueError(f"must be at most {LONGEST.days}d")
    return duration


def parse_positive_duration(text: object) -> timedelta:
    """As `parse_duration`, and longer than nothing."""
    duration = parse_duration(text)
    if not duration:
        raise ValueError("must be longer than 0")
    return duration


def parse_cron(text: object) -> str:
    """A five-field cron expression in UTC, unchanged; ValueError for one that never comes."""
    expression = str(text)
    if len(expression.split()) != 5:
        raise ValueError('write five cron fields, as "0 6 * * *"')
    try:
        next(CronSim(expression, datetime(2000, 1, 1)))
    except CronSimError as error:
        raise ValueError(f'write five cron fields, as "0 6 * * *" ({error})') from error
    except StopIteration:
        raise ValueError("there is no such day, so it would never run") from None
    return expression


def check_address(path: str) -> str:
    """A local path or an s3:// address, unchanged; no other scheme is ever opened."""
    if "://" in path and not path.startswith("s3://"):
        raise ValueError("write a local path, or an address that starts with s3://")
    return path


def check_database_url(url: str) -> str:
    """An SQLAlchemy URL, unchanged."""
    if "://" not in url and not url.startswith("${"):
        raise ValueError("write an SQLAlchemy URL, as postgresql://host/database")
    return url


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
PositiveDuration = Annotated[timedelta, BeforeValidator(parse_positive_duration)]
Cron = Annotated[str, BeforeValidator(parse_cron)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=64)]
PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"
"""No control character, so that a name can't forge a line of a log or move a terminal's cursor."""
Column = Annotated[str, Field(min_length=1, max_length=128, pattern=PRINTABLE)]
Choice = Annotated[str, Field(min_length=1, max_length=10_000)]
Address = Annotated[
    str, Field(min_length=1, max_length=1024, pattern=PRINTABLE), AfterValidator(check_address)
]
DatabaseUrl = Annotated[str, Field(min_length=1), AfterValidator(check_database_url)]
Share = Annotated[float, Field(gt=0, lt=1)]


Place = tuple[str | int, ...]
"""Where in a file: keys and list positions, as ("gate", "slices", 1)."""


class Finding(NamedTuple):
    """What is wrong between sections: a place, and `what is wrong; what to do`."""

    place: Place
    message: str


def dotted(place: Place) -> str:
    """`gate.slices[1]` for ("gate", "slices", 1)."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return "".join(parts).removeprefix(".")


class CapabilityError(ValueError):
    """The sections of a capability contradict each other; `findings` holds every contradiction."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__("\n".join(f"{dotted(at)}: {message}" for at, message in findings))
        self.findings = tuple(findings)


class Kind(StrEnum):
    """What kind of AI function it is."""

    CLASSIFICATION = "classification"
    REGRESSION = "regression"
    CHAT = "chat"
    IMAGE = "image"


class ColumnType(StrEnum):
    """The type of an input column."""

    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    CATEGORY = "category"
    TEXT = "text"

    @property
    def numeric(self) -> bool:
        """Held as float64 in the lake and in training."""
        return self in (ColumnType.NUMBER, ColumnType.INTEGER, ColumnType.BOOLEAN)


class Section(BaseModel):
    """Immutable and closed: an unknown key is reported with the nearest right name."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Input(Section):
    """One input column of the contract with the application."""

    type: ColumnType
    min: float | None = None
    max: float | None = None
    choices: tuple[Choice, ...] | None = None
    """The values a category may have, as text: in a file `[1, 2]` means "1" and "2"."""
    missing: bool = False
    """Whether a value may be absent."""
    max_length: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """Characters, for text and category."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.min is not None or self.max is not None) and not self.type.numeric:
            raise ValueError(f"min and max go with numbers, not with {self.type}")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}")
        if self.choices is not None and self.type is not ColumnType.CATEGORY:
            raise ValueError(f"choices go with category, not with {self.type}")
        if self.choices is not None and not self.choices:
            raise ValueError("choices is empty: name at least one, or leave it out")
        if self.choices is not None and len(set(self.choices)) < len(self.choices):
            raise ValueError(f"choices has {', '.join(_twice(self.choices))} twice")
        return self


class Source(Section):
    """Where rows come from: files at `path` (local or s3://), or a SQL `query` at `url`."""

    name: Name
    path: Address | None = None
    """A file, a folder, or a pattern with `*`; `.csv`, `.csv.gz` or `.parquet`."""
    query: Annotated[str, Field(min_length=1)] | None = None
    url: DatabaseUrl | None = None
    """SQLAlchemy URL of the query's database; `${NAME}` is read from the environment."""
    cursor: Column | None = None
    """Column of the query that only grows; later runs read from its last value on."""
    event_time: Column
    known_time: Column | None = None
    """Column saying when the target became known; without it: event_time + labels.delay."""
    id: Column | None = None
    """Column that identifies a row; without it the row's content does."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.path is None) == (self.query is None):
            raise ValueError("give either path, or query with url and cursor")
        if self.query is not None and (self.url is None or self.cursor is None):
            raise ValueError("a query needs url and cursor")
        if self.path is not None and (self.url is not None or self.cursor is not None):
            raise ValueError("url and cursor go with query, not with path")
        return self


class Condition(Section):
    """Which rows a tag rule speaks of: one test on one input column."""

    column: Column
    matches: str | None = None
    """An RE2 pattern found anywhere in the text (linear time, whatever the text)."""
    equals: str | float | None = None
    above: float | None = None
    below: float | None = None

    @model_validator(mode="after")
    def _one_test(self) -> Self:
        tests = (self.matches, self.equals, self.above, self.below)
        if sum(test is not None for test in tests) != 1:
            raise ValueError("give exactly one of matches, equals, above, below")
        return self


class TagRule(Section):
    """A rule that tags every row for which `when` holds."""

    name: Name
    when: Condition
    value: str | float
    confidence: Share = 0.7


class Labels(Section):
    """How labels come to be."""

    delay: Duration = timedelta(0)
    """From a row's event_time to the moment its target is usually known."""
    rules: tuple[TagRule, ...] = ()


class Training(Section):
    """What is fitted: any scikit-learn estimator by its import path."""

    estimator: str
    params: dict[str, Any] = Field(default_factory=dict)
    serialization: Literal["skops", "cloudpickle"] = "skops"
    """`cloudpickle` lets loading the model run code: only for models nobody else can write."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0


class Metric(StrEnum):
    """What a model is judged by."""

    ACCURACY = "accuracy"
    F1 = "f1"
    LOG_LOSS = "log_loss"
    MAE = "mae"
    RMSE = "rmse"

    @property
    def higher_is_better(self) -> bool:
        """Accuracy and F1 rise with quality, losses and errors fall."""
        return self in (Metric.ACCURACY, Metric.F1)


METRICS = {
    Kind.CLASSIFICATION: (Metric.ACCURACY, Metric.F1, Metric.LOG_LOSS),
    Kind.REGRESSION: (Metric.MAE, Metric.RMSE),
}


class Gate(Section):
    """When a candidate may become champion."""

    metric: Metric
    alpha: Share = 0.05
    slices: tuple[Column, ...] = ()
    min_labels: Annotated[int, Field(ge=30, le=MOST)] = 500
    """Held-back labelled rows below which the gate answers "not enough labels"."""
    min_disagreements: Annotated[int, Field(ge=1, le=MOST)] = 30
    block: PositiveDuration = timedelta(days=1)
    """Rows of one block depend on each other and are judged together."""


class Monitor(Section):
    """How production is watched."""

    window: PositiveDuration = timedelta(days=7)
    schedule: Cron = "0 6 * * *"
    false_alarms_per_100_windows: Annotated[float, Field(gt=0, le=50)] = 1
    report: Literal["always", "on_alarm"] = "always"
    """When the Evidently page (4 MB each) is drawn; the scores are kept as JSON always."""


class Policy(StrEnum):
    """When to retrain."""

    NEVER = "never"
    ALWAYS = "always"
    EVERY_K = "every-k"
    ON_DROP = "on-drop"
    PAYS = "pays"


class Budget(Section):
    """At most `runs` trainings in any span of length `per`."""

    runs: Annotated[int, Field(ge=1, le=MOST)] = 8
    per: PositiveDuration = timedelta(days=30)


class Retrain(Section):
    """When to retrain, and how often at most, whoever asks."""

    policy: Policy = Policy.PAYS
    cooldown: Duration = timedelta(days=1)
    budget: Budget = Budget()
    every: Annotated[int, Field(ge=1, le=MOST)] = 5
    """Windows between scheduled trainings (`every-k` and `pays`)."""
    price: Annotated[float, Field(gt=0)] = 40
    """What one training costs, in errors (money per training / money per error)."""
    drop: Share = 0.05
    """`on-drop`: the loss above the reference that starts a training."""


class ReleaseRules(Section):
    """How a new version is brought to users."""

    canary: Annotated[float, Field(ge=0, le=1)] = 0.1
    max_harm: Share = 0.05


Guard = Literal["shape"]
"""The guards there are: a name that nothing runs would promise a check that never happens."""


class Guards(Section):
    """Guards by name, in order."""

    input: tuple[Guard, ...] = ("shape",)
    output: tuple[Guard, ...] = ("shape",)


class ConstantRule(Section):
    """The rule that can't fail."""

    constant: Value


class RuleFallback(Section):
    """The last resort in a fallback chain."""

    rule: ConstantRule


class Capability(Section):
    """One AI function an application calls, declared in `configs/capabilities/NAME.yaml`."""

    name: Name
    kind: Kind
    inputs: dict[Column, Input] = Field(default_factory=dict)
    target: Column | None = None
    classes: tuple[Choice, ...] | None = None
    """For classification: the only values a label may have, as text; without it any value is a
    class."""
    sources: tuple[Source, ...] = ()
    labels: Labels = Labels()
    training: Training | None = None
    gate: Gate | None = None
    monitor: Monitor = Monitor()
    retrain: Retrain = Retrain()
    release: ReleaseRules = ReleaseRules()
    guards: Guards = Guards()
    fallback: tuple[Literal["previous_release"] | RuleFallback, ...] = ("previous_release",)
    upstreams: tuple[dict[str, Any], ...] = ()
    prompts: tuple[dict[str, Any], ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        found = [finding for check in CHECKS for finding in check(self)]
        if found:
            raise CapabilityError(found)
        return self

    @property
    def metric(self) -> Metric:
        """The gate's metric."""
        assert self.gate is not None
        return self.gate.metric

    @property
    def columns(self) -> tuple[str, ...]:
        """Input columns in the contract's order."""
        return tuple(self.inputs)

    def columns_of(self, *types: ColumnType) -> tuple[str, ...]:
        """Input columns of the given types, in the contract's order."""
        return tuple(name for name, column in self.inputs.items() if column.type in types)


PREDICTORS = (Kind.CLASSIFICATION, Kind.REGRESSION)


def _predictor_is_whole(capability: Capability) -> list[Finding]:
    if capability.kind not in PREDICTORS:
        return []
    return [
        Finding((name,), f"is missing; a {capability.kind} capability needs it")
        for name in ("inputs", "target", "training", "gate")
        if not getattr(capability, name)
    ]


def _metric_fits_kind(capability: Capability) -> list[Finding]:
    if capability.gate is None or capability.kind not in PREDICTORS:
        return []
    fitting = METRICS[capability.kind]
    if capability.gate.metric in fitting:
        return []
    wrong = f"{capability.gate.metric} does not fit {capability.kind}"
    return [Finding(("gate", "metric"), f"{wrong}; use {', '.join(fitting)}")]


def _slices_are_inputs(capability: Capability) -> list[Finding]:
    slices = capability.gate.slices if capability.gate else ()
    return [
        Finding(("gate", "slices", index), _no_input(capability, name))
        for index, name in enumerate(slices)
        if name not in capability.inputs
    ]


def _rules_fit_inputs(capability: Capability) -> list[Finding]:
    return [
        Finding(("labels", "rules", index, "when"), wrong)
        for index, rule in enumerate(capability.labels.rules)
        if (wrong := _misfit(capability, rule.when))
    ]


def _misfit(capability: Capability, test: Condition) -> str | None:
    column = capability.inputs.get(test.column)
    if column is None:
        return _no_input(capability, test.column)
    of_text = test.matches is not None or isinstance(test.equals, str)
    if of_text and column.type.numeric:
        return f"{test.column} is {column.type}; compare it with a number"
    if not of_text and not column.type.numeric:
        return f"{test.column} is {column.type}; compare it with text, in quotes"
    if isinstance(test.equals, str) and column.choices and test.equals not in column.choices:
        return f"{test.equals} is no choice of {test.column}; use {', '.join(column.choices)}"
    return None


def _patterns_compile(capability: Capability) -> list[Finding]:
    return [
        Finding(("labels", "rules", index, "when", "matches"), f"is no RE2 pattern; {wrong}")
        for index, rule in enumerate(capability.labels.rules)
        if rule.when.matches is not None and (wrong := _re2_error(rule.when.matches))
    ]


def _re2_error(pattern: str) -> str | None:
    import pyarrow as pa
    from pyarrow import compute

    try:
        compute.match_substring_regex(pa.array([""]), pattern)
    except pa.ArrowInvalid as error:
        return str(error)
    return None


def _answers_fit_kind(capability: Capability) -> list[Finding]:
    """What rules and the fallback answer must be a value that the target can have."""
    if capability.kind not in PREDICTORS:
        return []
    answers: list[tuple[Place, Value]] = [
        (("labels", "rules", index, "value"), rule.value)
        for index, rule in enumerate(capability.labels.rules)
    ] + [
        (("fallback", index, "rule", "constant"), step.rule.constant)
        for index, step in enumerate(capability.fallback)
        if isinstance(step, RuleFallback)
    ]
    return [
        Finding(place, wrong)
        for place, value in answers
        if (wrong := _no_answer(capability, value))
    ]


def _no_answer(capability: Capability, value: Value) -> str | None:
    if capability.kind is Kind.REGRESSION:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return None if number else "a regression answers with a number; write one"
    if not isinstance(value, str):
        return "a classification answers with a class; write its name, in quotes"
    if capability.classes is not None and value not in capability.classes:
        return f"{value} is no class; use {', '.join(capability.classes)}"
    return None


def _classes_are_classes(capability: Capability) -> list[Finding]:
    if capability.classes is None:
        return []
    if capability.kind is not Kind.CLASSIFICATION:
        return [Finding(("classes",), f"goes with classification, not with {capability.kind}")]
    if len(set(capability.classes)) < len(capability.classes):
        return [Finding(("classes",), f"has {', '.join(_twice(capability.classes))} twice")]
    if len(capability.classes) < 2:
        return [Finding(("classes",), "must name at least two")]
    return []


def _target_is_no_input(capability: Capability) -> list[Finding]:
    if capability.target not in capability.inputs:
        return []
    wrong = f"{capability.target} is an input too, so every model would be told the answer"
    return [Finding(("target",), f"{wrong}; take it out of inputs")]


def _sources_differ(capability: Capability) -> list[Finding]:
    names = [source.name for source in capability.sources]
    return [
        Finding(("sources", index, "name"), f"{name} occurs twice; name each source differently")
        for index, name in enumerate(names)
        if name in names[:index]
    ]


def _no_input(capability: Capability, name: str) -> str:
    return f"{name} is no input; inputs are {', '.join(capability.inputs)}"


def _twice(values: tuple[str, ...]) -> list[str]:
    return sorted({value for value in values if values.count(value) > 1})


CHECKS: tuple[Callable[[Capability], list[Finding]], ...] = (
    _predictor_is_whole,
    _metric_fits_kind,
    _slices_are_inputs,
    _rules_fit_inputs,
    _patterns_compile,
    _answers_fit_kind,
    _classes_are_classes,
    _target_is_no_input,
    _sources_differ,
)
"""What one section says about another. `opslayer.configuration` turns places into lines."""
