"""Rendering: contract section 6."""

import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import LV2, Open, peak

import plugpen
from plugpen import MidiFile, MidiRenderer, render

RATE = 48000


@pytest.fixture
def song() -> MidiFile:
    """A chord of one second at 120 bpm, after half a second."""
    midi = MidiFile()
    for pitch in (60, 64, 67):
        midi.add_note_on(0, 120, 0, pitch, 100)
        midi.add_note_off(0, 360, 0, pitch)
    return midi


@pytest.fixture
def song_path(song: MidiFile, tmp_path: Path) -> Path:
    path = tmp_path / "song.mid"
    assert song.save(path)
    return path


@pytest.mark.contract("6/rendering: render_midi")
def test_a_render_has_the_music_and_the_tail(epiano: plugpen.Plugin, song: MidiFile) -> None:
    audio = plugpen.render_midi(epiano, song, tail_seconds=0.5)
    assert audio.shape == (2, 2 * RATE)
    assert audio.dtype == np.float32
    assert audio.flags.c_contiguous
    assert peak(audio[:, : RATE // 2 - 100]) < 1e-3
    assert peak(audio[:, RATE // 2 :]) > 0.01


@pytest.mark.contract("6/rendering: tail None, a number, another string")
@pytest.mark.contract("1/signatures: tail: 2 s where it is 0 or above 30")
@pytest.mark.parametrize(("tail", "seconds"), [(None, 2.0), (0, 0.0), (1.5, 1.5), ("0.25", 0.25)])
def test_tails(epiano: plugpen.Plugin, song: MidiFile, tail: Any, seconds: float) -> None:
    renderer = MidiRenderer(epiano, song, tail_seconds=tail)
    assert renderer.midi_duration_seconds == pytest.approx(1.5)
    assert renderer.duration_seconds == pytest.approx(1.5 + seconds)
    assert renderer.total_samples == int((1.5 + seconds) * RATE)


@pytest.mark.contract('6/rendering: tail "auto"')
def test_an_automatic_tail_ends_when_it_is_quiet(epiano: plugpen.Plugin, song: MidiFile) -> None:
    audio = plugpen.render_midi(epiano, song, tail_seconds="auto", tail_threshold=1e-3)
    assert 1.5 * RATE < audio.shape[1] < 31.5 * RATE
    assert audio.shape[1] % 512 == 0
    assert peak(audio[:, -2048:]) < 1e-3
    capped = plugpen.render_midi(
        epiano, song, tail_seconds="auto", tail_threshold=0, max_tail_seconds=0.25
    )
    assert capped.shape[1] == int(1.75 * RATE)


@pytest.mark.contract("6/rendering: midi_file: MidiFile, str")
def test_the_file_may_be_a_path(epiano: plugpen.Plugin, song: MidiFile, song_path: Path) -> None:
    epiano.reset()
    for path in (song_path, str(song_path)):
        audio = plugpen.render_midi(epiano, path, tail_seconds=0)
        assert audio.shape == (2, int(1.5 * RATE))


@pytest.mark.contract("6/rendering: dtype, as_")
def test_dtypes(epiano: plugpen.Plugin, song: MidiFile) -> None:
    audio = plugpen.render_midi(epiano, song, dtype=np.float64, as_=np.ndarray)
    assert audio.dtype == np.float64
    with pytest.raises(ValueError, match="as_"):
        plugpen.render_midi(epiano, song, as_=list)  # type: ignore[arg-type]


@pytest.mark.contract("6/rendering: negative tail", "6/rendering: block_size above max_block_size")
@pytest.mark.contract("0/6 traps: render_midi(block_size=0)")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"block_size": 0}, "block_size"),
        ({"block_size": -5}, "block_size"),
        ({"block_size": 513}, "513"),
        ({"tail_seconds": -1}, "tail_seconds must be >= 0 and finite, got -1"),
        ({"tail_seconds": float("nan")}, "tail_seconds"),
        ({"tail_seconds": "long"}, "could not convert string to float: 'long'"),
        ({"tail_seconds": "auto", "max_tail_seconds": -1}, "max_tail_seconds"),
        ({"tail_seconds": "auto", "tail_threshold": -1}, "tail_threshold"),
    ],
)
def test_values_out_of_range(
    epiano: plugpen.Plugin, song: MidiFile, options: Any, message: str
) -> None:
    for function in (plugpen.render_midi, plugpen.render_midi_stream, MidiRenderer):
        with pytest.raises(ValueError, match=message):
            function(epiano, song, **options)


