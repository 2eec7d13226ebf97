"""The frozen values that cross walls. Every time is timezone-aware UTC.

`event_time` says when a fact was true, `known_time` when we learnt it; any view "as known at T"
keeps the facts whose `known_time` is at or before T, so the order of arrival never changes it.
"""

from __future__ import annotations

from datetime import UTC
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Any, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

Time = Annotated[AwareDatetime, AfterValidator(lambda moment: moment.astimezone(UTC))]
Value = str | bool | int | float | None


class Record(BaseModel):
    """Immutable and closed: an unknown field is an error, not a surprise."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def trusted(cls, **values: Any) -> Self:
        """A record of every field's value, made by this process and of its type: none is looked at.

        For the way of each call. `model_construct`, which is for the same, goes through all fields
        one by one in Python, and took as long as all else that is done to keep a call. Raises
        TypeError where a field is left out.
        """
        if len(values) != len(cls.__pydantic_fields__):
            missing = ", ".join(sorted(cls.__pydantic_fields__.keys() - values.keys()))
            raise TypeError(f"{cls.__name__} has {missing}, too")
        made = cls.__new__(cls)
        for name, value in (
            ("__dict__", values),
            ("__pydantic_fields_set__", set(values)),
            ("__pydantic_extra__", None),
            ("__pydantic_private__", None),
        ):
            object.__setattr__(made, name, value)
        return made


class Role(StrEnum):
    """What a key may do. `admin` may do everything, the others what they say."""

    CALL = "call"
    FEEDBACK = "feedback"
    REVIEW = "review"
    RELEASE = "release"
    ERASE = "erase"
    ADMIN = "admin"


class Key(Record):
    """A key of the API, as it is kept: its hash, never itself."""

    id: str
    """Public: the key's first characters, by which lists and logs name it."""
    digest: str
    """SHA-256 of the key in hex; a key has 256 random bits, so no salt is needed."""
    name: str
    tenant: str
    roles: Annotated[tuple[Role, ...], Field(min_length=1)]
    created: Time
    expires: Time | None = None
    revoked: Time | None = None
    per_minute: Annotated[int, Field(ge=1)] | None = None
    """Calls in any minute, at most."""
    budget: Annotated[float, Field(gt=0)] | None = None
    """Money that its calls may cost in all."""


class Status(StrEnum):
    """How an interaction ended."""

    ANSWERED = "answered"
    REFUSED = "refused"
    """A guard, the upstream's safety, or the upstream's refusal of the request (400, 401, 403)."""
    FAILED = "failed"
    """Nothing in the chain could answer."""
    INCOMPLETE = "incomplete"
    """A stream that broke, or whose reader left, after its first byte."""
    ABANDONED = "abandoned"
    """The caller left before there was an answer."""


class Attempt(Record):
    """One variant, or one deployment of a pool, that was asked; it may have cost money in vain."""

    variant: str
    upstream: str | None = None
    """The deployment's name, for a pool."""
    outcome: str
    """`ok`, or the kind of failure: `outage`, `timeout`, `rate_limited`, `empty`, `malformed`,
    `schema`, `unsure`, `refused`, `cancelled`."""
    latency_ms: float = 0.0
    cost: float = 0.0


class Usage(Record):
    """Tokens that were paid for."""

    input: int = 0
    output: int = 0
    estimated: bool = False
    """Counted here from the text, since the upstream did not say."""


