"""Plugins that do what no plugin should: contract decision 6 and the table of deaths."""

import signal

import numpy as np
import pytest
from conftest import Open

import plugpen

SEGV, ABORT, EXIT, KILL, PRINT, NAN = 1, 2, 3, 7, 8, 12
BLOCK = np.ones((1, 64), np.float32)


def play(plugin: plugpen.Plugin) -> np.ndarray:
    out = np.zeros_like(BLOCK)
    plugin.process(BLOCK, out)
    return out


@pytest.fixture
def villain(open_test_plugin: Open) -> plugpen.Plugin:
    """Does a deed when its parameters say so."""
    return open_test_plugin("villain")


def tell(villain: plugpen.Plugin, when: str, deed: int) -> None:
    villain.set_param_by_name(when, deed / 12)


@pytest.mark.parametrize(
    ("deed", "kind", "number"),
    [
        (SEGV, "SIGNAL", signal.SIGSEGV),
        (ABORT, "SIGNAL", signal.SIGABRT),
        (EXIT, "EXIT", 0),
        (KILL, "KILLED", signal.SIGKILL),
    ],
)
def test_a_death_in_a_block(villain: plugpen.Plugin, deed: int, kind: str, number: int) -> None:
    assert np.array_equal(play(villain), BLOCK)
    tell(villain, "In run", deed)
    with pytest.raises(plugpen.PluginCrashed) as raised:
        play(villain)
    death = raised.value.death
    assert death is not None
    assert (death.kind, death.signal, death.call) == (kind, number, "process")
    if deed == EXIT:
        assert death.exit_code == 3
    with pytest.raises(plugpen.PluginDead):
        play(villain)
    # It would die again with all its parameters: the culprit stays set.
    assert villain.death == death


def test_a_death_in_a_call_names_the_call(villain: plugpen.Plugin) -> None:
    tell(villain, "In save", SEGV)
    with pytest.raises(plugpen.PluginCrashed) as raised:
        villain.get_state()
    assert raised.value.death is not None
    assert raised.value.death.call == "GetState"
    assert raised.value.death.signal == signal.SIGSEGV
    villain.restart()
    assert np.array_equal(play(villain), BLOCK)


def test_a_death_in_a_chain_spares_the_others(villain: plugpen.Plugin, amp: plugpen.Plugin) -> None:
    chain = plugpen.PluginChain([amp, villain])
    out = np.zeros_like(BLOCK)
    chain.process(BLOCK, out)
    tell(villain, "In run", SEGV)
    with pytest.raises(plugpen.PluginCrashed):
        chain.process(BLOCK, out)
    amp.process(BLOCK, out)
    with pytest.raises(plugpen.PluginDead):
        chain.process(BLOCK, out)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("born-crashing", plugpen.PluginCrashed),
        ("born-exiting", plugpen.PluginCrashed),
        ("born-refusing", plugpen.PluginError),
        ("needs-the-moon", plugpen.PluginError),
        ("not-in-library", plugpen.PluginError),
        ("no-library", plugpen.PluginError),
    ],
)
def test_a_plugin_that_does_not_open(
    open_test_plugin: Open, name: str, error: type[plugpen.PluginError]
) -> None:
    with pytest.raises(error) as raised:
        open_test_plugin(name)
    assert isinstance(raised.value, RuntimeError)
    assert (raised.value.death is None) == (error is plugpen.PluginError)


def test_its_last_words_are_kept(villain: plugpen.Plugin) -> None:
    tell(villain, "In run", PRINT)
    play(villain)
    tell(villain, "In run", ABORT)
    with pytest.raises(plugpen.PluginCrashed) as raised:
        play(villain)
    assert raised.value.death is not None
    assert any("xxx" in line for line in raised.value.death.output)


def test_what_is_no_number_is_passed_on(villain: plugpen.Plugin) -> None:
    tell(villain, "In run", NAN)
    assert np.all(np.isnan(play(villain)))
