"""PluginChain: contract section 3."""

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import LV2, Open, peak

import plugpen

GAIN = 10 ** (6 / 20)


@pytest.fixture
def amps(open_plugin: Open) -> list[plugpen.Plugin]:
    """Three amplifiers of +6 dB."""
    amps = [open_plugin(LV2 / "eg-amp.lv2") for _ in range(3)]
    for amp in amps:
        amp.set_param(0, amp.param_from_text(0, "6"))
    return amps


@pytest.mark.contract(
    "3/PluginChain: get_plugin",
    "3/PluginChain: get_plugin: bad index",
    "3/PluginChain: tail_seconds, latency_samples",
    "3/PluginChain: sample_rate is read-only",
)
def test_what_a_chain_is(amps: list[plugpen.Plugin]) -> None:
    chain = plugpen.PluginChain(amps)
    assert chain.num_plugins == 3
    assert (chain.num_input_channels, chain.num_output_channels) == (1, 1)
    assert chain.sample_rate == 48000.0
    assert chain.latency_samples == 0
    assert chain.tail_seconds == max(amp.tail_seconds for amp in amps)
    assert chain.max_block_size == 512
    assert chain.get_plugin(1) is amps[1]
    for index in (3, -1):
        with pytest.raises(RuntimeError, match="out of range"):
            chain.get_plugin(index)
    with pytest.raises(AttributeError):
        chain.sample_rate = 44100.0  # type: ignore[misc]


@pytest.mark.contract(
    "1/signatures: PluginChain",
    "0/7 decided: a tuple for a list, a Path for a str",
)
def test_a_chain_plays_one_after_the_other(amps: list[plugpen.Plugin], noise: np.ndarray) -> None:
    chain = plugpen.PluginChain(tuple(amps))
    out = np.zeros((1, 512), np.float32)
    assert chain.process(noise[:1], out) is None
    assert np.allclose(out, noise[:1] * GAIN**3, atol=1e-4)


@pytest.mark.contract(
    "3/PluginChain: tail_seconds, latency_samples",
    "0/7 decided: chain tail_seconds is the maximum",
)
def test_the_longest_tail_counts(open_plugin: Open, test_bundles: Path) -> None:
    echoes = [open_plugin(test_bundles / "plugpen-test.vst3", plugin="Test Echo") for _ in "ab"]
    assert [echo.tail_seconds for echo in echoes] == [0.5, 0.5]
    assert plugpen.PluginChain(echoes).tail_seconds == 0.5


@pytest.mark.contract("3/PluginChain: tail_seconds, latency_samples")
def test_latencies_add_up(open_plugin: Open) -> None:
    plugins = [open_plugin(LV2 / "ZaMaximX2.lv2") for _ in range(2)]
    assert plugpen.PluginChain(plugins).latency_samples == 960


@pytest.mark.contract("3/PluginChain: channels that do not match")
def test_channels_that_do_not_match(open_plugin: Open, amps: list[plugpen.Plugin]) -> None:
    delay = open_plugin(LV2 / "mda.lv2", plugin="MDA Delay")
    samples = np.ones((1, 64), np.float32)
    out = np.zeros((2, 64), np.float32)
    chain = plugpen.PluginChain([amps[0], delay])
    assert (chain.num_input_channels, chain.num_output_channels) == (1, 2)
    chain.process(samples, out)
    assert peak(out) > 0.1


@pytest.mark.contract(
    "3/PluginChain: keeps its plugins alive",
    "0/5 corrections: chains keep their plugins alive",
)
def test_a_chain_keeps_its_plugins(open_plugin: Open) -> None:
    chain = plugpen.PluginChain([plugpen.Plugin(LV2 / "eg-amp.lv2") for _ in range(2)])
    gc.collect()
    out = np.zeros((1, 64), np.float32)
    chain.process(out.copy(), out)


@pytest.mark.contract("3/PluginChain: []")
@pytest.mark.parametrize("plugins", [[], ()])
def test_an_empty_chain(plugins: Any) -> None:
    with pytest.raises(RuntimeError, match="at least one plugin"):
        plugpen.PluginChain(plugins)


@pytest.mark.contract("3/PluginChain: not a Plugin")
@pytest.mark.parametrize("plugins", [None, 3, [3], ["eg-amp.lv2"]])
def test_what_are_no_plugins(plugins: Any) -> None:
    with pytest.raises(TypeError):
        plugpen.PluginChain(plugins)


@pytest.mark.contract(
    "3/PluginChain: rates differ",
    "3/PluginChain: the same plugin twice",
    "3/PluginChain: a closed plugin",
)
def test_what_cannot_be_chained(open_plugin: Open, amps: list[plugpen.Plugin]) -> None:
    slow = open_plugin(LV2 / "eg-amp.lv2", 44100)
    with pytest.raises(RuntimeError, match="Sample rate mismatch"):
        plugpen.PluginChain([amps[0], slow])
    with pytest.raises(RuntimeError, match="same instance"):
        plugpen.PluginChain([amps[0], amps[0]])
    slow.close()
    with pytest.raises(RuntimeError, match="closed"):
        plugpen.PluginChain([slow])


@pytest.mark.contract(
    "3/PluginChain: process: the least max_block_size",
    "3/PluginChain: process: 0 frames",
)
def test_blocks_that_do_not_fit(amps: list[plugpen.Plugin]) -> None:
    chain = plugpen.PluginChain(amps)
    for frames in (0, 513):
        block = np.zeros((1, frames), np.float32)
        with pytest.raises(RuntimeError, match="rame"):
            chain.process(block, block.copy())