class Interaction(Record):
    """One answered call. `input` and `output` hold what guards left, never what they removed.

    Of a predictor, `input` has its input columns and `output` is `{"value": …}`, with
    `"probabilities": {class: p}` where it has them. Of a chat, `input` is `{"messages": [{role,
    content}, …]}` (and its input column, where it is trained), `output` `{"reply": …}`, with
    `value` and `probabilities` where a model of ours answered. Of an image, `input` is `{"prompt",
    "n"}` and `output` `{"images": [PNG in base64, …]}`.
    """

    id: str
    capability: str
    subject: str | None = None
    """The subject's keyed hash, never the subject."""
    event_time: Time
    input: dict[str, Any]
    output: dict[str, Any]
    variant: str
    """Who answered, or was asked last."""
    release: int
    assigned: str = ""
    """The variant that was the caller's by rule, share and experiment; another one answered where
    it could not. Empty where a guard refused the input before anybody was to be asked."""
    arms: dict[str, str] = Field(default_factory=dict)
    """By experiment, the arm that the subject was in: its exposure."""
    ruled: bool = False
    """Whether a rule picked the variant: such calls tell nothing about a share of all others."""
    guards: tuple[str, ...] = ()
    """One line for each guard that found something: `pii:input:masked:email=2`."""
    latency_ms: float = 0.0
    cost: float = 0.0
    """Of every attempt together."""
    tenant: str = ""
    status: Status = Status.ANSWERED
    fallback: str | None = None
    """The kind of failure for which a later variant of the chain answered."""
    attempts: tuple[Attempt, ...] = ()
    usage: Usage = Usage()
    stream: bool = False


class Start(Record):
    """A call that was begun: written before the first byte of a stream leaves.

    Without an interaction of the same id its outcome is unknown: the process was killed meanwhile.
    """

    id: str
    capability: str
    subject: str | None = None
    event_time: Time
    input: dict[str, Any]
    variant: str
    release: int
    tenant: str = ""


class Exposure(Record):
    """That a subject was told its arm of a user flow, apart from any answer."""

    id: str
    """Derived from what it says, so that the same exposure is kept once for each release."""
    capability: str
    subject: str
    event_time: Time
    arms: dict[str, str]
    release: int
    tenant: str = ""


class Shadow(Record):
    """What a variant would have answered, off the caller's path; never shown, its cost apart."""

    id: str
    """That of the interaction whose copy was answered."""
    capability: str
    event_time: Time
    variant: str
    release: int
    output: dict[str, Any]
    outcome: str = "ok"
    """`ok`, or the kind of failure."""
    latency_ms: float = 0.0
    cost: float = 0.0
    tenant: str = ""


class FeedbackKind(StrEnum):
    """What was said later about an interaction."""

    THUMB = "thumb"
    CORRECTION = "correction"
    TRUE_VALUE = "true_value"
    CLICK = "click"


class Feedback(Record):
    """Anything said later about an interaction by its id; the interaction may arrive after it."""

    id: str
    capability: str
    interaction_id: str
    kind: FeedbackKind
    value: Value
    event_time: Time
    known_time: Time
    by: str = "application"
    tenant: str = ""


class TagSource(StrEnum):
    """Who made a tag."""

    OUTCOME = "outcome"
    EXPERT = "expert"
    CROWD = "crowd"
    MODEL = "model"
    RULE = "rule"

    @property
    def rank(self) -> int:
        """A label is resolved among the tags of the highest rank alone (outcome wins)."""
        return {"outcome": 3, "expert": 2, "crowd": 1, "model": 0, "rule": 0}[self.value]


class Tag(Record):
    """A statement about one row: its target value, who says so and how surely (0 to 1)."""

    id: str
    row_id: str
    value: Value
    source: TagSource
    by: str
    confidence: Annotated[float, Field(gt=0, le=1)]
    event_time: Time
    known_time: Time
    supersedes: str | None = None


class Variant(Record):
    """One thing that can answer: a model version, a pool of upstreams with a prompt, or a rule."""

    name: str
    """`model-3` for version 3 of the capability's registered model, `constant` for the rule,
    `POOL` or `POOL-PROMPT-2` for a pool with version 2 of a prompt."""
    model_version: int | None = None
    pool: str | None = None
    prompt: str | None = None
    prompt_version: int | None = None
    weight: Annotated[float, Field(ge=0)] = 1.0


class Rule(Record):
    """Whom a variant is for, whatever the shares say: every test that is given has to hold."""

    variant: str
    """The name of one of the release's variants."""
    tenants: tuple[str, ...] = ()
    segment: dict[str, tuple[Value, ...]] = Field(default_factory=dict)
    """By input column or `metadata` name, the values that belong to it."""
    since: Time | None = None
    until: Time | None = None
    """First moment at which it no longer holds."""


