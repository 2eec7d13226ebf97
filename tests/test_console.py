"""The console over real HTTP: what is shown, to whom, and what a person decides there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pyarrow as pa
import pytest
from lake_content import START, add_rows, row
from looking import looking
from taught import give_database, shop, teach, trained

from commands import VERBS
from commands.run import FLOWS
from opslayer.capability import Capability
from opslayer.records import Interaction, Key, Role, Verdict, VerdictKind
from opslayer.settings import Settings
from opslayer.steps.facets import tag_calls
from opslayer.steps.promote import Promotion, promote
from opslayer.stores import Stores
from opslayer.stores.lake import schema
from opslayer.stores.ledger.keys import Terms

get, post = partial(httpx.get, timeout=60), partial(httpx.post, timeout=60)
HOSTILE = "<script>document.title='taken'</script><img src=x onerror=alert(1)>'\"&"
PLACES = ("", "/releases", "/experiments", "/review", "/reviews", "/numbers", "/reports")
PAGES = ("/", "/interactions", *(f"/capabilities/shop{place}" for place in PLACES))


class Shop:
    """A capability with two model versions, of which the second one serves."""

    def __init__(self, folder: Path) -> None:
        self.home, self.configs = folder / "home", folder / "configs"
        (self.configs / "capabilities").mkdir(parents=True)
        self.spec: Capability = shop()
        text = json.dumps(self.spec.model_dump(mode="json", exclude_unset=True))
        (self.configs / "capabilities" / "shop.yaml").write_text(text)
        self.stores = give_database(Stores.at(Settings(home=self.home, configs=self.configs)))
        teach(self.stores, self.spec, 20)
        for number, about in enumerate(("first", "second")):
            version = trained(self.stores, self.spec, 20, about=about)
            decision = Promotion(number, "ann", HOSTILE, None, (), datetime.now(UTC))
            promote(self.spec, version, self.stores, decision)

    def judged(self, week: int) -> None:
        """A window's quality."""
        since = datetime.now(UTC) - timedelta(weeks=9 - week)
        numbers = {
            "window": week, "metric": "accuracy", "value": 0.9 + week / 100, "low": 0.8,
            "high": 0.99, "start": since.isoformat(), "end": since.isoformat(), "labelled": 100,
        }  # fmt: skip
        verdict = Verdict(
            capability="shop", kind=VerdictKind.QUALITY, about=f"window {week}", numbers=numbers,
            outcome="measured", reason="r", at=datetime.now(UTC),
        )  # fmt: skip
        self.stores.ledger.verdicts.record(verdict)

    def answered(self, id: str, status: str = "answered", note: str = HOSTILE) -> None:
        """A logged call."""
        said = Interaction.model_validate(
            {
                "id": id, "capability": "shop", "event_time": datetime.now(UTC), "release": 2,
                "input": {"size": 1.0, "note": note}, "output": {"value": HOSTILE},
                "variant": "model-2", "status": status, "latency_ms": 4.0, "cost": 0.5,
            }
        )  # fmt: skip
        self.stores.events.append([said], "test")

    def key(self, *roles: Role, tenant: str = "") -> tuple[Key, str]:
        """A new key and its secret."""
        made = self.stores.ledger.keys.create(
            Terms(name="ann", roles=roles, tenant=tenant), datetime.now(UTC)
        )
        return made.key, made.secret

    def newest(self) -> int:
        """Number of the newest release."""
        release = self.stores.ledger.releases.newest("shop")
        assert release is not None
        return release.number


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Shop, str]]:
    made = Shop(tmp_path_factory.mktemp("shop"))
    with looking(made.home, made.configs) as url:
        yield made, url


