"""P8: retries do not amplify: where every upstream fails, they are asked hardly more than we are.

Three capabilities of two deployments each, which answer 503 with `Retry-After`, 500, or nothing
until the call times out; 2,000 calls of each, sixteen at once. `COUNT=200` for a quick look.
"""

from __future__ import annotations

import concurrent.futures
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.bars import Bar, finish, say
from benchmarks.gateway import free_port, module, running

COUNT = int(os.environ.get("COUNT", "2000"))
AT_ONCE = 16
KINDS = {"f08": "503 with Retry-After", "f06": "500", "f10": "no answer"}
RULE = "A colleague will answer you."
FILE = """\
name: {name}
kind: chat
answer: {{deadline: 3s}}
fallback: [{{rule: {{constant: "{rule}"}}}}]
upstreams:
  - {{name: one, base_url: "{url}/v1", model: {name}-one, timeouts: {{first_byte: 300ms}}}}
  - {{name: two, base_url: "{url}/v1", model: {name}-two, timeouts: {{first_byte: 300ms}}}}
"""


@dataclass(frozen=True)
class Outcome:
    """What came of the calls of one kind."""

    answered: int
    asked: int
    """Of the upstream."""
    seconds: float


def measure(url: str, upstream: str, name: str) -> Outcome:
    """Call a capability again and again; everybody is to be answered by the rule."""
    body = {"model": name, "messages": [{"role": "user", "content": "where is my bike?"}]}
    begun = time.monotonic()
    with httpx.Client(timeout=20) as client:

        def ask(_: int) -> bool:
            said = client.post(f"{url}/v1/chat/completions", json=body)
            return said.status_code == 200 and RULE in said.text

        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as threads:
            answered = sum(threads.map(ask, range(COUNT)))
        calls = client.get(f"{upstream}/calls").json()
    asked = sum(count for model, count in calls.items() if model.startswith(name))
    return Outcome(answered, asked, time.monotonic() - begun)


def bars(outcomes: dict[str, Outcome]) -> list[Bar]:
    """What must hold of each kind."""
    found = []
    for name, one in outcomes.items():
        kind = KINDS[name]
        say(
            f"{kind}: {one.answered} of {COUNT} answered, upstream asked {one.asked} times in "
            f"{one.seconds:.1f} s"
        )
        found.append(Bar(f"{kind}: upstream calls for each call", one.asked / COUNT, "<= 1.2"))
        found.append(Bar(f"{kind}: calls not answered", COUNT - one.answered, "== 0", COUNT))
    held = outcomes["f08"]
    # Each deployment says "in a second"; those under way when it first says so can't know.
    most = 2 * (AT_ONCE + held.seconds + 1)
    found.append(Bar("Retry-After: calls beyond one a second", max(0.0, held.asked - most), "<= 0"))
    return found


def main() -> int:
    """Measure every kind through one gateway."""
    with tempfile.TemporaryDirectory() as made:
        upstream, port = free_port(), free_port()
        folder = Path(made, "configs", "capabilities")
        folder.mkdir(parents=True)
        address = f"http://127.0.0.1:{upstream}"
        for name in KINDS:
            text = FILE.format(name=name, url=address, rule=RULE)
            (folder / f"{name}.yaml").write_text(text)
        own = {"OPSLAYER_HOME": f"{made}/home", "OPSLAYER_CONFIGS": f"{made}/configs"}
        mock = module("benchmarks.fault_upstream", upstream)
        gateway = module("commands", "serve", "--port", port, OPSLAYER_LOG_LEVEL="error", **own)
        url = f"http://127.0.0.1:{port}"
        with running(mock, f"{address}/calls"), running(gateway, f"{url}/readyz") as answers:
            assert answers, "no gateway"
            outcomes = {name: measure(url, address, name) for name in KINDS}
    return finish("amplify", COUNT * len(KINDS), bars(outcomes))


if __name__ == "__main__":
    sys.exit(main())
