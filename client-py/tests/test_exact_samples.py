"""What goes in and what comes out, sample by sample, with plugins that are known exactly."""

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from conftest import Open, missing, peak

import plugpen

Samples = npt.NDArray[np.float32]


@pytest.mark.contract("2/process: process_sidechain, process_sidechain_midi")
def test_a_sidechain_is_another_input(open_test_plugin: Open, noise: Samples) -> None:
    plugin = open_test_plugin("sidechain", sidechain_channels=1)
    assert (plugin.num_input_channels, plugin.sidechain_channels) == (1, 1)
    out = np.zeros((1, 512), np.float32)
    plugin.process_sidechain(noise[:1], out, noise[1:])
    assert np.array_equal(out, noise[:1] * noise[1:])
    assert plugin.process_sidechain_midi(noise[1:], out, noise[1:], []) == []
    assert np.array_equal(out, noise[1:] ** 2)
    plugin.process(noise[:1], out)
    assert not np.any(out)
    with pytest.raises(ValueError, match="Sidechain"):
        plugin.process_sidechain(noise[:1], out, np.zeros((0, 512), np.float32))


@pytest.mark.contract("2/process: double precision without native support")
def test_double_precision_reaches_a_plugin_of_single(
    open_test_plugin: Open, noise: Samples
) -> None:
    plugin = open_test_plugin("gain")
    plugin.set_param(0, 0.5)
    exact = noise.astype(np.float64)
    out = np.zeros_like(exact)
    plugin.process_double(exact, out)
    assert np.array_equal(out, exact * 2)


@pytest.mark.contract("0/6 traps: latency before the first block")
def test_latency_is_known_and_follows_the_parameter(open_test_plugin: Open, noise: Samples) -> None:
    plugin = open_test_plugin("latency")
    assert plugin.latency_samples == 480
    out = np.zeros_like(noise)
    plugin.process(noise, out)
    assert np.array_equal(out[:, 480:], noise[:, :-480])
    plugin.set_param(0, plugin.param_from_text(0, "100"))
    plugin.process(noise, out)
    plugin.poll_callbacks()
    assert plugin.latency_samples == 100


@pytest.mark.contract("0/6 traps: bypass without a bypass parameter is the host's")
def test_bypass_is_aligned_with_the_latency(open_test_plugin: Open, noise: Samples) -> None:
    plugin = open_test_plugin("latency")
    plugin.bypass = True
    plugin.reset()
    out = np.zeros_like(noise)
    for _ in range(20):
        plugin.process(noise, out)
    assert np.allclose(out[:, 480:], noise[:, :-480], atol=1e-6)


@pytest.mark.contract("0/8 more than minihost: SysEx and events of any length")
def test_midi_passes_whole_and_at_its_frame(open_test_plugin: Open) -> None:
    plugin = open_test_plugin("midi")
    clicks, empty = np.zeros((1, 64), np.float32), np.zeros((0, 64), np.float32)
    long = b"\xf0" + bytes(range(120)) * 3 + b"\xf7"
    events = [
        (0, 0x90, 127, 1),
        (7, 0xC3, 64, 0),
        (7, b"\xf0\x7e\xf7"),
        (20, long),
        (63, b"\xe0\x7f\x01"),
    ]
    heard = plugin.process_midi(empty, clicks, events)
    assert heard == [*events[:4], (63, 0xE0, 127, 1)]
    assert clicks[0, 0] == 1.0
    assert clicks[0, 63] == 1.0
    assert np.flatnonzero(clicks[0]).tolist() == [0, 7, 63]


@pytest.fixture
def open_vst3(open_plugin: Open) -> Open:
    """Opens one of the repository's own plugins, by name, as VST3: those compute in 64 bits."""
    plugins = os.environ.get("PLUGPEN_TEST_PLUGINS")
    if not plugins:
        missing("no test plugins; set PLUGPEN_TEST_PLUGINS to the folder of plugpen-test.vst3")

    def open_vst3(name: str, **options: object) -> plugpen.Plugin:
        return open_plugin(Path(plugins) / "plugpen-test.vst3", plugin=name, **options)

    return open_vst3


@pytest.mark.contract(
    "0/8 more than minihost: double precision with MIDI, automation and sidechain"
)
def test_double_precision_goes_with_everything(open_vst3: Open) -> None:
    exact = 1.0 / np.arange(3.0, 67.0)[np.newaxis, :].repeat(2, axis=0)
    out = np.zeros_like(exact)
    gain = open_vst3("Test Gain")
    gain.processing_precision = plugpen.MH_PRECISION_DOUBLE
    changes = [(0, 0, 0.25), (32, 0, 0.5)]
    expected = exact * np.repeat([1.0, 2.0], 32)
    assert gain.process_auto(exact, out, [(5, 0x90, 60, 1)], changes) == []
    assert np.array_equal(out, expected)
    out[:] = 0
    none = np.zeros((0, 64))
    gain.process_sidechain_midi(exact, out, none, [(5, 0x90, 60, 1)], param_changes=changes)
    assert np.array_equal(out, expected)
    gain.process(exact, out)
    assert np.array_equal(out, exact * 2.0)
    gain.process_midi(exact.astype(np.float32), out, [])
    assert np.array_equal(out, exact.astype(np.float32) * 2.0)
    # float32 arrays are played in single precision meanwhile.
    single = np.zeros_like(exact, np.float32)
    gain.process(exact, single)
    assert np.array_equal(single, exact.astype(np.float32) * np.float32(2.0))

    product = open_vst3("Test Sidechain", sidechain_channels=1)
    product.processing_precision = plugpen.MH_PRECISION_DOUBLE
    out = np.zeros((1, 64))
    assert product.process_sidechain_midi(exact[:1], out, exact[1:], [(0, 0x90, 60, 1)]) == []
    assert np.array_equal(out, exact[:1] * exact[1:])
    product.process_sidechain(exact[:1] * 3, out, exact[1:])
    assert np.array_equal(out, exact[:1] * 3 * exact[1:])


