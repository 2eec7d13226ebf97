"""The console in a real browser: what runs, what fits, and who can read it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import chromium
from lake_content import START, add_rows, row
from looking import looking
from playwright.sync_api import Browser, Page
from test_console import HOSTILE, PAGES, Shop

from opslayer.steps.facets import tag_calls

SERIOUS = ("serious", "critical")
PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Browser, str]]:
    with chromium() as browser:
        made = Shop(tmp_path_factory.mktemp("shop"))
        for week in range(6):
            made.judged(week)
        made.answered("one")
        tag_calls(made.spec, made.stores, datetime.now(UTC))
        add_rows(
            made.stores,
            made.spec,
            [
                row(f"new{number}", START + timedelta(days=30, hours=number), size=0.1 * number,
                    colour="red", city="oslo", note=HOSTILE)
                for number in range(8)
            ],
        )  # fmt: skip
        made.stores.reports.write("shop", "drift/one/index.html", f"<p>{HOSTILE}</p>")
        with looking(made.home, made.configs) as url:
            yield browser, url


@pytest.fixture
def page(shop: tuple[Browser, str]) -> Iterator[Page]:
    browser, url = shop
    context = browser.new_context(base_url=url, viewport=PHONE)  # type: ignore[arg-type]
    opened = context.new_page()
    opened.set_default_timeout(60_000)
    yield opened
    context.close()


ALL = (*PAGES, "/interactions/one")


def test_nothing_that_a_user_wrote_is_run(page: Page) -> None:
    alarms: list[str] = []
    page.on("dialog", lambda dialog: alarms.append(dialog.message))
    for path in ALL:
        page.goto(path)
        assert "Opslayer" in page.title(), path
    assert alarms == []


def test_a_report_runs_apart_from_the_page_around_it(page: Page) -> None:
    page.goto("/capabilities/shop/reports")
    (frame,) = [one for one in page.frames if one != page.main_frame]
    assert frame.evaluate("origin") == "null", "it has no origin, and so no cookie and no console"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_accessibility_scan_finds_nothing_serious(page: Page, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    found = []
    for path in ALL:
        page.goto(path)
        faults = Axe().run(page).response["violations"]
        found += [
            (path, one["id"], one["nodes"][0]["html"][:200])
            for one in faults
            if one["impact"] in SERIOUS
        ]
    assert found == []


def test_every_page_fits_a_phone(page: Page) -> None:
    for path in ALL:
        page.goto(path)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= PHONE["width"], path


def test_a_release_is_rolled_back_with_the_keyboard_alone(page: Page) -> None:
    page.goto("/capabilities/shop/releases")
    before = page.locator("tbody tr").count()
    page.get_by_label("Serve again what served in").focus()
    page.keyboard.press("Tab")
    page.keyboard.type("it says nonsense")
    page.keyboard.press("Enter")
    page.wait_for_function(f"document.querySelectorAll('tbody tr').length === {before + 1}")
    assert "it says nonsense" in page.locator("tbody tr").first.inner_text()


def test_a_whole_review_session_needs_nothing_but_keys(page: Page) -> None:
    page.goto("/capabilities/shop/review")
    seen = []
    for key in ("1", "2", "s", "1"):
        seen.append(page.locator("input[name=row]").first.input_value())
        page.keyboard.press(key)
        page.wait_for_function(
            "row => document.querySelector('input[name=row]')?.value !== row", arg=seen[-1]
        )
    last = seen[-1]
    page.keyboard.press("u")
    page.wait_for_function(
        "row => document.querySelector('input[name=row]')?.value === row", arg=last
    )
    assert len(set(seen)) == 4
    page.goto("/capabilities/shop/reviews")
    assert "Skipped\n1" in page.locator("main").inner_text()


def test_a_what_if_is_asked_on_a_phone_by_keyboard_and_without_scripts(
    shop: tuple[Browser, str],
) -> None:
    browser, url = shop
    context = browser.new_context(base_url=url, viewport=PHONE, java_script_enabled=False)  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto("/capabilities/shop/numbers")
    page.get_by_label("size").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("2.5")
    page.keyboard.press("Enter")
    page.get_by_role("status").wait_for()
    assert "answer: yes, says model version" in page.get_by_role("status").inner_text()
    assert page.get_by_label("size").input_value() == "2.5"
    page.get_by_label("city").fill("x" * 10_001)
    page.get_by_label("note").fill(HOSTILE)
    page.get_by_role("button", name="Ask").press("Enter")
    page.get_by_role("alert").wait_for()
    assert "The contract refuses city" in page.get_by_role("alert").inner_text()
    assert page.get_by_label("note").input_value() == HOSTILE
    described = page.get_by_label("city").get_attribute("aria-describedby") or ""
    told = page.locator(f"#{described.split()[-1]}")
    assert told.inner_text() == "has 10001 characters; 10000 are allowed"
    context.close()


def test_a_refused_what_if_passes_an_accessibility_scan_and_fits_a_phone(page: Page) -> None:
    page.goto("/capabilities/shop/numbers")
    page.get_by_label("city").fill("x" * 10_001)
    page.get_by_role("button", name="Ask").click()
    page.get_by_role("alert").wait_for()
    faults = Axe().run(page).response["violations"]
    assert [one["id"] for one in faults if one["impact"] in SERIOUS] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_every_page_asks_for_nothing_from_afar(page: Page, shop: tuple[Browser, str]) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for path in ALL:
        page.goto(path)
    away = [one for one in asked if not one.startswith((shop[1], "data:"))]
    assert away == []
