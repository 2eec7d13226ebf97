"""What the sections of a capability may not say against each other."""

from __future__ import annotations

from collections.abc import Callable

from opslayer.capability import (
    METRICS,
    PREDICTORS,
    Capability,
    ColumnType,
    Condition,
    Fallback,
    Finding,
    Kind,
    Place,
    twice,
    written,
)
from opslayer.records import Value


def _predictor_is_whole(capability: Capability) -> list[Finding]:
    if capability.kind not in PREDICTORS and not capability.predictor:
        return []
    whose = f"a {capability.kind} capability"
    if capability.kind not in PREDICTORS:
        whose += " with training"
    return [
        Finding((name,), f"is missing; {whose} needs it")
        for name in ("inputs", "target", "training", "gate")
        if not getattr(capability, name)
    ]


def _something_answers(capability: Capability) -> list[Finding]:
    if capability.predictor or capability.upstreams or capability.kind in PREDICTORS:
        return []
    either = "is missing, and so is training; one of them has to answer"
    return [Finding(("upstreams",), either)]


def _chat_reads_a_text(capability: Capability) -> list[Finding]:
    if capability.kind is not Kind.CHAT or not capability.predictor:
        return []
    found = []
    if len(capability.columns_of(ColumnType.TEXT)) != 1 or len(capability.inputs) != 1:
        found.append(
            Finding(("inputs",), "must be one column of type text: what the user said last")
        )
    if not capability.answer.replies:
        found.append(Finding(("answer", "replies"), "is missing; write what to say for each class"))
    elif capability.classes is not None:
        found += [
            Finding(("answer", "replies"), f"says nothing for class {name}; write a reply")
            for name in capability.classes
            if name not in capability.answer.replies
        ]
    return found


def _image_has_pixels(capability: Capability) -> list[Finding]:
    rules = capability.image
    if capability.kind is not Kind.IMAGE:
        return [Finding(("image",), f"goes with image, not with {capability.kind}")] * bool(rules)
    if not capability.predictor:
        return []
    if rules is None:
        return [Finding(("image",), "is missing; say how wide and high a picture is")]
    found = []
    if rules.width * rules.height != len(capability.inputs):
        pixels = f"{rules.width} x {rules.height} pixels and {len(capability.inputs)} inputs"
        found.append(Finding(("image",), f"says {pixels}; name one input for each pixel"))
    if capability.classes is None:
        found.append(Finding(("classes",), "is missing; name what can be drawn"))
    return found


def _words_mean_classes(capability: Capability) -> list[Finding]:
    if capability.classes is None:
        return []
    named: dict[Place, list[str]] = {
        ("answer", "replies"): list(capability.answer.replies),
        ("image", "words"): list(capability.image.words) if capability.image else [],
    }
    return [
        Finding((*place, name), f"is no class; use {', '.join(capability.classes)}")
        for place, names in named.items()
        for name in names
        if name not in capability.classes
    ]


def _fallback_pools_exist(capability: Capability) -> list[Finding]:
    return [
        Finding(
            ("fallback", index, "pool"),
            f"{step.pool} is no pool of upstreams; {_pools(capability)}",
        )
        for index, step in enumerate(capability.fallback)
        if isinstance(step, Fallback) and step.pool and step.pool not in capability.pools
    ]


def _pools(capability: Capability) -> str:
    there = ", ".join(capability.pools)
    return f"use {there}" if there else "declare it under upstreams"


def _arms_can_be_had(capability: Capability) -> list[Finding]:
    prompts = {prompt.name for prompt in capability.prompts}
    found = []
    for place, experiment in enumerate(capability.experiments):
        for index, arm in enumerate(experiment.arms):
            where: Place = ("experiments", place, "arms", index)
            if arm.pool and arm.pool not in capability.pools:
                no_pool = f"{arm.pool} is no pool of upstreams; {_pools(capability)}"
                found.append(Finding((*where, "pool"), no_pool))
            if arm.prompt and arm.prompt not in prompts:
                there = f"use {', '.join(prompts)}" if prompts else "declare it under prompts"
                found.append(Finding((*where, "prompt"), f"{arm.prompt} is no prompt; {there}"))
            if arm.model and (arm.pool or arm.prompt):
                both = "goes with neither pool nor prompt; a model of ours has none"
                found.append(Finding((*where, "model"), both))
            if arm.model and not capability.predictor:
                none = "names a version, and nothing is trained here; name a pool"
                found.append(Finding((*where, "model"), none))
    return found


def _a_pool_proposes(capability: Capability) -> list[Finding]:
    pool = capability.improve.pool
    if pool is None or pool in capability.pools:
        return []
    return [Finding(("improve", "pool"), f"{pool} is no pool of upstreams; {_pools(capability)}")]