@pytest.mark.contract("6/rendering: cannot load")
def test_files_that_are_none(epiano: plugpen.Plugin, tmp_path: Path) -> None:
    for path in (tmp_path / "missing.mid", str(tmp_path)):
        with pytest.raises(RuntimeError, match="Failed to load MIDI file"):
            plugpen.render_midi(epiano, path)
    with pytest.raises(TypeError):
        plugpen.render_midi(epiano, 3)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        plugpen.render_midi("plugin", MidiFile())  # type: ignore[arg-type]


@pytest.mark.contract("6/rendering: render_midi_stream")
def test_a_stream_is_the_render_in_blocks(epiano: plugpen.Plugin, song: MidiFile) -> None:
    whole = plugpen.render_midi(epiano, song, block_size=500, tail_seconds=0)
    epiano.restart()
    blocks = list(plugpen.render_midi_stream(epiano, song, 500, tail_seconds=0))
    assert {block.shape for block in blocks} == {(2, 500)}
    assert blocks[0].dtype == np.float32
    streamed = np.concatenate(blocks, axis=1)
    assert streamed.shape == whole.shape
    assert peak(streamed) == pytest.approx(peak(whole), rel=0.2)


@pytest.mark.contract("6/rendering: MidiRenderer")
def test_a_renderer_counts(epiano: plugpen.Plugin, song: MidiFile) -> None:
    renderer = MidiRenderer(epiano, song, block_size=256, tail_seconds=0.001)
    assert (renderer.plugin, renderer.block_size, renderer.sample_rate) == (epiano, 256, RATE)
    assert renderer.channels == 2
    assert renderer.latency_samples == 0
    assert (renderer.current_sample, renderer.progress, renderer.is_finished) == (0, 0.0, False)
    block = renderer.render_block()
    assert block is not None
    assert block.shape == (2, 256)
    assert renderer.current_sample == 256
    assert renderer.current_time == pytest.approx(256 / RATE)
    assert 0.0 < renderer.progress < 1.0
    rest = renderer.render_all()
    assert rest.shape == (2, renderer.total_samples - 256)
    assert renderer.is_finished
    assert renderer.progress == 1.0
    assert renderer.render_block() is None
    assert renderer.render_all().shape == (2, 0)
    renderer.reset()
    assert renderer.current_sample == 0
    assert renderer.render_all().shape == (2, renderer.total_samples)


def test_parameters_set_between_blocks_are_heard(open_plugin: Open) -> None:
    amp = open_plugin(LV2 / "eg-amp.lv2")
    renderer = MidiRenderer(amp, MidiFile(), tail_seconds=0.1)
    for _ in range(3):
        amp.set_param(0, 0.5)
        assert renderer.render_block() is not None


@pytest.mark.contract("6/rendering: latency")
def test_latency_is_made_up_for(open_plugin: Open, epiano: plugpen.Plugin) -> None:
    limiter = open_plugin(LV2 / "ZaMaximX2.lv2")
    midi = MidiFile()
    midi.add_note_on(0, 0, 0, 60, 127)
    midi.add_note_off(0, 60, 0, 60)
    chain = plugpen.PluginChain([epiano, limiter])
    renderer = MidiRenderer(chain, midi, tail_seconds=0.25)
    assert renderer.latency_samples == 480
    audio = renderer.render_all()
    assert audio.shape[1] == renderer.total_samples
    assert peak(audio[:, :480]) > 1e-4


def test_a_chain_renders(open_plugin: Open, epiano: plugpen.Plugin, song: MidiFile) -> None:
    chain = plugpen.PluginChain([epiano, open_plugin(LV2 / "MVerb.lv2")])
    audio = plugpen.render_midi(chain, song, tail_seconds=1.0)
    assert audio.shape == (2, int(2.5 * RATE))
    assert peak(audio) > 0.01


