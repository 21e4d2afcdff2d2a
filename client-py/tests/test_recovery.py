"""Plugins that come back by themselves, limits, and replays of deaths."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Open

import plugpen

IN_RUN, IN_SAVE, SEGV = 0, 1, 1 / 12


def wait_until_dead(plugin: plugpen.Plugin) -> None:
    give_up = time.monotonic() + 30
    while plugin.is_alive:
        assert time.monotonic() < give_up, "the plugin lives on"


def test_the_next_call_finds_what_was_there(open_test_plugin: Open) -> None:
    told: list[dict[str, Any]] = []
    plugin = open_test_plugin("villain", restart="on-crash")
    plugin.set_life_callback(told.append)
    plugin.set_param(IN_SAVE, SEGV)
    with pytest.raises(plugpen.PluginCrashed):
        plugin.get_state()
    assert plugin.get_param(IN_SAVE) == pytest.approx(SEGV, abs=1e-6)
    assert plugin.is_alive
    plugin.poll_callbacks()
    assert [event["event"] for event in told] == ["died", "restored"]
    assert told[0]["death"].signal == signal.SIGSEGV
    assert told[1]["generation"] == 2


def test_a_kill_is_a_crash_for_always_only(open_test_plugin: Open) -> None:
    block = np.ones((1, 64), np.float32)
    for restart, comes_back in [("always", True), ("on-crash", False), (None, False)]:
        plugin = open_test_plugin("villain", restart=restart)
        os.kill(plugin.worker_pid, signal.SIGKILL)
        wait_until_dead(plugin)
        if comes_back:
            plugin.process(block, block)
        else:
            with pytest.raises(plugpen.PluginDead):
                plugin.process(block, block)


def test_a_chain_plays_on(open_test_plugin: Open) -> None:
    plugin = open_test_plugin("villain")
    with plugpen.PluginChain([plugin]) as chain:
        assert chain.on_dead == "error"
        chain.on_dead = "dry"
        os.kill(plugin.worker_pid, signal.SIGKILL)
        wait_until_dead(plugin)
        block = np.full((1, 64), 0.5, np.float32)
        output = np.zeros_like(block)
        chain.process(block, output)
        assert (output == 0.5).all()
        with pytest.raises(plugpen.InvalidInput, match="silence"):
            chain.on_dead = "loud"


def test_a_death_is_replayed(target: str, test_bundles: Path) -> None:
    with plugpen.connect(target) as server:
        bundle = test_bundles / "plugpen-test.lv2"
        plugin = server.Plugin(bundle, plugin="urn:plugpen:test:villain")
        plugin.set_param(IN_SAVE, SEGV)
        with pytest.raises(plugpen.PluginCrashed) as raised:
            plugin.get_state()
        assert raised.value.death is not None
        report = raised.value.death.report_id
        recording = server.recording(report)
        assert recording.startswith(b"plugpen recording 1\n")
        for what in (report, recording):
            outcome = server.replay(what)
            assert outcome["same"]
            assert outcome["replayed"].signal == signal.SIGSEGV
        with pytest.raises(plugpen.PluginNotFound):
            server.recording("0123456789abcdef")


def test_mistakes_are_named(open_test_plugin: Open) -> None:
    for wrong, word in [
        ({"restart": "sometimes"}, "on-crash"),
        ({"recording": "some"}, "calls"),
        ({"limits": {"ram": 1}}, "memory_bytes"),
        ({"limits": {"memory_bytes": 1 << 60}}, "worker_memory_bytes"),
    ]:
        with pytest.raises(plugpen.InvalidInput, match=word):
            open_test_plugin("villain", **wrong)