@pytest.mark.contract(
    "3/PluginChain: MIDI: to the first that accepts it, carried on, returned from the last",
    "0/3 both spellings: midi_events or midi_in",
)
def test_midi_goes_to_the_first_that_takes_it(open_plugin: Open, epiano: plugpen.Plugin) -> None:
    reverb = open_plugin(LV2 / "MVerb.lv2")
    chain = plugpen.PluginChain([epiano, reverb])
    silence, out = np.zeros((2, 512), np.float32), np.zeros((2, 512), np.float32)
    assert chain.process_midi(silence, out, [(0, 0x90, 60, 100)]) == []
    for _ in range(10):
        chain.process_midi(silence, out, midi_events=[])
    assert peak(out) > 1e-3
    chain.process_midi(silence, out, midi_in=[])
    with pytest.raises(TypeError, match="midi_in"):
        chain.process_midi(silence, out)
    assert chain.midi_dropped == 0


@pytest.mark.contract(
    "3/PluginChain: MIDI: to the first that accepts it, carried on, returned from the last",
)
def test_midi_is_carried_on(open_plugin: Open, epiano: plugpen.Plugin) -> None:
    fifths = open_plugin(LV2 / "eg-fifths.lv2")
    alone, out = np.zeros((2, 512), np.float32), np.zeros((2, 512), np.float32)
    chain = plugpen.PluginChain([fifths, epiano])
    empty = np.zeros((0, 512), np.float32)
    chain.process_midi(empty, out, [(0, 0x90, 60, 100)])
    epiano.reset()
    epiano.process_midi(empty, alone, [(0, 0x90, 60, 100)])
    assert peak(out) > 1e-4
    assert not np.allclose(out, alone, atol=1e-4)


@pytest.mark.contract("3/PluginChain: process_auto")
def test_changes_name_their_plugin(amps: list[plugpen.Plugin]) -> None:
    chain = plugpen.PluginChain(amps)
    ones, out = np.ones((1, 100), np.float32), np.zeros((1, 100), np.float32)
    unity = amps[0].param_from_text(0, "0")
    chain.process_auto(ones, out, [], [(50, 2, 0, unity), (0, 0, 0, unity)])
    expected = np.concatenate([np.full(50, GAIN**2), np.full(50, GAIN)])
    assert np.allclose(out[0], expected, atol=1e-4)
    assert amps[1].get_param(0) != pytest.approx(unity, abs=1e-6)


@pytest.mark.contract("3/PluginChain: process_auto: bad plugin_index")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((0, 3, 0, 0.5), r"plugin_index must be an integer in \[0, 2\]"),
        ((0, -1, 0, 0.5), "plugin_index must be an integer"),
        ((0, 0, 1, 0.5), r"param_index must be an integer in \[0, 0\]"),
        ((0, 0, 0.5), "automation entry must be a tuple"),
    ],
)
def test_malformed_changes(amps: list[plugpen.Plugin], change: Any, message: str) -> None:
    chain = plugpen.PluginChain(amps)
    block = np.zeros((1, 64), np.float32)
    with pytest.raises(ValueError, match=message):
        chain.process_auto(block, block.copy(), [], [change])


@pytest.mark.contract("3/PluginChain: set_mix, get_mix")
def test_mixes(amps: list[plugpen.Plugin]) -> None:
    chain = plugpen.PluginChain(amps)
    ones, out = np.ones((1, 64), np.float32), np.zeros((1, 64), np.float32)
    assert chain.get_mix(1) == 1.0
    chain.set_mix(1, 0.5)
    assert chain.get_mix(1) == 0.5
    chain.process(ones, out)
    assert np.allclose(out, GAIN * (0.5 + 0.5 * GAIN) * GAIN, atol=1e-4)
    for index, mix in ((3, 0.5), (0, 1.5), (0, -0.1), (0, float("nan"))):
        with pytest.raises(RuntimeError):
            chain.set_mix(index, mix)


@pytest.mark.contract("0/3 both spellings: enabled or non_realtime")
def test_reset_and_non_realtime(amps: list[plugpen.Plugin]) -> None:
    chain = plugpen.PluginChain(amps)
    chain.reset()
    chain.set_non_realtime(True)
    assert all(amp.non_realtime for amp in amps)
    chain.set_non_realtime(enabled=False)
    chain.set_non_realtime(non_realtime=False)
    assert not any(amp.non_realtime for amp in amps)
    with pytest.raises(TypeError):
        chain.set_non_realtime()


@pytest.mark.contract("2/properties: sample_rate: not while in a chain")
def test_the_rate_is_fixed_while_chained(amps: list[plugpen.Plugin]) -> None:
    with plugpen.PluginChain(amps) as chain:
        with pytest.raises(RuntimeError, match="chain"):
            amps[0].sample_rate = 44100
        assert chain.sample_rate == 48000
    amps[0].sample_rate = 44100


@pytest.mark.contract("3/PluginChain: close, context manager")
def test_closing_a_chain_leaves_its_plugins(amps: list[plugpen.Plugin]) -> None:
    chain = plugpen.PluginChain(amps)
    chain.close()
    chain.close()
    block = np.zeros((1, 64), np.float32)
    with pytest.raises(RuntimeError, match="closed"):
        chain.process(block, block.copy())
    amps[0].process(block, block.copy())


def test_a_chain_shows_what_it_is(amps: list[plugpen.Plugin]) -> None:
    assert repr(plugpen.PluginChain(amps)).startswith("<plugpen.PluginChain Simple Amplifier")
