"""AudioReader and AudioWriter: audio files block by block."""

import gc
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import peak

import plugpen
from plugpen import AudioReader, AudioWriter


@pytest.fixture
def long() -> np.ndarray:
    """Two channels of 200,001 frames."""
    generator = np.random.default_rng(3)
    return generator.uniform(-0.5, 0.5, (2, 200_001)).astype(np.float32)


@pytest.fixture
def path(tmp_path: Path, long: np.ndarray) -> Path:
    path = tmp_path / "long.wav"
    plugpen.write_audio(path, long, 44100, 32)
    return path


def test_a_file_is_read_in_blocks(path: Path, long: np.ndarray) -> None:
    with AudioReader(path, block_size=30_000) as reader:
        assert (reader.channels, reader.sample_rate, reader.frames) == (2, 44100, 200_001)
        assert reader.duration == pytest.approx(200_001 / 44100)
        assert (reader.position, reader.damaged, reader.block_size) == (0, 0, 30_000)
        first = reader.read(100)
        assert (first.dtype, first.shape, reader.position) == (np.float32, (2, 100), 100)
        assert first.flags.c_contiguous
        blocks = list(reader)
        assert [block.shape[1] for block in blocks] == [30_000] * 6 + [19_901]
        assert np.array_equal(np.concatenate([first, *blocks], axis=1), long)
        assert reader.read().shape == reader.read(7).shape == (2, 0)
        assert reader.read(0).shape == (2, 0)
    assert "200001 frames" in repr(reader)


def test_all_that_is_left_is_read(path: Path, long: np.ndarray) -> None:
    reader = AudioReader(str(path))
    reader.seek(150_000)
    assert reader.position == 150_000
    assert np.array_equal(reader.read(), long[:, 150_000:])
    reader.seek(0)
    assert np.array_equal(reader.read(10**30), long)
    reader.seek(10**30)
    assert reader.position == 200_001
    for call in (lambda: reader.read(-1), lambda: reader.seek(-1), lambda: AudioReader(path, 0)):
        with pytest.raises(ValueError, match=r"got (-1|0)$"):
            call()


def test_files_of_every_format_are_the_same_in_blocks() -> None:
    folder = Path(__file__).parents[2] / "tests" / "data" / "audio"
    for path in sorted(folder.iterdir()):
        whole, rate = plugpen.read_audio(path)
        with AudioReader(path, 1000) as reader:
            assert (reader.sample_rate, reader.channels) == (rate, whole.shape[0])
            assert np.array_equal(np.concatenate(list(reader), axis=1), whole), path


def test_a_closed_reader_says_so(path: Path) -> None:
    reader = AudioReader(path)
    reader.close()
    reader.close()
    for call in (reader.read, lambda: reader.seek(0), lambda: reader.position, lambda: [*reader]):
        with pytest.raises(plugpen.WrongState, match="AudioReader is closed"):
            call()
    assert reader.frames == 200_001


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="Audio file not found"):
        AudioReader(tmp_path / "missing.wav")
    (tmp_path / "junk.wav").write_bytes(b"junk" * 100)
    with pytest.raises(RuntimeError, match=r"junk\.wav"):
        AudioReader(tmp_path / "junk.wav")
    with pytest.raises(TypeError):
        AudioReader(None)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["long.wav", "long.flac"])
def test_a_file_is_written_in_blocks(tmp_path: Path, long: np.ndarray, name: str) -> None:
    path = tmp_path / "written" / name
    path.parent.mkdir()
    with AudioWriter(path, 2, 48000.5, bit_depth=16) as writer:
        assert (writer.channels, writer.sample_rate, writer.frames) == (2, 48000, 0)
        for begin in range(0, 200_001, 70_001):
            writer.write(long[:, begin : begin + 70_001])
        writer.write(np.zeros((2, 0)))
        assert writer.frames == 200_001
        assert not path.exists()
        assert "200001 frames so far" in repr(writer)
    assert list(path.parent.iterdir()) == [path]
    writer.close()
    with pytest.raises(plugpen.WrongState, match="AudioWriter is closed"):
        writer.write(long)
    audio, rate = plugpen.read_audio(path)
    assert (audio.shape, rate) == (long.shape, 48000)
    assert peak(audio.astype(float) - long) <= 0.51 * 2**-15
    whole = tmp_path / name
    plugpen.write_audio(whole, long, 48000, 16)
    assert whole.read_bytes() == path.read_bytes()


def test_a_broadcast_wave_in_blocks(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with AudioWriter(path, 1, 8000, 32, bwf={"description": "noise"}) as writer:
        writer.write([0.5, -0.5])
        writer.write([[0.25]])
    assert path.read_bytes()[48:52] == b"bext"
    assert plugpen.read_audio(path)[0].tolist() == [[0.5, -0.5, 0.25]]


def test_what_is_not_completed_leaves_nothing(path: Path, long: np.ndarray) -> None:
    before = path.read_bytes()

    def fail() -> None:
        with AudioWriter(path, 2, 48000) as writer:
            writer.write(long)
            raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        fail()
    writer = AudioWriter(path, 2, 48000)
    writer.write(long)
    writer.discard()
    writer.discard()
    writer.close()
    AudioWriter(path, 2, 48000).write(long)
    gc.collect()
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("a.mp3", (1, 48000), r"Unsupported audio format for writing: '\.mp3'"),
        ("a.wav", (0, 48000), r"channels must be in \[1, "),
        ("a.wav", (1, 0), "sample_rate"),
        ("a.wav", (1, 48000, 8), "bit_depth must be 16, 24, or 32, got 8"),
        ("a.flac", (1, 48000, 32), "bit_depth must be 16 or 24 for FLAC"),
        ("a.flac", (1, 48000, 16, {}), "bwf"),
    ],
)
def test_what_cannot_be_written(tmp_path: Path, name: str, arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AudioWriter(tmp_path / name, *arguments)
    assert list(tmp_path.iterdir()) == []


def test_blocks_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="folder does not exist"):
        AudioWriter(tmp_path / "no" / "a.wav", 1, 48000)
    with AudioWriter(tmp_path / "a.wav", 2, 48000) as writer:
        for block in (np.zeros((1, 4)), np.zeros(4), np.zeros((3, 4))):
            with pytest.raises(ValueError, match=r"data must have 2 channel\(s\)"):
                writer.write(block)
        for block in ("text", None, np.zeros((2, 2, 2))):
            with pytest.raises(TypeError):
                writer.write(block)  # type: ignore[arg-type]
    assert plugpen.get_audio_info(tmp_path / "a.wav")["frames"] == 0
    with (
        pytest.raises(ValueError, match="frame"),
        AudioWriter(tmp_path / "a.flac", 2, 48000),
    ):
        pass


def test_threads_that_share_a_reader_get_all_of_it_once(path: Path, long: np.ndarray) -> None:
    reader = AudioReader(path)
    frames: list[int] = []

    def read() -> None:
        while True:
            try:
                block = reader.read(1000)
            except plugpen.WrongState:
                continue
            if block.shape[1] == 0:
                return
            frames.append(block.shape[1])

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(frames) == long.shape[1]
