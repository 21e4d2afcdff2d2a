"""Audio files: contract section 7."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import peak

import plugpen


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


def test_the_default_is_24_bits(tmp_path: Path, noise: np.ndarray) -> None:
    path = tmp_path / "noise.WAV"
    plugpen.write_audio(path=path, data=noise, sample_rate=48000)
    assert path.stat().st_size >= 2 * 512 * 3
    assert path.stat().st_size < 2 * 512 * 3 + 200


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


def test_pcm_saturates_and_floats_do_not(tmp_path: Path) -> None:
    path = tmp_path / "loud.wav"
    data = np.array([[2.0, -2.0]])
    plugpen.write_audio(path, data, 48000, 16)
    assert plugpen.read_audio(path)[0].tolist() == [[pytest.approx(1.0, abs=1e-4), -1.0]]
    plugpen.write_audio(path, data, 48000, 32)
    assert plugpen.read_audio(path)[0].tolist() == [[2.0, -2.0]]


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


def test_what_is_no_audio(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    for data in (np.zeros((1, 2, 3)), "samples", None, np.zeros((1, 4), complex)):
        with pytest.raises(TypeError):
            plugpen.write_audio(path, data, 48000)  # type: ignore[arg-type]
    for rate in (0, -44100):
        with pytest.raises((ValueError, TypeError), match="sample_rate"):
            plugpen.write_audio(path, np.zeros((1, 4)), rate)
    with pytest.raises(RuntimeError):
        plugpen.write_audio(path, np.zeros((0, 4)), 48000)
    with pytest.raises(RuntimeError):
        plugpen.write_audio(tmp_path / "no" / "a.wav", np.zeros((1, 4)), 48000)
    assert not path.exists()


def test_what_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "missing.wav"
    for function in (plugpen.read_audio, plugpen.get_audio_info):
        with pytest.raises(FileNotFoundError, match="Audio file not found"):
            function(path)
        with pytest.raises(TypeError):
            function(None)  # type: ignore[arg-type]


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
