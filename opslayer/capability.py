"""What a file in `configs/capabilities/` may say. `opslayer.configuration` reads the files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal, NamedTuple, Self
from urllib.parse import SplitResult, urlsplit

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from opslayer.records import Terms, Value, digest_of

UNITS = {
    "ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"
}  # fmt: skip
LONGEST = timedelta(days=3660)
"""Ten years: a longer duration is a slip, and may leave the calendar when added to a date."""
MOST = 1_000_000_000
"""The bound of every count, so that none overflows where it is used."""


def parse_duration(text: object) -> timedelta:
    """`250ms`, `90s`, `30m`, `24h`, `7d` or `2w` as a timedelta; else a ValueError."""
    if isinstance(text, timedelta):
        return text
    match = re.fullmatch(r"([0-9]{1,9})(ms|[smhdw])", str(text))
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
    """A five-field cron expression in UTC, unchanged; ValueError for a day that never comes too."""
    expression = str(text)
    if len(expression.split()) != 5:
        raise ValueError('write five cron fields, as "0 6 * * *"')
    try:
        CronSim(expression, datetime(2000, 1, 1))
    except CronSimError as error:
        raise ValueError(f'write five cron fields, as "0 6 * * *" ({error})') from error
    return expression


BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")


def check_address(path: str) -> str:
    """A local path or an s3:// address, unchanged; no other scheme is ever opened."""
    if "://" in path and not path.startswith("s3://"):
        raise ValueError("write a local path, or an address that starts with s3://")
    if path.startswith("s3://") and not BUCKET.fullmatch(path[5:].partition("/")[0]):
        # An ARN, a user or a port would say another server than the machine's own settings do.
        raise ValueError("write the bucket's name alone after s3://, as s3://BUCKET/PREFIX")
    return path


def check_database_url(url: str) -> str:
    """An SQLAlchemy URL, unchanged."""
    if "://" not in url and not url.startswith("${"):
        raise ValueError("write an SQLAlchemy URL, as postgresql://host/database")
    return url


def check_base_url(url: str) -> str:
    """An http(s) address without credentials, query or fragment; no slash at its end."""
    parts = _http(url, "name the key's variable in api_key_env")
    if parts.query or parts.fragment or not url.isprintable() or " " in url:
        raise ValueError("write only host, port and path, as https://api.openai.com/v1")
    return url.rstrip("/")


def check_hook_url(url: str) -> str:
    """An http(s) address without credentials or fragment, unchanged."""
    parts = _http(url, "receivers know us by the signature instead")
    if parts.fragment or not url.isprintable() or " " in url or parts.port == 0:
        raise ValueError("write only host, port, path and query, as https://example.com/hooks/7")
    return url


def _http(url: str, instead: str) -> SplitResult:
    """The parts of an http(s) address without credentials, `instead` of which there is something
    else; ValueError for anything other."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("write an address that starts with http:// or https://")
    if parts.username or parts.password:
        raise ValueError(f"holds a user or password; {instead}")
    return parts


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
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]
"""The name of an environment variable that holds a secret; the secret never stands in a file."""


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


PREDICTORS = (Kind.CLASSIFICATION, Kind.REGRESSION)
"""The kinds that are always trained here; a chat or an image is where it says `training`."""


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


def twice(values: Sequence[str]) -> list[str]:
    """What occurs more than once, in alphabetical order."""
    return sorted({value for value in values if values.count(value) > 1})


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
            raise ValueError(f"choices has {', '.join(twice(self.choices))} twice")
        if "max_length" in self.model_fields_set and self.type.numeric:
            raise ValueError(f"max_length goes with text and category, not with {self.type}")
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
    matches: Annotated[str, Field(min_length=1)] | None = None
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
    accuracies: Literal["stated", "estimated"] = "stated"
    """How sure rules and models count: as their confidence states, or as often as they seem to be
    right by the tags known so far. Estimated, a label may change with tags of other rows."""


class Review(Section):
    """How people look at answers."""

    share_random: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Share of all rows that is drawn by chance, whatever the model says of them: the quality is
    estimated from these alone."""
    double: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Share of the rows that a second reviewer looks at too."""
    claim: PositiveDuration = timedelta(minutes=15)
    """How long a reviewer holds a row; then another one may be asked."""
    refresh: PositiveDuration = timedelta(minutes=10)
    """How old the queue's order may grow while somebody works on it."""
    pool: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    """Newest rows that the queue is made of, at most."""


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
    """When the Evidently page (4 MB each) is drawn: for every window, or where an alarm begins or a
    training is decided. Our own page and the scores are kept always."""


