"""The drift report: what it compares, what it leaves out, and that text in it stays text."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.dirty_windows import CAPABILITY, TARGET, clean
from opslayer.capability import Capability
from opslayer.records import Verdict, VerdictKind
from opslayer.reports.drift_report import DriftReport, Facts, draw
from opslayer.stores.reports import Reports

NOW = datetime(2024, 6, 1, tzinfo=UTC)
QUIET = Facts("w1", "2024-01-01 to 2024-01-08", "clean rows", with_evidently=False)
RUN = "document.documentElement.dataset.owned=1"
HOSTILE = (
    f"</script><script>{RUN}</script>",
    f'"><img src=x onerror="{RUN}">',
    f"<svg/onload={RUN}>",
    f"';{RUN};//",
    f"${{{RUN}}} %{{x}} {{{{{RUN}}}}}",
)


def verdict(kind: VerdictKind, outcome: str, reason: str, **numbers: object) -> Verdict:
    return Verdict(
        capability="dirty", kind=kind, about="w1", outcome=outcome, reason=reason, at=NOW,
        numbers=numbers, error_rate=0.01,
    )  # fmt: skip


def column(report: DriftReport, label: str) -> dict[str, object]:
    (found,) = [entry for entry in report.scores["columns"] if entry["label"] == label]
    return found  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def shifted() -> DriftReport:
    """A window whose amount moved by two standard deviations, with Evidently's part."""
    rng = np.random.default_rng(0)
    window = clean(400, seed=3)
    window["amount"] += 20
    window["prediction"] = pd.Series(rng.choice(["yes", "no"], 400), dtype=object)
    reference = clean(6_000, seed=4).assign(prediction="yes")
    alarm = verdict(
        VerdictKind.ALARM, "alarm", "amount lies 9 times its usual distance away",
        threshold=3.0, columns={"amount": {"score": 0.6, "median": 0.07, "ratio": 9.0}},
    )  # fmt: skip
    harm = verdict(VerdictKind.HARM, "harm", "accuracy 0.61 against 0.80")
    facts = Facts("w1", "2024-01-01 to 2024-01-08", "clean rows", (alarm, harm))
    return draw(reference, window, CAPABILITY, facts)


def test_the_column_that_moved_scores_highest_and_the_others_near_nothing(
    shifted: DriftReport,
) -> None:
    scores = {entry["label"]: entry["evidently"]["score"] for entry in shifted.scores["columns"]}
    assert scores.pop("amount") == pytest.approx(2, abs=0.2)  # in reference standard deviations
    assert scores.pop("prediction") > 0.3  # one class before, two now
    assert max(scores.values()) < 0.15  # sampling: 400 rows against 5,000


def test_methods_are_pinned_by_column_type(shifted: DriftReport) -> None:
    methods = {entry["label"]: entry["evidently"]["method"] for entry in shifted.scores["columns"]}
    assert methods["amount"] == methods["note: words"] == "wasserstein"
    assert methods["shop"] == methods[TARGET] == methods["prediction"] == "jensenshannon"


def test_our_page_says_what_was_decided_and_frames_evidently_in_a_sandbox(
    shifted: DriftReport, tmp_path: Path
) -> None:
    index = shifted.keep(Reports(tmp_path))
    html = index.read_text()
    assert index == tmp_path / "dirty" / "drift" / "w1" / "index.html"
    assert "amount lies 9 times its usual distance away" in html
    assert "accuracy 0.61 against 0.80" in html
    assert '<iframe sandbox="allow-scripts" src="evidently.html"' in html
    assert json.loads(index.with_name("scores.json").read_text()) == shifted.scores
    assert index.with_name("evidently.html").stat().st_size > 1_000_000


def test_the_calibrated_ratio_of_the_alarm_is_what_marks_a_column(shifted: DriftReport) -> None:
    assert (column(shifted, "amount")["ratio"], column(shifted, "amount")["distance"]) == (9, 0.6)
    assert column(shifted, "count")["ratio"] is None
    html = str(shifted.files["drift/w1/index.html"])
    assert html.count("beyond</span>") == 1


def test_a_calm_window_needs_no_evidently() -> None:
    report = draw(clean(seed=1), clean(), CAPABILITY, QUIET)
    assert set(report.files) == {"drift/w1/scores.json", "drift/w1/index.html"}
    assert "iframe" not in Tags(str(report.files["drift/w1/index.html"])).names
    assert not report.findings


def test_the_same_seed_draws_the_same_scores() -> None:
    big = clean(8_000, seed=5)
    facts = Facts("w1", "a week", "clean rows", seed=7)
    first, second = (draw(big, clean(), CAPABILITY, facts).scores for _ in range(2))
    assert first == second


def test_missing_columns_and_doubled_names_are_findings_or_harmless() -> None:
    window = clean().drop(columns="shop")
    doubled = pd.concat([window, window[["amount"]]], axis=1)
    report = draw(clean(seed=1), doubled, CAPABILITY, QUIET)
    assert [(finding.column, finding.code) for finding in report.findings] == [("shop", "absent")]


