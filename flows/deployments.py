"""When flows run on a Prefect server: a schedule to watch, and a trigger to retrain.

`python -m flows.deployments` registers them for every capability and runs what the server asks
for, each run in a process of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from prefect import Flow, serve
from prefect.deployments.runner import RunnerDeployment
from prefect.events import DeploymentEventTrigger
from prefect.schedules import Cron
from prefect.types.entrypoint import EntrypointType

from flows.expire_data import expire_data
from flows.improve_prompt import improve_prompt
from flows.retrain_model import retrain_model
from flows.train_model import train_model
from flows.watch_production import CAUSE_OPENED, watch_production
from opslayer.capability import Capability
from opslayer.configuration import load_all
from opslayer.settings import Settings

AT_ONCE = 2
"""Flow runs at once on one worker: a training keeps both cores of a small machine busy."""


def deployments(capabilities: Sequence[Capability]) -> list[RunnerDeployment]:
    """The three deployments of every capability that can be trained, one for each that has prompts
    to improve, and one for each that keeps things for a time and is not watched."""
    trainable = [capability for capability in capabilities if capability.predictor]
    prompted = [capability for capability in capabilities if capability.prompts]
    return [
        deployment
        for capability in trainable
        for deployment in (watching(capability), retraining(capability), training(capability))
    ] + [
        *(improving(capability) for capability in prompted),
        *(expiring(one) for one in capabilities if one.retention.ages and not one.predictor),
    ]


def watching(capability: Capability) -> RunnerDeployment:
    """Watch production on the capability's own schedule, in UTC.

    No limit on runs, here as elsewhere: what two do at once counts once in the ledger, and Prefect
    keeps the place of a run whose worker died for minutes, or for ever if the server died too.
    """
    return _made(
        watch_production,
        name=capability.name,
        # Without a slug, Prefect makes a new schedule each time the cron expression changes.
        schedules=[Cron(capability.monitor.schedule, timezone="UTC", slug="watch")],
        parameters={"capability": capability.name},
    )


def retraining(capability: Capability) -> RunnerDeployment:
    """Retrain when a cause was opened; its claim in the ledger is what lets one run alone go on."""
    return _made(
        retrain_model,
        name=capability.name,
        triggers=[
            DeploymentEventTrigger(
                name=f"retrain {capability.name}",
                expect={CAUSE_OPENED},
                match={"prefect.resource.id": f"opslayer.capability.{capability.name}"},
                parameters={"capability": capability.name, "cause": "{{ event.payload.cause }}"},
            )
        ],
    )


def training(capability: Capability) -> RunnerDeployment:
    """Train when a person asks, from the server's own page too."""
    return _made(
        train_model,
        name=capability.name,
        parameters={"capability": capability.name},
    )


def improving(capability: Capability) -> RunnerDeployment:
    """Improve the prompt: on the capability's own schedule where there is one, or when asked."""
    schedule = capability.improve.schedule
    return _made(
        improve_prompt,
        name=capability.name,
        schedules=[Cron(schedule, timezone="UTC", slug="improve")] if schedule else [],
        parameters={"capability": capability.name},
    )


def expiring(capability: Capability) -> RunnerDeployment:
    """Remove what is too old, on the schedule on which others are watched; watching does it too."""
    return _made(
        expire_data,
        name=capability.name,
        schedules=[Cron(capability.monitor.schedule, timezone="UTC", slug="expire")],
        parameters={"capability": capability.name},
    )


def _made(flow: Flow[..., Any], **how: Any) -> RunnerDeployment:
    # By module: a file loaded under its bare name would stand in the way of libraries.
    made = flow.to_deployment(entrypoint_type=EntrypointType.MODULE_PATH, **how)
    return cast(RunnerDeployment, made)


def main() -> None:
    """Register every deployment and run what the server asks for, until stopped."""
    serve(
        *deployments(load_all(Settings().configs)),
        limit=AT_ONCE,
        pause_on_shutdown=False,  # a worker that restarts must not stop the schedules
        print_starting_message=False,
    )


if __name__ == "__main__":
    main()
