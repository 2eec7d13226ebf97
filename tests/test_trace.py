"""From an answer to the rows that it was learnt from, and from a row to the answers."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from schooling import school
from serving import Served, serving
from taught import give_database

from commands import execute
from opslayer.capability import Capability
from opslayer.configuration import load_capability
from opslayer.errors import NotFound
from opslayer.records import Interaction, Recipe, Role, Snapshot, Status
from opslayer.settings import Settings
from opslayer.steps import snapshot
from opslayer.steps.ask import Asker, ask
from opslayer.steps.ingest import ingest
from opslayer.steps.introduce import introduce
from opslayer.steps.promote import Promotion, promote
from opslayer.steps.succession import cut
from opslayer.steps.trace import PAGE, descendants, row_ids, verify
from opslayer.steps.train import TrainingOrder, train
from opslayer.stores import Stores
from opslayer.stores.ledger.keys import Terms

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHOP = """\
name: shop
kind: classification
inputs: {{size: {{type: number}}, note: {{type: text, missing: true}}}}
target: answer
sources: [{{name: till, path: {path}, event_time: at}}]
labels:
  rules: [{{name: large, when: {{column: size, above: 2}}, value: "yes", confidence: 0.6}}]
training: {{estimator: sklearn.linear_model.LogisticRegression}}
gate: {{metric: accuracy, min_labels: 60}}
fallback: [previous_release, {{rule: {{constant: "no"}}}}]
"""
YOUNG = """\
name: young
kind: classification
inputs: {size: {type: number}}
target: answer
training: {estimator: sklearn.linear_model.LogisticRegression}
gate: {metric: accuracy}
fallback: [{rule: {constant: "no"}}]
"""
DESK = """\
name: desk
kind: chat
answer: {deadline: 2s}
upstreams: [{name: main, base_url: "http://127.0.0.1:9/v1", model: m}]
fallback: [{rule: {constant: A colleague will answer you.}}]
"""
SECRET_NOTE = "blue velvet curtain"


@dataclass
class Shop:
    """A shop of which the second model version serves, and a gateway with two tenants."""

    home: Path
    configs: Path
    stores: Stores
    spec: Capability
    served: Served
    keys: dict[str, str]

    def get(self, id: str, tenant: str = "acme") -> httpx.Response:
        headers = {"authorization": f"Bearer {self.keys[tenant]}"}
        return httpx.get(f"{self.served.url}/v1/interactions/{id}", headers=headers, timeout=30)

    def story(self, id: str) -> dict[str, Any]:
        reply = self.get(id)
        assert reply.status_code == 200, reply.text
        found: dict[str, Any] = reply.json()
        return found

    def invoke(self, capability: str = "shop", **inputs: Any) -> str:
        reply = httpx.post(
            f"{self.served.url}/v1/capabilities/{capability}/invocations",
            json={"dataframe_records": [{"size": 1.0, **inputs}]},
            headers={"authorization": f"Bearer {self.keys['acme']}"},
            timeout=30,
        )
        assert reply.status_code == 200, reply.text
        return reply.headers["x-opslayer-interaction"]

    def snapshot_of(self, version: int) -> Snapshot:
        digest = self.stores.ledger.versions.get("shop", version).snapshot
        return self.stores.ledger.snapshots.get("shop", digest)


def sales(path: Path, days: int) -> None:
    """24 labelled rows a day, the last of them just before now."""
    draw = random.Random(days)
    lines = ["at,size,note,answer"]
    for hour in range(days * 24, 0, -1):
        size = draw.gauss(0, 1.5)
        when = NOW - timedelta(hours=hour)
        note = SECRET_NOTE if hour % 5 else ""
        lines.append(f"{when:%Y-%m-%d %H:%M},{size:.4f},{note},{'yes' if size > 0.5 else 'no'}")
    path.write_text("\n".join([*lines, ""]))


def train_again(spec: Capability, stores: Stores, recipe: Recipe) -> int:
    later = NOW + timedelta(hours=1)
    cause = ask(spec, stores, later, Asker("ann", recipe))
    begin = cut(spec, stores, cause)
    exam = snapshot.take(spec, stores, later, Recipe.EXAM, begin)
    taken = snapshot.take(spec, stores, later, recipe, begin)
    version = train(spec, taken, stores, TrainingOrder(cause, recipe, exam))
    promote(spec, version, stores, Promotion(1, "ann", "it is newer", None, (), later))
    return version.version


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("trace")
    home, configs = folder / "home", folder / "configs"
    (configs / "capabilities").mkdir(parents=True)
    sales(folder / "sales.csv", 30)
    texts = {"shop": SHOP.format(path=folder / "sales.csv"), "young": YOUNG, "desk": DESK}
    for name, text in texts.items():
        (configs / "capabilities" / f"{name}.yaml").write_text(text)
    stores = Stores.at(Settings(home=home, configs=configs))
    give_database(stores)
    spec = load_capability("shop", configs)
    assert school(spec, stores, NOW).release
    sales(folder / "sales.csv", 40)
    ingest(spec, stores, NOW + timedelta(hours=1))
    assert train_again(spec, stores, Recipe.ALL) == 2
    introduce(load_capability("desk", configs), stores, NOW)
    keys = {
        tenant: stores.ledger.keys.create(
            Terms(name=tenant, tenant=tenant, roles=(Role.CALL, Role.REVIEW)), datetime.now(UTC)
        ).secret
        for tenant in ("acme", "other")
    }
    with serving(home, configs, ready=False) as served:
        yield Shop(home, configs, stores, spec, served, keys)


@pytest.fixture(autouse=True)
def environment(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSLAYER_HOME", str(shop.home))
    monkeypatch.setenv("OPSLAYER_CONFIGS", str(shop.configs))


def told(capsys: pytest.CaptureFixture[str], *tokens: str) -> Any:
    capsys.readouterr()
    assert execute(["explain", *tokens, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refusal(capsys: pytest.CaptureFixture[str], *tokens: str) -> str:
    capsys.readouterr()
    assert execute(["explain", *tokens]) == 1
    return capsys.readouterr().err


def test_an_answer_leads_to_the_run_the_snapshot_the_exact_rows_and_the_verdicts(
    shop: Shop,
) -> None:
    lineage = shop.story(shop.invoke())["lineage"]
    record = shop.snapshot_of(2)
    assert lineage["model"]["version"] == 2
    assert lineage["model"]["run_id"] == shop.stores.ledger.versions.get("shop", 2).run_id
    assert lineage["cause"]["by"] == "ann"
    assert lineage["snapshot"]["digest"] == record.digest
    learnt = list(snapshot.load(shop.spec, record.digest, shop.stores).row_ids)
    assert lineage["rows"]["count"] == len(learnt) == record.rows
    assert lineage["rows"]["first"] == learnt[:PAGE]
    assert row_ids(shop.stores, record) == learnt
    assert lineage["rows"]["sources"] == {"till": record.rows}
    assert lineage["rows"]["tags"]["outcome"] == record.rows
    assert 0 < lineage["rows"]["tags"]["rule"] < record.rows
    about = [(one["kind"], one["about"]) for one in lineage["evidence"]]
    assert about == [("promotion", "release 2")]


def test_the_gates_verdict_is_among_the_evidence_of_what_the_loop_promoted(shop: Shop) -> None:
    one = logged(shop, variant="model-1", release=1)
    kinds = {each["kind"]: each for each in shop.story(one)["lineage"]["evidence"]}
    assert set(kinds) == {"gate", "promotion"}
    assert kinds["gate"]["about"] == "version 1"
    assert kinds["gate"]["numbers"]["version"] == 1


def test_the_command_and_the_route_give_one_answer(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    for id in (shop.invoke(), shop.invoke(note="again"), shop.invoke("young")):
        assert told(capsys, id) == shop.story(id)


def test_a_route_never_shows_what_the_rows_hold_and_the_command_does_on_request(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    id = shop.invoke(note="mine")
    assert SECRET_NOTE not in shop.get(id).text
    shown = told(capsys, id, "--rows", "7")["training_rows"]
    assert [row["row_id"] for row in shown] == shop.story(id)["lineage"]["rows"]["first"][:7]
    assert SECRET_NOTE in {row["in:note"] for row in shown}
    for row in shown:
        assert (row["source"], row["file"].rpartition("/")[2]) == ("till", "sales.csv")
        outcomes = [tag["value"] for tag in row["tags"] if tag["source"] == "outcome"]
        assert outcomes == [row["label"]]


def test_another_tenant_sees_nothing(shop: Shop) -> None:
    assert shop.get(shop.invoke(), "other").status_code == 404


def test_a_snapshot_is_built_again_from_the_lakes_version_with_its_digest(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    verified = told(capsys, shop.invoke(), "--verify")["verified"]
    record = shop.snapshot_of(2)
    assert verified["equal"]
    assert (verified["digest"], verified["rows"]) == (record.digest, record.rows)
    assert verified["lake"] == record.tables["rows"]


def test_without_that_versions_files_it_is_built_from_the_lake_as_it_is(
    tmp_path: Path, shop: Shop
) -> None:
    stores = copied(tmp_path, shop)
    record = shop.snapshot_of(2)
    rows = stores.lake.open(shop.spec, "rows")
    rows.optimize.compact()
    rows.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    verified = verify(shop.spec, stores, record.digest)
    assert verified["equal"]
    assert verified["lake"] is None


def test_a_lost_row_is_told_of(
    tmp_path: Path,
    shop: Shop,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    id = shop.story(shop.invoke())["id"]
    record = shop.snapshot_of(2)
    stores = copied(tmp_path, shop)
    stores.lake.open(shop.spec, "rows").delete(f"row_id = '{row_ids(stores, record)[3]}'")
    stores.lake.open(shop.spec, "rows").vacuum(
        retention_hours=0, enforce_retention_duration=False, dry_run=False
    )
    monkeypatch.setenv("OPSLAYER_HOME", str(tmp_path / "home"))
    said = refusal(capsys, id, "--verify")
    assert f"{record.rows - 1:,} of its {record.rows:,} rows" in said


def test_a_lake_that_is_away_leaves_all_else_explained(tmp_path: Path, shop: Shop) -> None:
    from opslayer.steps.explain import explain

    id = shop.story(shop.invoke())["id"]
    stores = copied(tmp_path, shop)
    (tmp_path / "home" / "lake" / "shop" / "snapshots").rename(tmp_path / "aside")
    found = explain(stores, id)
    assert found is not None
    assert "can't be read" in found["lineage"]["rows"]["fault"]
    assert found["lineage"]["snapshot"]["digest"] == shop.snapshot_of(2).digest


def test_what_stood_in_from_an_earlier_release_is_traced_to_its_own_rows(shop: Shop) -> None:
    id = logged(shop, variant="model-1", assigned="model-2", release=2, fallback="outage")
    lineage = shop.story(id)["lineage"]
    assert lineage["variant"] == {"name": "model-1", "release": 1}
    assert lineage["snapshot"]["digest"] == shop.snapshot_of(1).digest


def test_a_fixed_rules_answer_rests_on_no_rows(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    reply = httpx.post(
        f"{shop.served.url}/v1/chat/completions",
        json={"model": "desk", "messages": [{"role": "user", "content": "Hello"}]},
        headers={"authorization": f"Bearer {shop.keys['acme']}"},
        timeout=30,
    )
    id = reply.headers["x-opslayer-interaction"]
    lineage = shop.story(id)["lineage"]
    assert lineage == {
        "model": None,
        "reason": "constant answered, which is no model that was trained here",
    }
    assert "rests on no training set" in refusal(capsys, id, "--verify")
    assert execute(["explain", id]) == 0
    assert "no model that was trained here" in capsys.readouterr().out


def test_an_answer_from_before_the_first_release_says_so(shop: Shop) -> None:
    story = shop.story(shop.invoke("young"))
    assert story["release"] == 0
    assert story["lineage"]["reason"] == "nothing was released yet: there was no model to ask"


def test_a_row_leads_to_its_snapshots_models_releases_and_answers(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    fresh = shop.invoke()
    first = row_ids(shop.stores, shop.snapshot_of(1))[0]
    found = told(capsys, "shop", "--row", first)
    assert found["row"]["source"] == "till"
    digests = {each["digest"] for each in found["snapshots"]["first"]}
    assert digests == {shop.snapshot_of(1).digest, shop.snapshot_of(2).digest}
    assert [each["version"] for each in found["models"]["first"]] == [2, 1]
    assert [each["number"] for each in found["releases"]["first"]] == [2, 1]
    assert fresh in [each["id"] for each in found["interactions"]["first"]]
    assert execute(["explain", "shop", "--row", first]) == 0
    assert "Answers by one that learnt from it" in capsys.readouterr().out


def test_both_ways_agree_on_every_row(shop: Shop) -> None:
    shop.invoke()
    for version in (1, 2):
        record = shop.snapshot_of(version)
        for row in random.Random(version).sample(row_ids(shop.stores, record), 3):
            found = descendants(shop.stores, "shop", row)
            assert version in [each["version"] for each in found["models"]["first"]]


def test_a_row_that_only_judged_leads_to_no_answer(shop: Shop) -> None:
    exam = shop.stores.ledger.versions.get("shop", 2).exam
    last = row_ids(shop.stores, shop.stores.ledger.snapshots.get("shop", exam))[-1]
    found = descendants(shop.stores, "shop", last)
    assert found["models"]["count"] == found["interactions"]["count"] == 0
    assert 2 in [each["version"] for each in found["judged"]["first"]]


def test_a_page_is_bounded_and_the_count_is_whole(shop: Shop) -> None:
    first = row_ids(shop.stores, shop.snapshot_of(2))[0]
    before = descendants(shop.stores, "shop", first)["interactions"]["count"]
    for _ in range(PAGE + 5):
        logged(shop, variant="model-2", release=2)
    logged(shop, variant="model-2", release=2, status=Status.FAILED)
    page = descendants(shop.stores, "shop", first)["interactions"]
    assert page["count"] == before + PAGE + 5
    assert len(page["first"]) == PAGE


@pytest.mark.parametrize("row", ["nothing", "' OR 1=1 --", "x" * 5_000, "\x00"])
def test_a_row_that_nobody_has_is_refused_with_where_ids_come_from(
    shop: Shop, capsys: pytest.CaptureFixture[str], row: str
) -> None:
    with pytest.raises(NotFound, match="has no row"):
        descendants(shop.stores, "shop", row)
    assert "opslayer export labels shop" in refusal(capsys, "shop", "--row", row)


def test_a_capability_without_rows_says_what_brings_some(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "opslayer run ingest_data young" in refusal(capsys, "young", "--row", "r1")
    assert not (shop.home / "lake" / "young").exists()


def test_an_interaction_that_nobody_has_is_refused(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "the log has no interaction gone" in refusal(capsys, "gone")
    assert shop.get("gone").status_code == 404


def logged(shop: Shop, **fields: Any) -> str:
    """An interaction of acme's as the gateway would have logged it."""
    one = Interaction.model_validate(
        {
            "id": uuid4().hex,
            "capability": "shop",
            "event_time": NOW,
            "input": {"size": 1.0},
            "output": {"value": "yes"},
            "tenant": "acme",
            **fields,
        }
    )
    shop.stores.events.append([one], "test")
    return one.id


def copied(folder: Path, shop: Shop) -> Stores:
    """The same stores in another home, to be damaged."""
    shutil.copytree(shop.home, folder / "home", ignore=shutil.ignore_patterns("journal", "*.log"))
    return Stores.at(Settings(home=folder / "home", configs=shop.configs))
