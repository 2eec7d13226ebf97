"""Makes what serves from what is written down: files, releases, models, prompts, guards.

Everything here runs in the board's thread and may wait for a disk, a database or a registry.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.answerers import ImageAnswerer, ModelAnswerer, RuleAnswerer
from gateway.exchange import Answerer
from gateway.last_known import LastKnown, Remembered
from gateway.predict import Batcher
from gateway.prompts import Renderer
from gateway.route import Plan, Step
from gateway.trained_guards import make_guard
from gateway.upstreams import Upstreams
from opslayer.capability import Capability, Fallback, GuardName, Kind
from opslayer.errors import NotFound, OpslayerError, StoreError
from opslayer.guards.looked import TextGuard
from opslayer.guards.panel import Panel
from opslayer.judgement.assignment import every_variant
from opslayer.records import Variant, Version
from opslayer.stores import Stores

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from gateway.serving import Serving
    from opslayer.learners.rows import RowModel

log = logging.getLogger("opslayer.gateway")

CONSTANT = "constant"
"""The name of the fixed rule as a variant."""
GUARDS = {GuardName.INJECTION: "guard-injection", GuardName.CONTENT: "guard-content"}
"""The capability by whose champion a guard looks."""


@dataclass(slots=True)
class News:
    """What one look found."""

    servings: list[Serving] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Builder:
    """Builds servings, and remembers what it built them from."""

    read: Callable[[], tuple[Sequence[Capability], Mapping[str, str]]]
    """The capabilities in the files, and what is wrong with files, by name."""
    stores: Stores
    upstreams: Upstreams
    last_known: LastKnown
    batcher: Batcher = field(default_factory=Batcher)
    _seen: dict[str, tuple[object, ...]] = field(default_factory=dict)
    """By capability, what its serving was built from."""
    _pipelines: dict[tuple[str, int], Pipeline] = field(default_factory=dict)
    _models: dict[tuple[str, int], RowModel] = field(default_factory=dict)
    _guards: dict[GuardName, tuple[int, TextGuard]] = field(default_factory=dict)
    """Each trained guard, and the model version it looks by."""

    def look(self, now: Mapping[str, Serving]) -> News:
        """Build what changed since the last look."""
        news = News()
        capabilities, wrong = self.read()
        news.faults |= wrong
        known = {capability.name: self._remembered(capability, news) for capability in capabilities}
        guards = self._trained_guards(capabilities, known, news)
        for capability in capabilities:
            remembered = known[capability.name]
            basis = (capability, remembered.newest, remembered.previous, tuple(guards.items()))
            if self._seen.get(capability.name) == basis and now[capability.name].ready:
                continue
            looking = {name: guard for name, (_, guard) in guards.items()}
            serving = self._serving(capability, remembered, looking)
            if serving.reason:
                news.faults[capability.name] = serving.reason
                earlier = now.get(capability.name)
                if earlier is not None and earlier.ready:
                    continue  # what is loaded goes on until its successor is whole
                before = self._before(capability, remembered)
                if before and not (again := self._serving(capability, before, looking)).reason:
                    news.servings.append(again)  # as if it were loaded: the next look tries anew
                    continue
            elif remembered != self.last_known.load(capability.name):
                self.last_known.save(capability.name, remembered)
            self._seen[capability.name] = basis
            news.servings.append(serving)
        named = {capability.name for capability in capabilities}
        news.gone = [name for name in now if name not in named and name not in wrong]
        self._forget(known)
        if news.servings and not news.faults:
            self.stores.shelf.keep_only([one for of in known.values() for one in of.versions])
        return news

    def _remembered(self, capability: Capability, news: News) -> Remembered:
        """Its releases and their versions: from the ledger, or as last known where it is away."""
        if "ledger" in news.faults:  # each further question would wait as long
            return self.last_known.load(capability.name)
        try:
            return self._from_ledger(capability)
        except StoreError as error:
            news.faults["ledger"] = str(error)
            return self.last_known.load(capability.name)

    def _before(self, capability: Capability, newer: Remembered) -> Remembered | None:
        """What served last where what is to serve now can't be had; nothing that was erased."""
        known = self.last_known.load(capability.name)
        if known.newest is None or known == newer:
            return None
        try:
            gone = self.stores.ledger.forgotten.of(capability.name).keys()
        except StoreError:  # it went away just now, which the next look meets first
            return None
        if known.newest.model_versions & gone:
            return None
        erased = known.previous and known.previous.model_versions & gone
        return known.model_copy(update={"previous": None}) if erased else known

    def _from_ledger(self, capability: Capability) -> Remembered:
        ledger = self.stores.ledger
        newest = ledger.releases.serving(capability.name)
        if newest is None:
            return Remembered()
        gone = ledger.forgotten.of(capability.name).keys()
        cached = self.last_known.load(capability.name)
        if cached.newest == newest and not (
            cached.previous and cached.previous.model_versions & gone
        ):
            return cached
        previous = ledger.releases.previous(newest)
        if previous and previous.model_versions & gone:
            previous = None
        numbers = newest.model_versions | (previous.model_versions if previous else set())
        # One that the ledger does not know is told where its variant is made.
        all_there_are = ledger.versions.all(capability.name) if numbers else []
        versions = tuple(one for one in all_there_are if one.version in numbers)
        return Remembered(newest=newest, previous=previous, versions=versions)

    def _serving(
        self,
        capability: Capability,
        known: Remembered,
        guards: Mapping[GuardName, TextGuard],
    ) -> Serving:
        from gateway.serving import Serving

        reasons: list[str] = []
        missing: list[str] = []
        needed = known.newest.variants if known.newest else ()
        variants = {one.name: one for one in self._steps(capability, known, needed, reasons)}
        # What is only tried may be missing: its calls go to the champion, and count against it.
        every = every_variant(known.newest) if known.newest else []
        tried = [one for one in every if one.name not in variants]
        variants |= {one.name: one for one in self._steps(capability, known, tried, missing)}
        fallbacks = tuple(self._fallbacks(capability, known))
        if known.newest is None:
            reasons.append(f"nothing was released yet: opslayer run train_model {capability.name}")
        plan = Plan(known.newest, variants, fallbacks, self._shadow(capability, known))
        for one in missing:
            log.warning("%s is tried and can't answer: %s", capability.name, one)
        panel = Panel.of(capability, guards)
        return Serving(capability, plan, panel, "; ".join(reasons))

    def _steps(
        self, capability: Capability, known: Remembered, named: Iterable[Variant], why: list[str]
    ) -> Iterator[Step]:
        for variant in named:
            try:
                answerer = self._answerer(capability, variant, known.versions)
                yield Step(variant.name, answerer, variant.pool is not None)
            except OpslayerError as error:
                why.append(f"{variant.name}: {error}")

    def _shadow(self, capability: Capability, known: Remembered) -> Step | None:
        """What answers copies; where it can't be had, nobody waits for it."""
        shadow = known.newest.shadow if known.newest else None
        steps = self._steps(capability, known, [shadow] if shadow else [], [])
        return next(steps, None)

    def _fallbacks(self, capability: Capability, known: Remembered) -> Iterator[Step]:
        for step in capability.fallback:
            if isinstance(step, Fallback) and step.rule is not None:
                yield Step(CONSTANT, RuleAnswerer(capability, step.rule.constant))
            elif isinstance(step, Fallback) and step.pool is not None:
                variant = Variant(name=step.pool, pool=step.pool)
                yield Step(step.pool, self._pool(capability, variant), pool=True)
            elif known.previous is not None:
                # What stands in may be missing without the champion being any less ready.
                yield from self._steps(capability, known, [known.previous.champion], [])

    def _answerer(
        self, capability: Capability, variant: Variant, versions: Sequence[Version]
    ) -> Answerer:
        if variant.pool is not None:
            return self._pool(capability, variant)
        if variant.model_version is None:
            steps = (one for one in capability.fallback if isinstance(one, Fallback))
            rule = next((one.rule for one in steps if one.rule is not None), None)
            if rule is None:
                raise NotFound("it is the fixed rule, and the file has none")
            return RuleAnswerer(capability, rule.constant)
        version = next((one for one in versions if one.version == variant.model_version), None)
        if version is None:
            raise NotFound(f"the ledger has no version {variant.model_version}")
        if capability.kind is Kind.IMAGE:
            return ImageAnswerer(capability, self._pipeline(capability, version))
        return ModelAnswerer(capability, self._model(capability, version), self.batcher)

    def _pipeline(self, capability: Capability, version: Version) -> Pipeline:
        key = (capability.name, version.version)
        if key not in self._pipelines:
            assert capability.training is not None
            self._pipelines[key] = self.stores.shelf.load(
                version, capability.training.serialization
            )
        return self._pipelines[key]

    def _model(self, capability: Capability, version: Version) -> RowModel:
        from opslayer.learners.rows import RowModel

        key = (capability.name, version.version)
        if key not in self._models:
            self._models[key] = RowModel.of(self._pipeline(capability, version))
        return self._models[key]

    def _trained_guards(
        self, capabilities: Sequence[Capability], known: Mapping[str, Remembered], news: News
    ) -> dict[GuardName, tuple[int, TextGuard]]:
        """The guards that look by a model, each by its own capability's champion."""
        named = {capability.name: capability for capability in capabilities}
        wanted = {
            name
            for capability in capabilities
            for name in (*capability.guards.input, *capability.guards.output)
            if name in GUARDS and GUARDS[name] in named
        }
        for name in sorted(wanted):
            try:
                self._guard(name, named[GUARDS[name]], known[GUARDS[name]])
            except OpslayerError as error:
                news.faults[f"guard {name}"] = str(error)
                before = self._before(named[GUARDS[name]], known[GUARDS[name]])
                if before and name not in self._guards:
                    with suppress(OpslayerError):
                        self._guard(name, named[GUARDS[name]], before)
        return {name: guard for name, guard in self._guards.items() if name in wanted}

    def _guard(self, name: GuardName, capability: Capability, known: Remembered) -> None:
        champion = known.newest.champion.model_version if known.newest else None
        version = next((one for one in known.versions if one.version == champion), None)
        if version is None or self._guards.get(name, (0,))[0] == version.version:
            return
        model = self._model(capability, version)
        self._guards[name] = (version.version, make_guard(name, model, capability))

    def _forget(self, known: Mapping[str, Remembered]) -> None:
        """Let go of models that no release names any more."""
        versions = [version for one in known.values() for version in one.versions]
        used = {(version.capability, version.version) for version in versions}
        for models in (self._pipelines, self._models):
            for key in [key for key in models if key not in used]:
                del models[key]

    async def close(self) -> None:
        """End the predicting thread, and close the upstreams' connections."""
        await self.batcher.close()
        await self.upstreams.close()

    def _pool(self, capability: Capability, variant: Variant) -> Answerer:
        assert variant.pool is not None
        return self.upstreams.pool(capability, variant.pool, self._renderer(capability, variant))

    def _renderer(self, capability: Capability, variant: Variant) -> Renderer | None:
        if variant.prompt is None or variant.prompt_version is None:
            return None
        template = self.stores.prompts.load(capability.name, variant.prompt, variant.prompt_version)
        declared = {prompt.name: prompt.defaults for prompt in capability.prompts}
        return Renderer(template, declared.get(variant.prompt, {}))
