"""Audio files: contract section 7."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import peak

import plugpen


@pytest.mark.contract(
    "7/audio files: read_audio",
    "7/audio files: get_audio_info",
    "7/audio files: round trip error",
)
@pytest.mark.contract(
    "1/signatures: read_audio",
    "1/signatures: write_audio",
    "1/signatures: get_audio_info",
    "0/5 corrections: half-LSB PCM rounding",
)
@pytest.mark.parametrize(
    ("bit_depth", "error"), [(16, 0.51 * 2**-15), (24, 0.51 * 2**-23), (32, 0)]
)
def test_a_round_trip(tmp_path: Path, noise: np.ndarray, bit_depth: int, error: float) -> None:
    path = tmp_path / "noise.wav"
    assert plugpen.write_audio(path, noise, 44100, bit_depth) is None
    audio, rate = plugpen.read_audio(str(path))
    assert (audio.dtype, audio.shape, rate) == (np.float32, (2, 512), 44100)
    assert audio.flags.c_contiguous
    assert peak(audio.astype(float) - noise) <= error + 1e-9
    assert plugpen.get_audio_info(path) == {
        "channels": 2,
        "sample_rate": 44100,
        "frames": 512,
        "duration": pytest.approx(512 / 44100),
    }


def test_a_file_is_replaced_only_by_a_whole_one(tmp_path: Path, noise: np.ndarray) -> None:
    path = tmp_path / "noise.wav"
    plugpen.write_audio(path, noise, 48000, 32)
    with pytest.raises(ValueError, match="description"):
        plugpen.write_audio(path, noise * 0, 48000, bwf={"description": "x" * 257})
    assert np.array_equal(plugpen.read_audio(path)[0], noise)
    assert list(tmp_path.iterdir()) == [path]


def test_the_default_is_24_bits(tmp_path: Path, noise: np.ndarray) -> None:
    path = tmp_path / "noise.WAV"
    plugpen.write_audio(path=path, data=noise, sample_rate=48000)
    assert path.stat().st_size >= 2 * 512 * 3
    assert path.stat().st_size < 2 * 512 * 3 + 200


@pytest.mark.contract("7/audio files: write_audio: data")
@pytest.mark.parametrize(
    "data",
    [
        [0.5, -0.5, 0.25],
        np.array([0.5, -0.5, 0.25]),
        np.array([[0.5, -0.5, 0.25]], ">f4"),
        np.array([[0.5], [-0.5], [0.25]]).T,
    ],
)
def test_what_can_be_written(tmp_path: Path, data: Any) -> None:
    path = tmp_path / "short.wav"
    plugpen.write_audio(path, data, 8000, 32)
    assert plugpen.read_audio(path)[0].tolist() == [[0.5, -0.5, 0.25]]


@pytest.mark.contract("7/audio files: write_audio: clipping")
def test_pcm_saturates_and_floats_do_not(tmp_path: Path) -> None:
    path = tmp_path / "loud.wav"
    data = np.array([[2.0, -2.0]])
    plugpen.write_audio(path, data, 48000, 16)
    assert plugpen.read_audio(path)[0].tolist() == [[pytest.approx(1.0, abs=1e-4), -1.0]]
    plugpen.write_audio(path, data, 48000, 32)
    assert plugpen.read_audio(path)[0].tolist() == [[2.0, -2.0]]


@pytest.mark.contract(
    "7/audio files: write_audio: extension",
    "7/audio files: write_audio: bit_depth",
)
@pytest.mark.parametrize(
    ("name", "bit_depth", "message"),
    [
        ("a.mp3", 24, "Unsupported audio format for writing: '.mp3'"),
        ("a", 24, "Unsupported audio format for writing: ''"),
        ("a.wav", 8, "bit_depth must be 16, 24, or 32, got 8"),
        ("a.wav", -1, "bit_depth must be 16, 24, or 32, got -1"),
    ],
)
def test_what_cannot_be_written(tmp_path: Path, name: str, bit_depth: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plugpen.write_audio(tmp_path / name, np.zeros((1, 4)), 48000, bit_depth)
    assert not (tmp_path / name).exists()


@pytest.mark.contract("7/audio files: write_audio: 3-D, 0 frames, folder, rate")
def test_what_is_no_audio(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    for data in (np.zeros((1, 2, 3)), "samples", None, np.zeros((1, 4), complex)):
        with pytest.raises(TypeError):
            plugpen.write_audio(path, data, 48000)  # type: ignore[arg-type]
    for rate in (0, -44100):
        with pytest.raises((ValueError, TypeError), match="sample_rate"):
            plugpen.write_audio(path, np.zeros((1, 4)), rate)
    for empty in (np.zeros((0, 4)), np.zeros((2, 0))):
        with pytest.raises(RuntimeError):
            plugpen.write_audio(path, empty, 48000)
    with pytest.raises(RuntimeError):
        plugpen.write_audio(tmp_path / "no" / "a.wav", np.zeros((1, 4)), 48000)
    assert not path.exists()


@pytest.mark.contract("7/audio files: missing")
def test_what_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "missing.wav"
    for function in (plugpen.read_audio, plugpen.get_audio_info):
        with pytest.raises(FileNotFoundError, match="Audio file not found"):
            function(path)
        with pytest.raises(TypeError):
            function(None)  # type: ignore[arg-type]


@pytest.mark.contract("7/audio files: write_audio: FLAC")
@pytest.mark.parametrize(("bit_depth", "error"), [(16, 0.51 * 2**-15), (24, 0.51 * 2**-23)])
def test_flac(tmp_path: Path, noise: np.ndarray, bit_depth: int, error: float) -> None:
    path = tmp_path / "noise.FLAC"
    long = np.tile(noise, 20)
    plugpen.write_audio(path, long, 96000, bit_depth)
    audio, rate = plugpen.read_audio(path)
    assert (audio.dtype, audio.shape, rate) == (np.float32, (2, 10240), 96000)
    assert peak(audio.astype(float) - long) <= error + 1e-9
    assert path.stat().st_size < long.size * bit_depth / 8 + 200
    with pytest.raises(ValueError, match="bit_depth must be 16 or 24 for FLAC, got 32"):
        plugpen.write_audio(path, long, 96000, 32)
    with pytest.raises(ValueError, match="bwf"):
        plugpen.write_audio(path, long, 96000, bwf={})


def test_files_that_others_wrote() -> None:
    folder = Path(__file__).parents[2] / "tests" / "data" / "audio"
    files = sorted(folder.iterdir())
    assert len(files) > 20
    for path in files:
        audio, rate = plugpen.read_audio(path)
        info = plugpen.get_audio_info(path)
        assert (rate, audio.dtype, audio.flags.c_contiguous) == (44100, np.float32, True)
        assert info["channels"] == audio.shape[0]
        assert 0.2 < peak(audio) < 0.6, path


@pytest.mark.contract("7/audio files: write_audio: bwf")
def test_broadcast_wave(tmp_path: Path, noise: np.ndarray) -> None:
    path = tmp_path / "noise.wav"
    fields: dict[str, str | int] = {
        "description": "noise",
        "originator": "plugpen",
        "originator_reference": "1",
        "origination_date": "2026-11-21",
        "origination_time": "18:00:00",
        "time_reference": 2**33,
        "coding_history": "A=PCM",
    }
    plugpen.write_audio(path, noise, 48000, 32, bwf=fields)
    content = path.read_bytes()
    assert content[48:52] == b"bext"
    body = content[56:]
    assert body[:6] == b"noise\0"
    assert body[320:346] == b"2026-11-2118:00:00" + (2**33).to_bytes(8, "little")
    assert np.array_equal(plugpen.read_audio(path)[0], noise)
    plugpen.write_audio(path, noise, 48000, bwf={})
    for wrong, message in (
        ({"title": "x"}, "bwf has no field 'title'"),
        ({"originator": "x" * 33}, "originator may have 32 characters"),
        ({"description": "Grüße"}, "ASCII"),
        ({"origination_date": "today"}, "yyyy-mm-dd"),
        ({"time_reference": -1}, "time_reference"),
    ):
        with pytest.raises(ValueError, match=message):
            plugpen.write_audio(path, noise, 48000, bwf=wrong)
    for wrong_type in ("text", {"description": 3}):
        with pytest.raises(TypeError, match="bwf"):
            plugpen.write_audio(path, noise, 48000, bwf=wrong_type)  # type: ignore[arg-type]


@pytest.mark.contract("7/audio files: undecodable")
@pytest.mark.parametrize("content", [b"", b"RIFF", b"junk" * 100, b"fLaC" + bytes(100)])
def test_what_cannot_be_read(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "junk.wav"
    path.write_bytes(content)
    for function in (plugpen.read_audio, plugpen.get_audio_info):
        with pytest.raises(RuntimeError, match=r"junk\.wav"):
            function(path)


def test_the_container_can_be_named(tmp_path: Path, noise: np.ndarray) -> None:
    path = tmp_path / "noise.wav"
    plugpen.write_audio(path, noise, 48000, 32)
    assert np.array_equal(plugpen.read_audio(path, as_=np.ndarray)[0], noise)
    with pytest.raises(ValueError, match="as_"):
        plugpen.read_audio(path, as_=list)  # type: ignore[arg-type]