class Retention(Section):
    """How long what is kept may grow; where an age is left out, nothing is removed for it.

    `expire_data` removes what is older, within the hour of its runs, and nothing older is taken in
    again. Sources themselves, counts and what was decided stay as they are.
    """

    interactions: PositiveDuration | None = None
    """Calls and all that follows from them, from a call's event_time on: its entries in the log
    and the journal, feedback and reviews about it, its idempotency key, and in the lake its row,
    answer, tags, facets and its part in training sets. An older entry that came to no call goes
    by its own event_time."""
    rows: PositiveDuration | None = None
    """Rows of `sources`, from their event_time on, with their tags and their part in training
    sets; what was put into quarantine, from then on."""
    models: PositiveDuration | None = None
    """Files of model versions, from their training on; those that a release on duty, or the one
    before it, may ask stay, and so do those among which the policy chooses."""
    reports: PositiveDuration | None = None
    """Pages about windows and training sets, from when they were drawn. They hold figures and the
    names of declared levels, no texts."""

    @property
    def ages(self) -> dict[str, timedelta]:
        """By key, the ages that are given."""
        return {name: age for name, age in self if age is not None}


def written(duration: timedelta) -> str:
    """A duration as a file would say it, in the largest unit that is whole: `400d`, `36h`."""
    for unit in ("d", "h", "m", "s"):
        count, rest = divmod(duration, timedelta(**{UNITS[unit]: 1}))
        if not rest:
            return f"{count}{unit}"
    return f"{duration // timedelta(milliseconds=1)}ms"


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
    price: Annotated[float, Field(gt=0)] = 20
    """What one training costs, in errors (money per training / money per error)."""
    drop: Share = 0.05
    """`on-drop`: the loss above the reference that starts a training."""


class ReleaseRules(Section):
    """How a new version is brought to users."""

    canary: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Share of the subjects that try it first; 0 or 1 for no trial."""
    max_harm: Share = 0.05
    """Bad answers more in a hundred, as a share, from which a trial ends; and it has passed once
    that many more are excluded."""
    steps: tuple[Share, ...] = (0.25, 0.5)
    """Shares to which a trial is widened, one after the other; then it is the champion."""
    step: PositiveDuration = timedelta(hours=1)
    """How long each step lasts at least."""
    patience: PositiveDuration = timedelta(days=1)
    """After how long a step ends in which no harm was seen, although it could not be excluded."""


class Improve(Section):
    """How a chat's prompt is improved by what people said of its answers."""

    pool: Name | None = None
    """The upstreams that write proposals; without it, the file's other prompts are tried alone."""
    schedule: Cron | None = None
    """When it is tried; without it, when somebody asks."""
    proposals: Annotated[int, Field(ge=0, le=20)] = 3
    min_rated: Annotated[int, Field(ge=1, le=MOST)] = 30
    """Rated answers that candidates are held against, at least."""
    alpha: Share = 0.05


class ArmRules(Section):
    """One of what an experiment compares; what it leaves out stays as it is."""

    name: Name
    weight: Annotated[float, Field(gt=0, le=MOST)] = 1.0
    """Its share of the subjects, beside the other arms' weights."""
    model: Annotated[int, Field(ge=1, le=MOST)] | None = None
    """A registered version of the capability's model."""
    pool: Name | None = None
    """A pool of upstreams."""
    prompt: Name | None = None
    """A prompt, for the pool."""
    flow: Value | dict[str, Any] = None
    """What an application that asks for the flag is told; without it, the arm's name."""