class Canary(Record):
    """A variant on trial with a share of the subjects, beside everything else of a release."""

    variant: Variant
    share: Annotated[float, Field(gt=0, lt=1)]
    salt: str
    """Equal while the share is widened, so that who has it keeps it; of its own, so that one trial
    after another does not fall to the same subjects."""


class Arm(Record):
    """One of what an experiment compares: what it sets; all else is as without it."""

    name: str
    weight: Annotated[float, Field(gt=0)] = 1.0
    model_version: int | None = None
    pool: str | None = None
    prompt: str | None = None
    prompt_version: int | None = None
    flow: Value | dict[str, Any] = None
    """What an application that asks for the flag is told."""


class Measured(StrEnum):
    """What an experiment measures on its subjects."""

    THUMB = "thumb"
    """Share of thumbs up among those given."""
    CLICK = "click"
    """Share of answers that were clicked."""
    LABEL = "label"
    """Share of answers that were right; of numbers, how far off they were."""
    ERROR = "error"
    """Share of calls that the variant could not answer."""
    GUARD = "guard"
    """Share of answers in which a guard found something."""
    COST = "cost"
    """Money for a call."""
    LATENCY = "latency"
    """Milliseconds for a call."""


class Terms(Record):
    """What was settled before an experiment began, so that no result can have a say in it."""

    metric: Measured = Measured.THUMB
    guardrails: dict[Measured, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    """By measure, the harm that an arm may do to it, in its unit."""
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Chance of a false winner among equal arms, however often somebody looks."""
    smallest: Annotated[float, Field(ge=0)] = 0.0
    """The difference that matters, in the metric's unit; 0 for any."""
    most: Annotated[int, Field(ge=200, le=1_000_000_000)] = 100_000
    """Subjects after which it ends without a winner."""
    promote: bool = True
    """Whether the winner is released by itself; else a person decides."""
    bandit: bool = False
    """Whether shares follow results: fewer subjects get the worse arm, and no stated confidence
    says which one that is."""


class Experiment(Record):
    """A comparison of arms among a release's subjects; the first arm is the control."""

    name: str
    arms: Annotated[tuple[Arm, ...], Field(min_length=2)]
    since: Time
    by: str
    terms: Terms = Terms()

    def salt(self, capability: str) -> str:
        """Of its own, so that it is independent of releases and other experiments."""
        return f"{capability}/{self.name}/{self.since:%Y%m%dT%H%M%S%f}"


class Release(Record):
    """What serves a capability from a moment on. Number N+1 names N as its parent; 0 is "nothing".

    Of two releases that have started, the one with the greater number serves.
    """

    capability: str
    number: Annotated[int, Field(ge=1)]
    parent: Annotated[int, Field(ge=0)]
    at: Time
    """When it was decided."""
    by: str
    """`loop`, or the name of the person who decided."""
    reason: str
    variants: Annotated[tuple[Variant, ...], Field(min_length=1)]
    cause: str | None = None
    """A cause leads to one release at most."""
    evidence: tuple[str, ...] = ()
    """Ids of the verdicts it rests on."""
    starts: Time | None = None
    """From when it serves, by the wall clock; without it, at once."""
    rules: tuple[Rule, ...] = ()
    """The first one that holds picks the variant; the shares are for everybody else."""
    canary: Canary | None = None
    """What is on trial beside them."""
    shadow: Variant | None = None
    """Answers copies of the calls, which nobody gets to see."""
    experiments: tuple[Experiment, ...] = ()
    flows: dict[str, Arm] = Field(default_factory=dict)
    """By experiment that was decided, the arm by which its flag is told from then on."""

    @property
    def champion(self) -> Variant:
        """The variant with the most weight; the first of equals."""
        return max(self.variants, key=lambda variant: variant.weight)

    def variant(self, name: str) -> Variant | None:
        """The variant of this name; None where the release has none."""
        return next((one for one in self.variants if one.name == name), None)

    @property
    def model_versions(self) -> set[int]:
        """Every model version that somebody may be answered by, the shadow's too."""
        arms = [arm.model_version for one in self.experiments for arm in one.arms]
        beside = [self.shadow, self.canary.variant if self.canary else None]
        named = [one.model_version for one in (*self.variants, *beside) if one]
        return {number for number in (*named, *arms) if number is not None}


class Recipe(StrEnum):
    """Which labelled rows a snapshot holds."""

    ALL = "all"
    """All labelled history before the held-back rows."""
    LAST = "last"
    """The newest rows before the held-back ones, as many as the first training had."""
    EXAM = "exam"
    """The held-back rows: the newest whole blocks, which no model of this training saw."""


class Expired(Record):
    """What retention has taken from a snapshot."""

    rows: int
    """By now."""
    at: Time
    """When it last took some."""
    ages: dict[str, str]
    """What the capability's file said then, as `{"interactions": "400d"}`."""

    def __str__(self) -> str:
        said = ", ".join(f"{age} ({name})" for name, age in self.ages.items())
        return f"{self.rows:,} rows expired on {self.at:%Y-%m-%d} by retention of {said}"


class Snapshot(Record):
    """An immutable set of labelled rows, named by its content."""

    capability: str
    digest: str
    """SHA-256 over the rows' canonical bytes; see `opslayer.steps.snapshot`."""
    recipe: Recipe
    as_of: Time
    """Only labels with known_time <= as_of are in it."""
    since: Time
    """First event_time in it."""
    until: Time
    """First event_time after it: for a training snapshot the start of its exam."""
    rows: int
    columns: tuple[str, ...]
    """Input columns, in the order in which they are hashed and learnt from."""
    tables: dict[str, int] = Field(default_factory=dict)
    """By lake table, the Delta version that holds its rows; empty of one taken by an older code."""
    left: str | None = None
    """Digest of what erasures and retention have left of it, all that there is now; None while it
    is whole."""

    expired: Expired | None = None
    """What retention has taken from it; None where that is nothing."""

    @property
    def taken(self) -> int:
        """The rows it had when it was taken, but for those that were erased."""
        return self.rows + (self.expired.rows if self.expired else 0)


class Version(Record):
    """One trained and registered model version."""

    capability: str
    version: Annotated[int, Field(ge=1)]
    run_id: str
    """The MLflow run that trained it."""
    recipe: Recipe
    settings: str
    """`Capability.settings` as it was: what was fitted, and how."""
    snapshot: str
    """Digest of its training snapshot."""
    exam: str
    """Digest of the held-back snapshot it was judged on."""
    cut: Time
    """First event_time not in its training: rows from here on judge it fairly."""
    trained_at: Time
    cause: str
    manifest: dict[str, str]
    """SHA-256 of every file of the model, by path; checked before each load."""
    metrics: dict[str, float] = Field(default_factory=dict)


class Erasure(Record):
    """That a subject was erased: what was removed where, and which models had learnt from it."""

    id: str
    subject: str
    """The subject's keyed hash: nothing of it from before `at` is taken in again."""
    at: Time
    by: str
    reason: str
    done: bool = False
    """False as long as it was begun and not ended: asking again goes on from there."""
    capabilities: tuple[str, ...] = ()
    """Those that the subject had asked."""
    removed: dict[str, int] = Field(default_factory=dict)
    """By place, how many records or files were removed."""
    snapshots: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """By capability, the digests of the training and exam sets that held its rows."""
    models: dict[str, tuple[int, ...]] = Field(default_factory=dict)
    """By capability, the model versions that were trained on such a set."""
    forgotten: dict[str, tuple[int, ...]] = Field(default_factory=dict)
    """Of them, those whose files were removed after others had taken their place."""


class Topics(Record):
    """What a capability's callers write about, learnt from its log. Its tags are by
    `topic@number`."""

    capability: str
    number: Annotated[int, Field(ge=1)]
    at: Time
    calls: int
    """Logged when it was learnt: twice as many, and topics are learnt anew."""
    topics: dict[str, dict[str, float]] = Field(default_factory=dict)
    """By name, the weights of its words."""
    rarity: dict[str, float] = Field(default_factory=dict)
    """By word, its inverse document frequency."""
    people: dict[str, int] = Field(default_factory=dict)
    """By word, how many different people had used it, without those erased since."""
    forgotten: bool = False
    """Whether its words are gone, since an erasure left too few people who had used one."""

    @property
    def by(self) -> str:
        """What its tags are by."""
        return f"topic@{self.number}"


class Expiry(Record):
    """That what had grown too old for a capability's retention was removed."""

    id: str
    capability: str
    at: Time
    ages: dict[str, str]
    """By key of `retention`, what the capability's file said."""
    since: dict[str, Time]
    """By key, the first moment that was kept: what is older is gone, and not taken in again."""
    done: bool = False
    """False as long as it was begun and not ended: the next run goes on from there."""
    removed: dict[str, int] = Field(default_factory=dict)
    """By place, how many records or files were removed. Of one that was killed and carried on, rows
    and log entries are counted in full, the others may lack what went just before."""
    snapshots: tuple[str, ...] = ()
    """Digests of the training and exam sets that held such rows."""
    models: tuple[int, ...] = ()
    """The model versions that had learnt from them and whose files are kept."""
    forgotten: tuple[int, ...] = ()
    """The model versions whose files were removed."""


class VerdictKind(StrEnum):
    """What was judged."""

    INGEST = "ingest"
    VALIDATION = "validation"
    ALARM = "alarm"
    HARM = "harm"
    QUALITY = "quality"
    ESTIMATE = "estimate"
    """Quality without labels: it informs, and starts nothing."""
    POLICY = "policy"
    GATE = "gate"
    PROMOTION = "promotion"
    CANARY = "canary"
    EXPERIMENT = "experiment"
    SHADOW = "shadow"


class Verdict(Record):
    """The outcome of one judgement with every number it rests on.

    `about` says what was judged (a window's end, a snapshot digest); a second verdict of the same
    kind about the same thing is the same verdict, so that a step run twice judges once.
    """

    capability: str
    kind: VerdictKind
    about: str
    outcome: str
    """One word: `passed`, `failed`, `alarm`, `quiet`, `harm`, `no_harm`, `promote`, `wait`, …"""
    reason: str
    """One sentence for a person."""
    at: Time
    numbers: dict[str, Any] = Field(default_factory=dict)
    error_rate: float | None = None
    """The stated rate at which this outcome is wrong when nothing is, where one is stated."""
    cause: str | None = None

    @property
    def id(self) -> str:
        """Derived from what was judged, never from when or by which attempt."""
        return verdict_id(self.capability, self.kind, self.about)


def verdict_id(capability: str, kind: VerdictKind, about: str) -> str:
    """The id that a verdict about this has, or will have."""
    return digest_of(capability, kind, about)


class CauseKind(StrEnum):
    """Why a retrain runs."""

    HARM = "harm"
    SCHEDULE = "schedule"
    PERSON = "person"
    ERASURE = "erasure"
    """Somebody whose rows were learnt from was erased."""


class Cause(Record):
    """That for which a retrain runs: one run per cause, ever.

    `about` says what happened (the window, the policy's version, the training windows wanted),
    never an attempt, a wall-clock time or a schedule's id; so two deliveries are one cause.
    """

    capability: str
    kind: CauseKind
    about: str
    at: Time
    by: str = "loop"
    recipes: tuple[Recipe, ...] = (Recipe.ALL,)
    """The training snapshots to fit, one model each."""

    @property
    def id(self) -> str:
        """Equal for equal happenings."""
        return digest_of(self.capability, self.kind, self.about)


def digest_of(*parts: object) -> str:
    """A short content id: 16 hex digits of SHA-256 over the parts, unambiguously joined."""
    return sha256("\x1f".join(str(part) for part in parts).encode()).hexdigest()[:16]