def _upstreams_fit_kind(capability: Capability) -> list[Finding]:
    if capability.kind not in PREDICTORS:
        return []
    return [
        Finding((name,), f"goes with chat and image, not with {capability.kind}; take it out")
        for name in ("upstreams", "prompts")
        if getattr(capability, name)
    ]


def _metric_fits_kind(capability: Capability) -> list[Finding]:
    if capability.gate is None:
        return []
    fitting = METRICS[capability.task]
    if capability.gate.metric in fitting:
        return []
    wrong = f"{capability.gate.metric} does not fit {capability.kind}"
    return [Finding(("gate", "metric"), f"{wrong}; use {', '.join(fitting)}")]


def _rows_outlive_their_labels(capability: Capability) -> list[Finding]:
    """A window is judged once its labels are in: by then its rows must still be there."""
    if not capability.predictor:
        return []
    least = capability.labels.delay + capability.monitor.window
    needed = f"labels.delay + monitor.window ({written(least)}): rows would be gone before their"
    return [
        Finding(
            ("retention", name),
            f"{written(age)} is shorter than {needed} window is judged; "
            f"keep them for at least {written(least)}",
        )
        for name, age in capability.retention.ages.items()
        if name in ("interactions", "rows") and age < least
    ]


def _slices_are_inputs(capability: Capability) -> list[Finding]:
    slices = capability.gate.slices if capability.gate else ()
    return [
        Finding(("gate", "slices", index), _no_input(capability, name))
        for index, name in enumerate(slices)
        if name not in capability.inputs
    ]


def _a_trial_widens(capability: Capability) -> list[Finding]:
    rules = capability.release
    shares = [rules.canary, *rules.steps]
    if not 0 < rules.canary < 1 or shares == sorted(set(shares)):
        return []
    said = ", ".join(f"{share:g}" for share in rules.steps)
    return [Finding(("release", "steps"), f"are {said}; let them rise from canary on")]


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
    if not capability.predictor and capability.kind not in PREDICTORS:
        return []
    answers: list[tuple[Place, Value]] = [
        (("labels", "rules", index, "value"), rule.value)
        for index, rule in enumerate(capability.labels.rules)
    ] + [
        (("fallback", index, "rule", "constant"), step.rule.constant)
        for index, step in enumerate(capability.fallback)
        if isinstance(step, Fallback) and step.rule and capability.kind in PREDICTORS
    ]
    return [
        Finding(place, wrong)
        for place, value in answers
        if (wrong := _no_answer(capability, value))
    ]


def _no_answer(capability: Capability, value: Value) -> str | None:
    if capability.task is Kind.REGRESSION:
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
    if capability.task is not Kind.CLASSIFICATION:
        return [Finding(("classes",), f"goes with classification, not with {capability.kind}")]
    if len(set(capability.classes)) < len(capability.classes):
        return [Finding(("classes",), f"has {', '.join(twice(capability.classes))} twice")]
    if len(capability.classes) < 2:
        return [Finding(("classes",), "must name at least two")]
    return []


def _target_is_no_input(capability: Capability) -> list[Finding]:
    if capability.target not in capability.inputs:
        return []
    wrong = f"{capability.target} is an input too, so every model would be told the answer"
    return [Finding(("target",), f"{wrong}; take it out of inputs")]


def _names_differ(capability: Capability) -> list[Finding]:
    named: dict[Place, list[str]] = {
        ("sources",): [source.name for source in capability.sources],
        ("labels", "rules"): [rule.name for rule in capability.labels.rules],
        ("gate", "slices"): list(capability.gate.slices) if capability.gate else [],
        ("upstreams",): [upstream.name for upstream in capability.upstreams],
        ("prompts",): [prompt.name for prompt in capability.prompts],
        ("experiments",): [one.name for one in capability.experiments],
        ("webhooks",): [hook.name for hook in capability.webhooks],
    } | {
        ("experiments", place, "arms"): [arm.name for arm in one.arms]
        for place, one in enumerate(capability.experiments)
    }
    return [
        Finding((*place, index), f"{name} occurs twice; name each differently, or take one out")
        for place, names in named.items()
        for index, name in enumerate(names)
        if name in names[:index]
    ]


def _no_input(capability: Capability, name: str) -> str:
    return f"{name} is no input; inputs are {', '.join(capability.inputs)}"


CHECKS: tuple[Callable[[Capability], list[Finding]], ...] = (
    _predictor_is_whole,
    _something_answers,
    _chat_reads_a_text,
    _image_has_pixels,
    _words_mean_classes,
    _arms_can_be_had,
    _a_pool_proposes,
    _upstreams_fit_kind,
    _fallback_pools_exist,
    _metric_fits_kind,
    _rows_outlive_their_labels,
    _slices_are_inputs,
    _a_trial_widens,
    _rules_fit_inputs,
    _patterns_compile,
    _answers_fit_kind,
    _classes_are_classes,
    _target_is_no_input,
    _names_differ,
)
"""What one section says about another. `opslayer.configuration` turns places into lines."""