class ExperimentRules(Terms):
    """An experiment that `opslayer experiment start` begins; its first arm is the control."""

    name: Name
    arms: Annotated[tuple[ArmRules, ...], Field(min_length=2, max_length=8)]


class GuardName(StrEnum):
    """The guards there are: a name that nothing runs would promise a check that never happens."""

    SHAPE = "shape"
    PII = "pii"
    INJECTION = "injection"
    CONTENT = "content"


class PiiKind(StrEnum):
    """Kinds of personal data that have a form by which they are found."""

    EMAIL = "email"
    PHONE = "phone"
    CARD = "card"
    IBAN = "iban"
    NATIONAL_ID = "national_id"
    NET_ADDRESS = "net_address"
    URL = "url"


class PiiRules(Section):
    """What the `pii` guard does with what it finds."""

    action: Literal["mask", "block"] = "mask"
    reversible: bool = False
    """Whether the reply gets the caller's own values back where the answer repeats a mask. Only
    inside the request: no store ever sees them."""
    kinds: Annotated[tuple[PiiKind, ...], Field(min_length=1)] = tuple(PiiKind)


class Guards(Section):
    """Guards by name, in order, and what they do."""

    input: tuple[GuardName, ...] = (GuardName.SHAPE,)
    output: tuple[GuardName, ...] = (GuardName.SHAPE,)
    unavailable: Literal["block", "pass"] = "block"
    """What becomes of a text that a guard could not look at."""
    hold_back: Annotated[int, Field(ge=64, le=4096)] = 256
    """Characters of a stream that wait until what follows them was looked at too."""
    pii: PiiRules = PiiRules()


class Price(Section):
    """What an upstream charges, in the budget's currency."""

    input: Annotated[float, Field(ge=0, le=MOST)] = 0.0
    """Per million tokens of the prompt."""
    output: Annotated[float, Field(ge=0, le=MOST)] = 0.0
    """Per million tokens of the answer."""
    image: Annotated[float, Field(ge=0, le=MOST)] = 0.0
    """Per image."""


class Timeouts(Section):
    """How long an upstream may take, stage by stage."""

    connect: PositiveDuration = timedelta(seconds=2)
    first_byte: PositiveDuration = timedelta(seconds=15)
    """From the request sent to the answer's first byte."""
    idle: PositiveDuration = timedelta(seconds=10)
    """Between two chunks of an answer."""
    total: PositiveDuration = timedelta(seconds=60)


class Upstream(Section):
    """One deployment of a model behind an OpenAI-compatible address."""

    name: Name
    base_url: Annotated[str, Field(max_length=1024), AfterValidator(check_base_url)]
    """As https://api.openai.com/v1: what stands before `/chat/completions`."""
    model: Annotated[str, Field(min_length=1, max_length=200, pattern=PRINTABLE)]
    """The model's name there."""
    pool: Name = "upstream"
    """Deployments of one pool are one variant, and the load is balanced among them."""
    api_key_env: Variable | None = None
    """The variable of its key."""
    weight: Annotated[float, Field(gt=0, le=MOST)] = 1.0
    price: Price = Price()
    timeouts: Timeouts = Timeouts()
    context: Annotated[int, Field(ge=1, le=MOST)] | None = None
    """Tokens that prompt and answer may have together, where that is known."""


class Prompt(Section):
    """A template of the instructions that stand before a conversation.

    `{{name}}` is replaced by the request's `metadata.name`; nothing else is special.
    """

    name: Name
    template: Annotated[str, Field(min_length=1, max_length=100_000)]
    defaults: dict[str, str] = Field(default_factory=dict)
    """What a placeholder says where the request does not."""


class HookEvent(StrEnum):
    """What a webhook may be told of; each is a verdict in the ledger."""

    ALARM = "alarm"
    HARM = "harm"
    RELEASE = "release"
    """Something else serves from now on, and it is no way back."""
    ROLLBACK = "rollback"
    EXPERIMENT = "experiment"
    """One ended, or its subjects are not shared out as they should be."""
    CANARY = "canary"
    """A trial was widened, passed or failed."""
    SHADOW = "shadow"
    """A shadow is better or worse than what serves."""