def test_what_the_alarm_could_not_judge_is_a_finding() -> None:
    alarm = verdict(VerdictKind.ALARM, "quiet", "calm", not_judged={"shop": "no value at all"})
    facts = Facts("w1", "a week", "clean rows", (alarm,), with_evidently=False)
    report = draw(clean(seed=1), clean(), CAPABILITY, facts)
    assert [(finding.column, finding.code) for finding in report.findings] == [
        ("shop", "not-judged")
    ]


def test_a_window_name_never_leaves_its_folder(tmp_path: Path) -> None:
    facts = Facts("../../etc/pass wd", "a week", "clean rows", with_evidently=False)
    index = draw(clean(seed=1), clean(), CAPABILITY, facts).keep(Reports(tmp_path))
    assert index.parent.parent == tmp_path / "dirty" / "drift"


# Text stays text


class Tags(HTMLParser):
    """Which elements a page really has, and which attributes that run."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.running: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.running += [name for name, _ in attrs if name.startswith("on")]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report folder in which every name, level, text, label and reason is an attack."""
    inputs = {name: {"type": "category", "choices": HOSTILE} for name in HOSTILE[:2]}
    inputs |= {name: {"type": "number"} for name in HOSTILE[2:]}
    inputs |= {"free": {"type": "category"}, "note": {"type": "text"}}
    attacked = Capability.model_validate(
        {
            **CAPABILITY.model_dump(exclude_unset=True),
            "inputs": inputs,
            "target": f"label{HOSTILE[0]}",
        }
    )
    frames = []
    for seed in (0, 1):
        rng = np.random.default_rng(seed)
        frame = pd.DataFrame({name: rng.normal(size=300) for name in HOSTILE[2:]})
        for name in (*HOSTILE[:2], "free", "note", f"label{HOSTILE[0]}"):
            frame[name] = pd.Series(rng.choice(np.array(HOSTILE, dtype=object), 300), dtype=object)
        frames.append(frame)
    alarm = verdict(VerdictKind.ALARM, HOSTILE[0], HOSTILE[1], not_judged={HOSTILE[2]: HOSTILE[0]})
    report = draw(*frames, attacked, Facts("w1", HOSTILE[0], HOSTILE[1], (alarm,)))
    assert len(report.scores["columns"]) == 9  # a text is two
    assert all(entry["evidently"] for entry in report.scores["columns"])
    return report.keep(Reports(tmp_path_factory.mktemp("hostile"))).parent


def test_hostile_text_makes_no_element_in_our_page(hostile: Path) -> None:
    tags = Tags((hostile / "index.html").read_text())
    assert not {"script", "img"} & set(tags.names)
    assert not tags.running
    assert tags.names.count("svg") == 9  # our own histograms


def test_hostile_text_makes_no_script_in_evidentlys_page(
    hostile: Path, shifted: DriftReport
) -> None:
    tame = Tags(str(shifted.files["drift/w1/evidently.html"]))
    attacked = (hostile / "evidently.html").read_text()
    assert Tags(attacked).names == tame.names
    assert not [text for text in HOSTILE if text in attacked]


@pytest.mark.skipif(not shutil.which("chromium"), reason="no chromium here to open the pages with")
def test_nothing_runs_when_a_browser_opens_the_pages(hostile: Path, tmp_path: Path) -> None:
    control = tmp_path / "control.html"
    control.write_text(f"<p>{HOSTILE[0]}</p>")
    assert "data-owned" in opened(control, tmp_path)
    assert "Dataset Drift" in opened(hostile / "evidently.html", tmp_path)
    for page in ("index.html", "evidently.html"):
        assert "data-owned" not in opened(hostile / page, tmp_path)


def opened(page: Path, profile: Path) -> str:
    """The document after its scripts ran, as Chromium has it."""
    arguments = [
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--disable-quic", "--no-first-run",
        "--virtual-time-budget=5000", f"--user-data-dir={profile / 'chromium'}", "--dump-dom",
    ]  # fmt: skip
    done = subprocess.run(
        ["chromium", *arguments, page.as_uri()], capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    return done.stdout


def test_no_text_and_no_undeclared_level_reaches_a_file() -> None:
    secrets = ("jane.doe@example.com", "+1 555 0100", "4111 1111 1111 1111")
    frames = []
    for seed in (0, 1):
        frame = clean(seed=seed)
        for name in ("note", "shop"):
            values = [secrets[number % 3] for number in range(len(frame))]
            frame[name] = pd.Series(values, dtype=object)
        frames.append(frame)
    report = draw(*frames, CAPABILITY, Facts("w1", "a week", "clean rows"))
    written = [
        text if isinstance(text, str) else json.dumps(text) for text in report.files.values()
    ]
    assert len(written) == 3
    assert not [secret for secret in secrets for text in written if secret in text]
    assert "red" in "".join(written)  # a declared level is a word of the contract
