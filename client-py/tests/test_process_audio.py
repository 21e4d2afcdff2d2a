"""process_audio, process_audio_stream, process_audio_to_file: contract section 12."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Open, peak

import plugpen
from plugpen import process_audio, process_audio_stream, process_audio_to_file

RATE = 48000


@pytest.fixture
def long(noise: np.ndarray) -> np.ndarray:
    """Two channels of 4,800 frames."""
    return np.tile(noise, 10)[:, :4800]


def test_audio_comes_out_in_step(open_test_plugin: Open, long: np.ndarray) -> None:
    late = open_test_plugin("latency")
    out = process_audio(late, long)
    assert (out.dtype, out.shape) == (np.float32, (2, 4800))
    assert np.array_equal(out, long)
    late.reset()
    raw = process_audio(late, long, compensate_latency=False)
    assert raw.shape == (2, 4800)
    assert peak(raw[:, :480]) == 0.0
    assert np.array_equal(raw[:, 480:], long[:, :-480])


@pytest.mark.parametrize("block_size", [1, 100, 512, None])
def test_blocks_of_any_size_give_the_same(
    open_test_plugin: Open, long: np.ndarray, block_size: int | None
) -> None:
    echo = open_test_plugin("echo")
    out = process_audio(echo, long[:, :1500], 0.05, block_size)
    assert out.shape == (2, 1500 + 2400)
    expected = np.zeros((2, 3900), np.float32)
    expected[:, :1500] = long[:, :1500]
    for frame in range(1000, 3900):
        expected[:, frame] += expected[:, frame - 1000] * np.float32(0.5)
    assert np.allclose(out, expected, atol=1e-6)


def test_tails(open_test_plugin: Open, long: np.ndarray) -> None:
    echo = open_test_plugin("echo")
    impulse = np.zeros((2, 100), np.float32)
    impulse[:, 0] = 1.0

    def length(tail: Any, **more: Any) -> int:
        echo.reset()
        return int(process_audio(echo, impulse, tail, **more).shape[1])

    assert length(0.0) == 100
    assert length(0.25) == 100 + RATE // 4
    reported = echo.tail_seconds
    assert length(None) == 100 + int((reported if 0 < reported <= 30 else 2.0) * RATE)
    # Halves every 1,000 frames: below a tenth after 4,000, then four blocks of silence.
    heard = length("auto", tail_threshold=0.1, block_size=500)
    assert heard == 3500 + 4 * 500
    assert length("auto", tail_threshold=0.0, max_tail_seconds=0.1) == 100 + RATE // 10
    with pytest.raises(ValueError, match="could not convert string to float"):
        length("soon")
    with pytest.raises(ValueError, match="tail_seconds must be >= 0 and finite, got -1"):
        length(-1)


def test_a_stream_is_the_whole_in_pieces(open_test_plugin: Open, long: np.ndarray) -> None:
    late = open_test_plugin("latency")
    told: list[tuple[int, int]] = []
    blocks = list(
        process_audio_stream(
            late, long, 0.01, progress_callback=lambda *at: told.append(at), as_=np.ndarray
        )
    )
    assert all(block.dtype == np.float32 and block.shape[0] == 2 for block in blocks)
    assert max(block.shape[1] for block in blocks) == 512
    whole = np.concatenate(blocks, axis=1)
    assert np.array_equal(whole[:, :4800], long)
    assert whole.shape == (2, 5280)
    assert told[-1] == (5280, 5280)
    # What is done in between is heard in the very next block.
    gain = open_test_plugin("gain")
    heard = []
    for block in process_audio_stream(gain, np.ones((2, 1024)), block_size=256):
        heard.append(float(block[0, 0]))
        gain.set_param(0, 0.5)
    assert heard == [1.0, 2.0, 2.0, 2.0]
    with pytest.raises(ValueError, match="as_"):
        process_audio_stream(late, long, as_=list)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="block_size"):
        process_audio_stream(late, long, block_size=0)


def test_automation_is_exact_to_the_frame(open_test_plugin: Open) -> None:
    gain = open_test_plugin("gain")
    ones = np.ones((2, 2000), np.float32)
    changes = [(1500, 0, 0.0), (-5, 0, 0.5), (700, 0, 0.25), (99_999, 0, 1.0), (700.0, 0, 0.125)]
    with pytest.raises(ValueError, match="sample_offset must be an integer"):
        process_audio(gain, ones, param_changes=changes)  # type: ignore[arg-type]
    out = process_audio(gain, ones, param_changes=changes[:4])  # type: ignore[arg-type]
    for begin, end, value in ((0, 700, 2.0), (700, 1500, 1.0), (1500, 2000, 0.0)):
        assert np.all(out[:, begin:end] == value)
    for entry in ((0, 99, 0.5), (0, 0, 0, 0.5), (0, 0, float("nan"))):
        with pytest.raises(ValueError, match="automation entry"):
            process_audio(gain, ones, param_changes=[entry])  # type: ignore[list-item]


def test_automation_of_a_chain_names_its_plugin(open_test_plugin: Open) -> None:
    chain = plugpen.PluginChain([open_test_plugin("gain"), open_test_plugin("gain")])
    ones = np.ones((2, 1200), np.float32)
    changes = [(0, 0, 0, 0.5), (600, 1, 0, 0.5), (900, 0, 0, 0.0)]
    out = process_audio(chain, ones, param_changes=changes, block_size=512)
    assert [float(out[1, at]) for at in (0, 599, 600, 899, 900, 1199)] == [2, 2, 4, 4, 0, 0]
    for entry in ((0, 2, 0, 0.5), (0, 0, 0.5), (0, 1, 9, 0.5)):
        with pytest.raises(ValueError, match="automation entry"):
            process_audio(chain, ones, param_changes=[entry])  # type: ignore[list-item]


def test_one_channel_becomes_all(open_test_plugin: Open, long: np.ndarray) -> None:
    gain = open_test_plugin("gain")
    for mono in (long[:1], long[0]):
        assert np.array_equal(process_audio(gain, mono), np.tile(long[:1], (2, 1)))
    three = np.concatenate([long, long[:1]])
    assert np.array_equal(process_audio(gain, three), long)
    assert process_audio(gain, np.zeros((2, 0), np.float32)).shape == (2, 0)
    # Other types and layouts are converted.
    assert np.array_equal(process_audio(gain, long.astype(np.float64)), long)
    assert np.array_equal(process_audio(gain, np.asfortranarray(long)), long)


def test_midi_sounds_and_what_comes_out_is_counted(open_test_plugin: Open) -> None:
    midi = open_test_plugin("midi")
    events = [(1000, 0x90, 127, 1), (10, 0x90, 127, 1)]
    out = process_audio(midi, midi=events)
    assert out.shape == (1, 1001)
    assert np.flatnonzero(out[0]).tolist() == [10, 1000]
    assert midi.midi_out_dropped == 2
    assert process_audio(midi, np.zeros((1, 3000), np.float32), midi=events).shape == (1, 3000)
    chain = plugpen.PluginChain([midi])
    process_audio(chain, midi=[*events, (5, b"\xf0\x01\xf7")])
    assert chain.midi_dropped == 3
    with pytest.raises(ValueError, match="nothing to render"):
        process_audio(midi)
    assert process_audio(midi, tail_seconds=0.5).shape == (1, RATE // 2)
    with pytest.raises(RuntimeError, match="Failed to load MIDI file"):
        process_audio(midi, midi="missing.mid")


def test_the_transport(open_test_plugin: Open, tmp_path: Path) -> None:
    transport = open_test_plugin("transport")
    out = process_audio(transport, tail_seconds=0.1, bpm=90.0, block_size=480)
    assert out[0, 0] == 90.0
    assert out[1, 480] == pytest.approx(480 / RATE * 1.5)
    song = plugpen.MidiFile()
    song.add_tempo(0, 0, 60.0)
    song.add_note_on(0, 120, 0, 60, 100)
    song.save(str(tmp_path / "song.mid"))
    for midi in (song, tmp_path / "song.mid"):
        out = process_audio(transport, midi=midi)
        assert (
            out.shape[1] == plugpen.render_midi(transport, song, tail_seconds=0.0).shape[1] == RATE
        )
        assert out[0, -1] == 60.0
        assert process_audio(transport, midi=midi, bpm=33.0)[0, 0] == 33.0
    for bpm in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="bpm"):
            process_audio(transport, tail_seconds=0.1, bpm=bpm)


def test_a_sidechain(open_test_plugin: Open, long: np.ndarray, tmp_path: Path) -> None:
    plugin = open_test_plugin("sidechain", sidechain_channels=1)
    out = process_audio(plugin, long[:1], sidechain=np.full((1, 1000), 0.5))
    assert np.allclose(out[:, :1000], long[:1, :1000] * 0.5)
    assert peak(out[:, 1000:]) == 0.0
    plugpen.write_audio(tmp_path / "key.wav", np.full((1, 2000), 0.25), RATE, 32)
    written = process_audio_to_file(
        plugin, long[:1], tmp_path / "out.wav", bit_depth=32, sidechain=tmp_path / "key.wav"
    )
    assert written == 4800
    keyed = plugpen.read_audio(tmp_path / "out.wav")[0]
    assert np.allclose(keyed[:, :2000], long[:1, :2000] * 0.25)
    with pytest.raises(ValueError, match="no sidechain"):
        process_audio(open_test_plugin("gain"), long, sidechain=long)


def test_peaks_are_normalized(open_test_plugin: Open, long: np.ndarray, tmp_path: Path) -> None:
    gain = open_test_plugin("gain")
    assert peak(process_audio(gain, long, normalize=-6.0)) == pytest.approx(10 ** (-6 / 20))
    assert peak(process_audio(gain, long * 0, normalize=-6.0)) == 0.0
    path = tmp_path / "a.wav"
    process_audio_to_file(gain, long, path, normalize=0.0, bit_depth=32)
    audio = plugpen.read_audio(path)[0]
    assert peak(audio) == pytest.approx(1.0)
    assert np.allclose(audio, long / peak(long), atol=1e-6)
    assert list(tmp_path.iterdir()) == [path]
    for function in (
        lambda: process_audio(gain, long, normalize=float("inf")),
        lambda: process_audio_to_file(gain, long, path, normalize=float("nan")),
    ):
        with pytest.raises(ValueError, match="normalize"):
            function()


def test_in_place(open_test_plugin: Open, long: np.ndarray) -> None:
    gain = open_test_plugin("gain")
    gain.set_param(0, 0.5)
    audio = long.copy()
    assert process_audio(gain, audio, in_place=True) is audio
    assert np.array_equal(audio, long * 2)
    with pytest.raises(TypeError, match="in_place"):
        process_audio(gain, long.tolist(), in_place=True)
    with pytest.raises(ValueError, match="in_place"):
        process_audio(gain, audio, 0.1, in_place=True)


def test_a_file_at_another_rate(open_test_plugin: Open, tmp_path: Path) -> None:
    gain = open_test_plugin("gain")
    seconds = np.arange(44100) / 44100
    tone = (np.sin(2 * np.pi * 1000 * seconds) * 0.5)[np.newaxis]
    source, target = tmp_path / "in.flac", tmp_path / "out.flac"
    plugpen.write_audio(source, tone, 44100)
    told: list[tuple[int, int]] = []
    written = process_audio_to_file(
        gain, source, target, progress_callback=lambda *at: told.append(at)
    )
    assert written == RATE
    assert told[0] == (512, RATE)
    assert told[-1] == (RATE, RATE)
    info = plugpen.get_audio_info(target)
    assert (info["channels"], info["sample_rate"], info["frames"]) == (2, RATE, RATE)
    audio = plugpen.read_audio(target)[0]
    expected = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE) * 0.5
    assert np.abs(audio[1, 2000:-2000] - expected[2000:-2000]).max() < 1e-6
    with pytest.raises(ValueError, match="resample_to_plugin_rate=True"):
        process_audio_to_file(gain, source, target, resample_to_plugin_rate=False)
    with pytest.raises(ValueError, match="1 channel"):
        process_audio_to_file(gain, source, target, duplicate_to_stereo=False)
    # Over itself.
    assert process_audio_to_file(gain, target, target) == RATE
    assert np.array_equal(plugpen.read_audio(target)[0], audio)


def test_what_goes_wrong_leaves_no_file(
    open_test_plugin: Open, long: np.ndarray, tmp_path: Path
) -> None:
    gain = open_test_plugin("gain")
    path = tmp_path / "out.wav"

    def stop(done: int, total: int) -> None:
        if done > 1000:
            raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        process_audio_to_file(gain, long, path, progress_callback=stop)
    with pytest.raises(ValueError, match=r"Unsupported audio format for writing: '\.mp3'"):
        process_audio_to_file(gain, long, tmp_path / "out.mp3")
    with pytest.raises(ValueError, match="bit_depth"):
        process_audio_to_file(gain, long, path, bit_depth=8)
    with pytest.raises(FileNotFoundError, match="Audio file not found"):
        process_audio_to_file(gain, tmp_path / "missing.wav", path)
    with pytest.raises(ValueError, match="output_path is required"):
        process_audio_to_file(gain, long)
    with pytest.raises(TypeError):
        process_audio(3, long)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
    # The plugin has been given back.
    assert np.array_equal(process_audio(gain, long), long)


MEMORY = """
import resource, sys
import numpy as np, plugpen
plugin, folder, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3])
gain = plugpen.Plugin(plugin, 48000, 4096, plugin="urn:plugpen:test:gain")
plugpen.process_audio_to_file(gain, folder + "/in.wav", folder + "/out.wav", normalize=-1.0,
                              tail_seconds=seconds)
song = plugpen.MidiFile()
song.add_note_on(0, 240 * seconds, 0, 60, 100)
plugpen.render_midi_to_file(gain, song, folder + "/midi.wav", 4096, 0)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_ten_minutes_take_no_more_memory_than_one(open_test_plugin: Open, tmp_path: Path) -> None:
    bundle = open_test_plugin("gain").path
    plugpen.write_audio(tmp_path / "in.wav", np.zeros((2, 44100)), 44100)

    def kilobytes(seconds: int) -> int:
        arguments = [sys.executable, "-c", MEMORY, bundle, str(tmp_path), str(seconds)]
        run = subprocess.run(arguments, capture_output=True, text=True, check=True)
        assert plugpen.get_audio_info(tmp_path / "out.wav")["frames"] == RATE * (seconds + 1)
        return int(run.stdout)

    # Ten minutes of stereo are 230 MB.
    assert kilobytes(600) - kilobytes(10) < 30_000
