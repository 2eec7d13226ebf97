"""What a configured address leads to is looked at when the socket is made."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.forged_addresses import Watched, ask, prepared, reached, tell, try_sources, urls
from opslayer.capability import Capability
from opslayer.errors import StoreError
from opslayer.reach import METADATA, OWN, Reach, parse_networks
from opslayer.settings import Settings
from opslayer.steps.converse import converse

NOWHERE = Reach((), "NETWORKS")
AT_HOME = Reach(OWN, "NETWORKS")


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1"],
)
def test_public_addresses_may_be_reached(address: str) -> None:
    assert NOWHERE.refusal(address) is None


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.255.255.254", "0.0.0.0", "10.1.2.3", "172.31.0.1", "192.168.0.1",
        "100.64.0.1", "169.254.1.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
        "::", "::1", "::1%lo", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "fe80::1%eth0",
        "fec0::1", "fd00::1", "ff02::1", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "2002:7f00:1::",
        "2001:0:7f00:1::", "4000::1",
    ],
)  # fmt: skip
def test_every_other_address_is_refused_with_the_way_out(address: str) -> None:
    refused = NOWHERE.refusal(address)
    assert refused is not None
    assert "NETWORKS does not allow it" in refused


def test_networks_that_are_named_may_be_reached() -> None:
    reach = Reach(parse_networks("10.0.0.0/8, fd00::/8"), "NETWORKS")
    assert reach.refusal("10.0.0.1") is None
    assert reach.refusal("::ffff:10.0.0.1") is None
    assert reach.refusal("fd00::1") is None
    assert reach.refusal("192.168.0.1") is not None


def test_what_hands_out_credentials_must_be_named_by_itself() -> None:
    everything = Reach(parse_networks("0.0.0.0/0,::/0"), "NETWORKS")
    for address in METADATA:
        assert AT_HOME.refusal(str(address)) is not None
        assert everything.refusal(str(address)) is not None
        assert everything.refusal(f"::ffff:{address}" if address.version == 4 else str(address))
        assert Reach(parse_networks(str(address)), "NETWORKS").refusal(str(address)) is None


def test_upstreams_may_be_at_home_and_webhooks_may_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().upstream_reach.refusal("127.0.0.1") is None
    assert Settings().upstream_reach.refusal("169.254.169.254") is not None
    assert Settings().webhook_reach.refusal("127.0.0.1") is not None
    monkeypatch.setenv("OPSLAYER_UPSTREAM_NETWORKS", "none")
    assert Settings().upstream_reach.refusal("127.0.0.1") is not None


def test_no_spelling_of_a_forbidden_address_is_connected_to() -> None:
    with prepared() as ground:
        forms = urls(ground.port, ground.allowed)
        hooks, (taken, _) = reached(ground.forbidden, lambda: tell(forms, "127.0.0.2/32"))
        upstreams, _ = reached(ground.forbidden, lambda: asyncio.run(ask(forms)))
        turning = [f"http://again.test:{ground.allowed}/"]
        turned, _ = reached(ground.forbidden, lambda: tell(turning, "127.0.0.2/32", 4))
        assert (hooks, upstreams, turned) == (0, 0, 0)
        assert taken > 60
        assert asyncio.run(ask([ground.good])) == 1


def test_flows_ask_no_upstream_at_a_forbidden_address(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Capability.model_validate(
        {
            "name": "desk",
            "kind": "chat",
            "upstreams": [{"name": "one", "base_url": "http://127.0.0.1:9", "model": "one"}],
        }
    )
    monkeypatch.setenv("OPSLAYER_UPSTREAM_NETWORKS", "none")
    asked = [[{"role": "user", "content": "where is my bike?"}]]
    with pytest.raises(StoreError, match="OPSLAYER_UPSTREAM_NETWORKS does not allow it"):
        converse(desk, "upstream", asked)


def test_no_form_of_a_sources_address_leads_to_what_is_forbidden_or_out_of_its_folder() -> None:
    with prepared() as ground:
        bars = try_sources(ground, Watched())
    assert [bar.name for bar in bars if not bar.ok] == []