class Webhook(Section):
    """An address that is told what was decided about the capability."""

    name: Name
    url: Annotated[str, Field(max_length=1024), AfterValidator(check_hook_url)]
    secret_env: Variable
    """The variable of the secret that messages are signed with, `whsec_` and base64; several,
    with a space between, while one takes the other's place."""
    events: Annotated[tuple[HookEvent, ...], Field(min_length=1)] = tuple(HookEvent)


class AnswerRules(Section):
    """How an answer is made of what a model of our own says."""

    replies: dict[Choice, Annotated[str, Field(min_length=1, max_length=100_000)]] = Field(
        default_factory=dict
    )
    """For a trained chat: what to say for each intent."""
    unsure_below: Share | None = None
    """Probability of the likeliest class below which the next in the fallback chain answers."""
    deadline: PositiveDuration = timedelta(seconds=60)
    """How long a caller waits at most, all attempts together."""


class ImageRules(Section):
    """How numbers are made into a picture: `inputs` are its pixels, row by row."""

    width: Annotated[int, Field(ge=1, le=4096)]
    height: Annotated[int, Field(ge=1, le=4096)]
    levels: Annotated[float, Field(gt=0, le=MOST)] = 255
    """The value of a white pixel; 0 is black."""
    scale: Annotated[int, Field(ge=1, le=256)] = 1
    """Pixels of the PNG for each pixel of the model, along each side."""
    words: dict[Choice, tuple[Choice, ...]] = Field(default_factory=dict)
    """Words of a prompt that mean a class, beside the class's own name."""


class ConstantRule(Section):
    """The rule that can't fail."""

    constant: Value


class Fallback(Section):
    """One step of a fallback chain: the fixed rule, or a pool of upstreams."""

    rule: ConstantRule | None = None
    """The last resort."""
    pool: Name | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.rule is None) == (self.pool is None):
            raise ValueError("give either rule or pool")
        return self


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
    review: Review = Review()
    training: Training | None = None
    gate: Gate | None = None
    monitor: Monitor = Monitor()
    retention: Retention = Retention()
    retrain: Retrain = Retrain()
    release: ReleaseRules = ReleaseRules()
    guards: Guards = Guards()
    answer: AnswerRules = AnswerRules()
    image: ImageRules | None = None
    fallback: tuple[Literal["previous_release"] | Fallback, ...] = ("previous_release",)
    upstreams: tuple[Upstream, ...] = ()
    prompts: tuple[Prompt, ...] = ()
    experiments: tuple[ExperimentRules, ...] = ()
    improve: Improve = Improve()
    webhooks: Annotated[tuple[Webhook, ...], Field(max_length=32)] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        from opslayer.consistency import CHECKS

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
    def task(self) -> Kind:
        """What the loop learns: a chat's intents and an image's subjects are classes too."""
        return Kind.REGRESSION if self.kind is Kind.REGRESSION else Kind.CLASSIFICATION

    @property
    def predictor(self) -> bool:
        """Whether it is trained here, on labels of its own."""
        return self.training is not None

    @property
    def pools(self) -> tuple[str, ...]:
        """The pools of its upstreams, in the file's order."""
        return tuple(dict.fromkeys(upstream.pool for upstream in self.upstreams))

    @property
    def columns(self) -> tuple[str, ...]:
        """Input columns in the contract's order."""
        return tuple(self.inputs)

    @property
    def settings(self) -> str:
        """Digest of what is fitted, and how: equal for equal inputs, target and training."""
        assert self.training is not None
        inputs = [column.model_dump_json() for column in self.inputs.values()]
        return digest_of(self.training.model_dump_json(), self.target, *self.inputs, *inputs)

    def columns_of(self, *types: ColumnType) -> tuple[str, ...]:
        """Input columns of the given types, in the contract's order."""
        return tuple(name for name, column in self.inputs.items() if column.type in types)