@pytest.mark.contract("2/misc: the playhead does not advance by itself")
def test_the_playhead_is_the_callers(open_test_plugin: Open) -> None:
    plugin = open_test_plugin("transport")
    out, empty = np.zeros((8, 64), np.float32), np.zeros((0, 64), np.float32)
    plugin.set_transport(120, position_samples=1000, position_beats=2.5)
    for _ in range(3):
        plugin.process(empty, out)
        assert out[1:3, 0].tolist() == [2.5, 1000.0]


@pytest.mark.contract("0/5 corrections: renders set the transport from the tempo map")
def test_a_render_sets_the_transport(open_test_plugin: Open) -> None:
    midi = plugpen.MidiFile()
    midi.add_tempo(0, 120, 60.0)
    midi.add_note_on(0, 240, 0, 60, 100)
    midi.add_meta(0, 120, 0x58, bytes([3, 3, 24, 8]))
    plugin = open_test_plugin("transport")
    # Half a second of 120 bpm, then 60.
    audio = plugpen.render_midi(plugin, midi, block_size=480, tail_seconds=0)
    tempo, beats, frames, speed, upper, lower = audio[:6, ::480]
    assert tempo.tolist() == [120.0] * 50 + [60.0] * 100
    assert beats[[0, 25, 50, 100]] == pytest.approx([0.0, 0.5, 1.0, 1.5])
    assert frames.tolist() == [480.0 * block for block in range(150)]
    assert set(speed) == {1.0}
    assert (upper[49], lower[49], upper[50], lower[50]) == (4.0, 4.0, 3.0, 8.0)


@pytest.mark.contract("2/misc: set_transport")
def test_a_transport_arrives_with_its_block(open_test_plugin: Open) -> None:
    plugin = open_test_plugin("transport")
    out, empty = np.zeros((8, 64), np.float32), np.zeros((0, 64), np.float32)
    plugin.set_transport(90, 3, 8, position_samples=48000, position_beats=1.5)
    plugin.process(empty, out)
    assert out[:6, 63].tolist() == [90.0, 1.5, 48000.0, 1.0, 3.0, 8.0]
    plugin.set_transport(120, is_playing=False)
    plugin.process(empty, out)
    assert out[0, 63] == 120.0
    assert out[3, 63] == 0.0


def test_a_render_is_the_same_however_it_is_taken(open_test_plugin: Open) -> None:
    midi = plugpen.MidiFile()
    for tick in range(0, 480, 37):
        midi.add_note_on(0, tick, 0, 60 + tick % 11, 100)
        midi.add_note_off(0, tick + 30, 0, 60 + tick % 11)
    plugin = open_test_plugin("beep")

    def taken(how: str) -> Samples:
        renderer = plugpen.MidiRenderer(plugin, midi, 500, tail_seconds=0.1)
        renderer.reset()
        if how == "blocks":
            blocks = []
            while (block := renderer.render_block()) is not None:
                blocks.append(block)
        elif how == "some":
            blocks = [renderer.render_block(), renderer.render_all()]
        else:
            blocks = [renderer.render_all()]
        return np.concatenate(blocks, axis=1)

    whole = taken("whole")
    assert peak(whole) > 0.1
    # Its voices may be summed in another order.
    assert np.allclose(taken("blocks"), whole, atol=1e-6)
    assert np.allclose(taken("some"), whole, atol=1e-6)


@pytest.mark.contract("0/5 corrections: renders compensate latency")
def test_a_render_has_no_latency(open_test_plugin: Open) -> None:
    midi = plugpen.MidiFile()
    midi.add_note_on(0, 24, 0, 69, 127)
    midi.add_note_off(0, 240, 0, 69)
    synth, late = open_test_plugin("beep"), open_test_plugin("latency")
    plain = plugpen.render_midi(synth, midi, tail_seconds=0.5)
    synth.reset()
    chain = plugpen.PluginChain([synth, late])
    assert chain.latency_samples == 480
    for block_size in (512, 100):
        synth.reset()
        delayed = plugpen.render_midi(chain, midi, block_size, tail_seconds=0.5)
        assert np.array_equal(delayed, plain)


def test_a_dry_mix_is_aligned_with_the_latency(open_test_plugin: Open, noise: Samples) -> None:
    chain = plugpen.PluginChain([open_test_plugin("latency")])
    chain.set_mix(0, 0.5)
    out = np.zeros_like(noise)
    chain.process(noise, out)
    assert np.allclose(out[:, 480:], noise[:, :-480], atol=1e-6)
    assert not np.any(out[:, :480])