class Page(HTMLParser):
    """What a browser would make of a page: its elements and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


def test_every_page_is_shown_and_holds_text_of_users_as_text(shown: tuple[Shop, str]) -> None:
    made, url = shown
    made.answered("one")
    for path in (*PAGES, "/interactions/one"):
        reply = get(url + path)
        assert reply.status_code == 200, (path, reply.text)
        page = Page(reply.text)
        scripts = [its.get("src") for tag, its in page.elements if tag == "script"]
        assert scripts == ["/static/console.js"], path
        assert not [tag for tag, its in page.elements if "onerror" in its or "style" in its]
        assert "script-src 'self'" in reply.headers["content-security-policy"]
    assert HOSTILE in Page(get(f"{url}/capabilities/shop/releases").text).words
    assert HOSTILE in Page(get(f"{url}/interactions/one").text).words


def test_facets_are_shown_of_one_answer_and_counted_of_all_lately(shown: tuple[Shop, str]) -> None:
    made, url = shown
    place = f"{url}/capabilities/shop"
    made.answered("tagged", "failed", note="I am so happy with this wonderful service, thank you!")
    assert "Nothing is tagged" in Page(get(f"{url}/interactions/tagged").text).words
    tag_calls(made.spec, made.stores, datetime.now(UTC))
    one = Page(get(f"{url}/interactions/tagged").text).words
    assert "sentimentpositive65%sentiment@1" in one
    assert "languageen" in one
    assert "failurefailed100%failure@1" in one
    every = Page(get(place).text).words
    assert "Sentiment" in every
    assert re.search(r"positive1\d+\.\d%", every)
    hostile = [
        facet("tagged", "topic", HOSTILE, number) for number in (1, 2)
    ]  # fmt: skip
    made.stores.lake.append(
        made.spec, "facets", pa.Table.from_pylist(hostile, schema(made.spec, "facets"))
    )
    reply = get(place).text
    assert HOSTILE in Page(reply).words
    assert "<img src=x" not in reply + get(f"{url}/interactions/tagged").text
    assert "topic@1" not in get(f"{url}/interactions/tagged").text, "only the newest version"


def facet(row_id: str, name: str, value: str, number: int) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "id": f"{name}{number}", "row_id": row_id, "name": name, "value": value, "source": "model",
        "by": f"{name}@{number}", "confidence": 0.7, "event_time": now, "known_time": now,
    }  # fmt: skip


def test_a_page_names_its_language_its_one_heading_and_every_field(
    shown: tuple[Shop, str],
) -> None:
    _, url = shown
    for path in PAGES:
        page = Page(get(url + path).text)
        tags = [tag for tag, _ in page.elements]
        assert tags.count("h1") == 1
        assert tags.count("main") == 1
        assert ("html", {"lang": "en"}) in page.elements
        for tag, its in page.elements:
            if tag == "svg":
                assert its.get("aria-label"), path
            if tag == "iframe":
                assert its.get("title"), path


def test_the_overview_says_how_good_and_how_sure(shown: tuple[Shop, str]) -> None:
    made, url = shown
    for week in range(8):
        made.judged(week)
    words = Page(get(url).text).words
    assert "accuracy 0.97 (95 % sure to lie between 0.8 and 0.99) on 100 labelled rows" in words
    assert "Serves" in words
    assert "model-2, release" in words


def test_calls_are_counted_by_variant_once_however_often_they_are_logged(
    shown: tuple[Shop, str],
) -> None:
    made, _ = shown
    before = {one.variant: one for one in made.stores.traffic.by_variant("shop", _yesterday())}
    for _ in range(2):
        made.answered("counted")
        made.answered("failed", "failed")
    after = {one.variant: one for one in made.stores.traffic.by_variant("shop", _yesterday())}
    was = before.get("model-2")
    assert after["model-2"].calls == (was.calls if was else 0) + 2
    assert after["model-2"].unanswered == (was.unanswered if was else 0) + 1
    assert after["model-2"].latency_ms == pytest.approx(4.0)


def _yesterday() -> datetime:
    return datetime.now(UTC) - timedelta(days=1)


def test_a_person_rolls_back_with_a_reason_and_not_without(shown: tuple[Shop, str]) -> None:
    made, url = shown
    newest = made.newest()
    sent = {"to": str(newest - 1), "parent": str(newest), "reason": " "}
    place = f"{url}/capabilities/shop/releases/rollback"
    assert post(place, data=sent).status_code == 409
    assert made.newest() == newest
    reply = post(place, data={**sent, "reason": "it says nonsense"})
    assert (reply.status_code, made.newest()) == (303, newest + 1)
    release = made.stores.ledger.releases.newest("shop")
    assert release is not None
    assert "it says nonsense" in release.reason


def test_a_decision_on_a_release_that_is_not_the_newest_any_more_is_refused(
    shown: tuple[Shop, str],
) -> None:
    made, url = shown
    newest = made.newest()
    old = {"parent": str(newest - 1), "reason": "late"}
    for path, more in (("rollback", {"to": "1"}), ("promote", {"version": "1", "how": "champion"})):
        reply = post(f"{url}/capabilities/shop/releases/{path}", data={**old, **more})
        assert reply.status_code == 409, path
    assert made.newest() == newest


def test_a_person_promotes_another_version(shown: tuple[Shop, str]) -> None:
    made, url = shown
    release = made.stores.ledger.releases.newest("shop")
    assert release is not None
    other = 3 - (release.champion.model_version or 0)
    sent = {"version": str(other), "how": "champion", "reason": "better", "parent": release.number}
    reply = post(f"{url}/capabilities/shop/releases/promote", data=sent)
    assert reply.status_code == 303, reply.text
    now = made.stores.ledger.releases.newest("shop")
    assert now is not None
    assert now.champion.model_version == other


def test_a_reviewer_answers_skips_and_takes_back(shown: tuple[Shop, str]) -> None:
    made, url = shown
    unlabelled = [
        row(
            f"new{number}",
            START + timedelta(days=30, hours=number),
            size=0.1 * number,
            colour="red",
            city="oslo",
            note=HOSTILE,
        )
        for number in range(4)
    ]
    add_rows(made.stores, made.spec, unlabelled)
    made.stores.reviews.fill("shop", [], datetime.now(UTC) - timedelta(hours=1))
    place = f"{url}/capabilities/shop/review"
    first = _held(place)
    assert post(place, data={"row": first, "value": " "}).status_code == 409, "nothing was said"
    assert post(place, data={"row": first, "value": "yes"}).status_code == 303
    second = _held(place)
    assert second != first
    assert post(place, data={"row": first, "value": "no"}).status_code == 409, "answered already"
    assert post(place, data={"row": second, "do": "skip"}).status_code == 303
    assert _held(place) not in (first, second)
    parts = {one.row_id: one for one in made.stores.reviews.all("shop")}
    assert (parts[first].status, parts[second].status) == ("answered", "skipped")
    (said,) = [one for one in made.stores.events.read("shop", {}).events if one.writer == "review"]
    assert json.loads(said.text)["value"] == "yes"
    assert post(place, data={"do": "undo"}).status_code == 303
    assert "Answered0" in Page(get(f"{url}/capabilities/shop/reviews").text).words


def _held(place: str) -> str:
    """The row that the page shows."""
    page = Page(get(place).text)
    return next(its["value"] or "" for _, its in page.elements if its.get("name") == "row")


def test_a_form_that_another_site_sends_is_refused(shown: tuple[Shop, str]) -> None:
    made, url = shown
    newest = made.newest()
    sent = {"to": "1", "parent": str(newest), "reason": "theirs"}
    for origin in ("https://elsewhere.example", "http://localhost:1", "null"):
        reply = post(
            f"{url}/capabilities/shop/releases/rollback", data=sent, headers={"Origin": origin}
        )
        assert reply.status_code == 403, origin
    reply = get(url, headers={"Host": "rebound.example"})
    assert reply.status_code == 403
    assert made.newest() == newest


def test_what_is_not_there_is_told_in_a_sentence(shown: tuple[Shop, str]) -> None:
    _, url = shown
    for path in ("/nowhere", "/capabilities/none", "/interactions/none", "/reports/shop/none.html"):
        reply = get(url + path)
        assert reply.status_code == 404, path
        assert "there is no" in Page(reply.text).words.lower()


def test_no_path_leads_out_of_the_reports(shown: tuple[Shop, str]) -> None:
    made, url = shown
    made.stores.reports.write("shop", "drift/one/index.html", "<p>seen</p>")
    (made.stores.reports.root / "secret.txt").write_text("hidden")
    host = urlsplit(url).netloc
    for path in ("..%2f..%2fsecret.txt", "%2e%2e/secret.txt", "drift/../../secret.txt"):
        with httpx.Client(timeout=60, base_url=f"http://{host}") as client:
            assert "hidden" not in client.get(f"/reports/shop/{path}").text
    reply = get(f"{url}/reports/shop/drift/one/index.html")
    assert reply.text == "<p>seen</p>"
    assert reply.headers["content-security-policy"].startswith("sandbox allow-scripts;")
    assert 'sandbox="allow-scripts"' in get(f"{url}/capabilities/shop/reports").text


def test_without_anything_declared_the_page_says_what_to_do(tmp_path: Path) -> None:
    with looking(tmp_path / "home", tmp_path / "configs") as url:
        assert "capabilities/NAME.yaml" in Page(get(url).text).words


def test_with_a_key_somewhere_every_page_asks_for_one_and_shows_it_by_role(tmp_path: Path) -> None:
    made = Shop(tmp_path)
    _, reads = made.key(Role.REVIEW)
    key, decides = made.key(Role.REVIEW, Role.RELEASE)
    _, calls = made.key(Role.CALL)
    _, tenants = made.key(Role.REVIEW, tenant="acme")
    with looking(made.home, made.configs) as url:
        for path in PAGES:
            assert get(url + path).status_code == 401
        assert post(f"{url}/sign-in", data={"key": "ops_wrong"}).status_code == 401
        assert post(f"{url}/sign-in", data={"key": tenants}).status_code == 403
        sent = {"to": "1", "parent": "2", "reason": "back"}
        place = "/capabilities/shop/releases/rollback"
        for secret, sees, may in ((reads, 200, 403), (calls, 403, 403), (decides, 200, 303)):
            with httpx.Client(timeout=60, base_url=url) as client:
                reply = client.post("/sign-in", data={"key": secret})
                assert "HttpOnly" in reply.headers["set-cookie"]
                assert "SameSite=strict" in reply.headers["set-cookie"]
                assert client.get("/").status_code == sees
                assert client.post(place, data=sent).status_code == may
                if may == 303:
                    made.stores.ledger.keys.revoke(key.id, datetime.now(UTC))
                    assert client.get("/").status_code == 401, "it ends with the key"
        forged = {"opslayer_console": f"{key.id}.9999999999.{'0' * 48}"}
        assert get(url, cookies=forged).status_code == 401


def test_every_way_on_that_a_page_names_is_a_command_that_there_is() -> None:
    pages = (Path(__file__).parent.parent / "console").rglob("*.py")
    text = "\n".join(path.read_text() for path in pages)
    verbs, flows = (
        set(re.findall(r"`opslayer (\w+)", text)),
        set(re.findall(r"`opslayer run (\w+)", text)),
    )
    assert flows
    assert verbs <= set(VERBS)
    assert flows <= set(FLOWS)


def test_a_report_is_named_by_what_it_is_about(shown: tuple[Shop, str]) -> None:
    made, url = shown
    page = "<title>Drift: shop, the &lt;first&gt; week</title>"
    made.stores.reports.write("shop", "drift/0f3a/index.html", page)
    said = get(f"{url}/capabilities/shop/reports").text
    assert (
        'href="/reports/shop/drift/0f3a/index.html">Drift: shop, the &lt;first&gt; week (' in said
    )