@pytest.mark.contract("6/rendering: render_midi_to_file")
@pytest.mark.parametrize(("bit_depth", "step"), [(16, 2**-15), (24, 2**-23), (32, 0)])
def test_a_render_into_a_file(
    epiano: plugpen.Plugin, song: MidiFile, tmp_path: Path, bit_depth: int, step: float
) -> None:
    path = tmp_path / "song.wav"
    written = plugpen.render_midi_to_file(epiano, song, path, tail_seconds=0, bit_depth=bit_depth)
    assert written == int(1.5 * RATE)
    audio, rate = plugpen.read_audio(path)
    assert (audio.shape, rate) == ((2, written), RATE)
    assert peak(audio) > 0.01
    if step:
        assert np.allclose(audio / step, np.round(audio / step), atol=1e-3)


@pytest.mark.contract("6/rendering: normalize, progress_callback")
def test_a_normalized_file_and_its_progress(
    epiano: plugpen.Plugin, song: MidiFile, tmp_path: Path
) -> None:
    path = tmp_path / "song.wav"
    told: list[tuple[int, int]] = []
    written = plugpen.render_midi_to_file(
        epiano,
        song,
        str(path),
        tail_seconds=0,
        bit_depth=32,
        normalize=-6.0,
        progress_callback=lambda done, total: told.append((done, total)),
    )
    assert peak(plugpen.read_audio(path)[0]) == pytest.approx(10 ** (-6 / 20), rel=1e-5)
    assert told[-1] == (written, written)
    assert len(told) == -(-written // 512)


def test_a_flac_file_and_what_is_left_for_one(
    epiano: plugpen.Plugin, song: MidiFile, tmp_path: Path
) -> None:
    path = tmp_path / "song.flac"
    written = plugpen.render_midi_to_file(epiano, song, path, tail_seconds=0.1, normalize=-3.0)
    audio, rate = plugpen.read_audio(path)
    assert (audio.shape, rate) == ((2, written), RATE)
    assert peak(audio) == pytest.approx(10 ** (-3 / 20), abs=1e-4)
    renderer = MidiRenderer(epiano, song, tail_seconds=0.1)
    first = renderer.render_block()
    assert first is not None
    rest = renderer.render_to_file(tmp_path / "rest.wav", bit_depth=32)
    assert rest == written - first.shape[1]
    assert renderer.is_finished
    with pytest.raises(ValueError, match="bit_depth must be 16 or 24 for FLAC, got 32"):
        plugpen.render_midi_to_file(epiano, song, path, bit_depth=32)


def test_an_exception_of_the_callback_leaves_no_file(
    epiano: plugpen.Plugin, song: MidiFile, tmp_path: Path
) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        plugpen.render_midi_to_file(epiano, song, tmp_path / "a.wav", progress_callback=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.contract("3/PluginChain: midi_dropped")
def test_midi_that_comes_out_is_counted(open_test_plugin: Open) -> None:
    plugin = open_test_plugin("midi")
    midi = MidiFile()
    for tick in (0, 10, 20):
        midi.add_note_on(0, tick, 0, 60, 100)
    renderer = MidiRenderer(plugin, midi, tail_seconds=0.1)
    renderer.render_all()
    assert (renderer.midi_dropped, plugin.midi_out_dropped) == (3, 3)
    chain = plugpen.PluginChain([plugin])
    plugpen.render_midi(chain, midi, tail_seconds=0.1)
    assert chain.midi_dropped == 3


@pytest.mark.contract("6/rendering: bit_depth")
def test_a_file_that_cannot_be_written(
    epiano: plugpen.Plugin, song: MidiFile, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="bit_depth must be 16, 24, or 32, got 8"):
        plugpen.render_midi_to_file(epiano, song, tmp_path / "song.wav", bit_depth=8)
    with pytest.raises(RuntimeError):
        plugpen.render_midi_to_file(epiano, song, tmp_path / "no" / "song.wav", tail_seconds=0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.contract("6/rendering: an empty song")
def test_an_empty_song(epiano: plugpen.Plugin, tmp_path: Path) -> None:
    assert plugpen.render_midi(epiano, MidiFile()).shape == (2, 2 * RATE)
    assert plugpen.render_midi(epiano, MidiFile(), tail_seconds=0).shape == (2, 0)
    path = tmp_path / "empty.wav"
    assert plugpen.render_midi_to_file(epiano, MidiFile(), path, tail_seconds=0) == 0
    assert plugpen.get_audio_info(path)["frames"] == 0


def test_a_plugin_that_dies_ends_the_render(epiano: plugpen.Plugin, song: MidiFile) -> None:
    renderer = MidiRenderer(epiano, song)
    os.kill(epiano.worker_pid, signal.SIGKILL)
    with pytest.raises((plugpen.PluginCrashed, plugpen.PluginDead)):
        renderer.render_all()
    epiano.restart()
    assert MidiRenderer(epiano, song, tail_seconds=0).render_all().shape[1] > 0


@pytest.mark.contract("6/rendering: private helpers")
def test_the_helpers() -> None:
    midi = MidiFile()
    midi.add_track()
    midi.add_tempo(0, 480, 60.0)
    midi.add_note_on(1, 500, 1, 60, 100)
    midi.add_pitch_bend(0, 20, 2, 8192)
    tempos = render._build_tempo_map(midi)
    assert tempos == [(0, 500000.0), (480, 1000000.0)]
    assert render._tick_to_seconds(600, tempos, 120) == pytest.approx(3.0)
    assert render._seconds_to_samples(1.99999, 48000.0) == 95999
    events = render._collect_midi_events(midi)
    assert [event["type"] for event in events] == ["pitch_bend", "note_on"]
    assert render._event_to_midi_tuple(events[0], 5) == (5, 0xE2, 0, 64)
    assert render._event_to_midi_tuple(events[1], 5) == (5, 0x91, 60, 100)
    assert render._event_to_midi_tuple(midi.get_events(0)[0], 5) is None
    assert [render._is_auto_tail(tail) for tail in ("auto", "AUTO", 1.0)] == [True, False, False]


def test_ctrl_c_ends_a_render(epiano: plugpen.Plugin) -> None:
    midi = MidiFile()
    midi.add_note_on(0, 120 * 2 * 1200, 0, 60, 100)
    renderer = MidiRenderer(epiano, midi)
    # Python leaves Ctrl-C alone where it was started with the signal ignored, as in the background.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            renderer.render_all()
    finally:
        signal.signal(signal.SIGINT, before)
    assert renderer.is_finished
    epiano.process(np.zeros((0, 64), np.float32), np.zeros((2, 64), np.float32))


def test_a_progress_callback_may_look_at_its_render_and_not_wait_for_it(
    epiano: plugpen.Plugin, song: MidiFile, tmp_path: Path
) -> None:
    renderer = MidiRenderer(epiano, song, tail_seconds=0)
    seen: list[float] = []

    def look(done: int, total: int) -> None:
        assert (renderer.current_sample, renderer.total_samples) == (done, total)
        seen.append(renderer.progress)

    renderer.render_to_file(tmp_path / "a.wav", progress_callback=look)
    assert seen == sorted(seen)
    assert seen[-1] == renderer.progress == 1.0
    for call in (renderer.render_block, renderer.render_all, renderer.reset):
        renderer.reset()

        def wait(done: int, total: int, call: Any = call) -> None:
            call()

        with pytest.raises(plugpen.WrongState, match="in use"):
            renderer.render_to_file(tmp_path / "b.wav", progress_callback=wait)
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


@pytest.mark.contract("0/6 traps: MIDI output is never dropped without a count")
def test_midi_that_comes_out_of_a_stream_is_counted(open_test_plugin: Open) -> None:
    plugin = open_test_plugin("midi")
    midi = MidiFile()
    for tick in (0, 10, 20):
        midi.add_note_on(0, tick, 0, 60, 100)
    for _ in plugpen.render_midi_stream(plugin, midi, tail_seconds=0.1):
        pass
    assert plugin.midi_out_dropped == 3
