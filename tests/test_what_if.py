"""The what-if form of the predictive dashboard: the champion's answer to made-up inputs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import httpx
import pandas as pd
import pytest
from looking import looking
from taught import give_database, trained
from test_console import HOSTILE, Page

from opslayer.capability import Capability
from opslayer.configuration import load_capability
from opslayer.settings import Settings
from opslayer.steps.ingest import ingest
from opslayer.steps.promote import Promotion, promote
from opslayer.steps.what_if import what_if
from opslayer.stores import Stores

ROOT = Path(__file__).parents[1]
ROWS = 5_000
"""The newest of the feed that are taken in: from June on."""
PLACE = "/capabilities/bike-demand/numbers"
RIDE = {
    "holiday": "false", "workingday": "true", "weather": "clear", "temp": "24.5", "atemp": "26",
    "hum": "40", "windspeed": "9", "month": "6", "hour": "17", "weekday": "3",
}  # fmt: skip


class Bikes(NamedTuple):
    spec: Capability
    stores: Stores
    url: str

    def ask(self, **changed: str) -> Page:
        reply = httpx.post(self.url + PLACE, data={**RIDE, **changed}, timeout=60)
        assert reply.status_code == 200, reply.text
        return Page(reply.text)


@pytest.fixture(scope="module")
def bikes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bikes]:
    folder = tmp_path_factory.mktemp("bikes")
    home, configs = folder / "home", folder / "configs"
    (configs / "capabilities").mkdir(parents=True)
    declared = (ROOT / "configs/capabilities/bike-demand.yaml").read_text()
    feed = "examples/data/bike_hourly.csv.gz"
    assert feed in declared
    rides = pd.read_csv(ROOT / feed).tail(ROWS)
    rides.to_csv(folder / "rides.csv", index=False)
    declared = declared.replace(feed, str(folder / "rides.csv"))
    (configs / "capabilities" / "bike-demand.yaml").write_text(declared)
    spec = load_capability("bike-demand", configs)
    stores = give_database(Stores.at(Settings(home=home, configs=configs)))
    with looking(home, configs) as url:
        here = Bikes(spec, stores, url)
        assert "There is no row yet" in Page(httpx.get(url + PLACE, timeout=60).text).words
        ingest(spec, stores, datetime.now(UTC))
        version = trained(stores, spec, 0)
        assert f"no model serves {spec.name} yet" in here.ask().words
        promote(spec, version, stores, Promotion(0, "ann", "first", None, (), datetime.now(UTC)))
        yield here


def fields(page: Page) -> dict[str, dict[str, str | None]]:
    kinds = ("input", "select", "textarea")
    return {its["name"] or "": its for tag, its in page.elements if tag in kinds and "name" in its}


def chosen(page: Page) -> list[str | None]:
    return [its["value"] for tag, its in page.elements if tag == "option" and "selected" in its]


def test_the_form_has_every_column_with_its_bounds_and_holds_the_newest_row(bikes: Bikes) -> None:
    page = Page(httpx.get(bikes.url + PLACE, timeout=60).text)
    found = fields(page)
    assert list(found) == list(bikes.spec.columns)
    assert (found["temp"]["min"], found["temp"]["max"]) == ("-20", "50")
    assert (found["hour"]["value"], found["hour"]["step"]) == ("23", "1")
    assert found["month"]["value"] == "12"
    assert found["weekday"]["value"] == "0", "the last day of 2012 was a Monday"
    assert chosen(page) == ["false", "true", "clear"]
    assert "whole from 0 to 23" in page.words
    labels = {its["for"] for tag, its in page.elements if tag == "label" and "for" in its}
    assert {its["id"] for its in found.values()} <= labels


def test_the_champion_answers_what_was_asked_and_nothing_is_logged(bikes: Bikes) -> None:
    typed = {
        **{name: float(said) for name, said in RIDE.items() if said[0].isdigit()},
        "holiday": False, "workingday": True, "weather": "clear",
    }  # fmt: skip
    found = what_if(bikes.spec, typed, bikes.stores)
    assert found.version == 1
    page = bikes.ask()
    assert f"users: {found.value:.4g}, says model version 1" in page.words
    assert float(found.value) > 200, "an afternoon in June"
    night = bikes.ask(hour="3")
    assert f"{found.value:.4g}, says" not in night.words
    assert fields(night)["hour"]["value"] == "3", "what was asked stays in the form"
    assert bikes.stores.events.read("bike-demand", {}).events == ()
    assert bikes.stores.traffic.by_variant("bike-demand", datetime(2011, 1, 1, tzinfo=UTC)) == []


@pytest.mark.parametrize(
    ("name", "written", "said"),
    [
        ("temp", "51", "write a number from -20 to 50, not 51.0"),
        ("temp", "nan", "write a finite number, not nan"),
        ("temp", "1e999", "write a finite number, not inf"),
        ("temp", "", "is missing"),
        ("hour", "3.5", "write a whole number"),
        ("hour", "9" * 5_000, "write a whole number"),
        ("hour", "24", "write a number from 0 to 23"),
        ("holiday", "perhaps", "write true or false, not 'perhaps'"),
        ("weather", "hail", "write one of clear, mist, rain, snow, not 'hail'"),
        ("weather", HOSTILE, "write one of clear, mist, rain, snow"),
        ("temp", HOSTILE, "write a number, not"),
    ],
)
def test_what_the_contract_refuses_is_said_beside_its_field(
    bikes: Bikes, name: str, written: str, said: str
) -> None:
    page = bikes.ask(**{name: written})
    assert said in page.words
    assert f"The contract refuses {name}" in page.words
    wrong = {one: its for one, its in fields(page).items() if its.get("aria-invalid") == "true"}
    assert list(wrong) == [name]
    beside = (wrong[name]["aria-describedby"] or "").split()
    assert {its.get("id") for _, its in page.elements} >= set(beside)
    assert beside[-1].endswith("-wrong")
    assert [its.get("src") for tag, its in page.elements if tag in ("script", "img")] == [
        "/static/console.js"
    ]


def test_all_that_is_wrong_is_said_at_once(bikes: Bikes) -> None:
    page = bikes.ask(temp="x", hum="101", weather="")
    assert "The contract refuses weather, temp, hum" in page.words


def test_a_form_of_another_site_and_one_that_is_too_large_are_refused(bikes: Bikes) -> None:
    place, elsewhere = bikes.url + PLACE, {"Origin": "https://elsewhere.example"}
    assert httpx.post(place, data=RIDE, headers=elsewhere, timeout=60).status_code == 403
    many = {str(number): "" for number in range(1_001)}
    assert httpx.post(place, data=many, timeout=60).status_code == 413
    assert httpx.post(place, data={"temp": "x" * 70_000}, timeout=60).status_code == 413
