"""resample: contract section 7."""

from typing import Any

import numpy as np
import pytest

import plugpen

# Least ratio of a tone to all that is not the tone, highest alias and greatest error of the level
# in the passband, in dB, and the passband as a part of the lower Nyquist frequency.
QUALITIES = {
    "best": (140.0, -140.0, 0.01, 0.97),
    "medium": (110.0, -110.0, 0.05, 0.94),
    "fastest": (100.0, -100.0, 0.1, 0.80),
}


def tone(frequency: float, rate: int, frames: int) -> np.ndarray:
    turns = frequency / rate * np.arange(frames)
    return (0.9 * np.sin(2 * np.pi * turns)).astype(np.float32)[np.newaxis]


def measure(samples: np.ndarray, frequency: float, rate: int) -> tuple[float, float, float]:
    """Signal to everything else in dB, level and phase (in frames) of a tone."""
    inner = slice(len(samples) // 4, -len(samples) // 4)
    angle = 2 * np.pi * frequency / rate * np.arange(len(samples))[inner]
    basis = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    samples = samples[inner].astype(np.float64)
    parts, *_ = np.linalg.lstsq(basis, samples, rcond=None)
    fitted = basis @ parts
    ratio = 10 * np.log10(np.mean(fitted**2) / np.mean((samples - fitted) ** 2))
    level = 20 * np.log10(np.hypot(*parts) / 0.9)
    late = -np.arctan2(parts[1], parts[0]) / (2 * np.pi * frequency / rate)
    return float(ratio), float(level), float(late)


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize(
    ("rate_in", "rate_out"),
    [(44100, 48000), (48000, 44100), (22050, 96000), (96000, 44100), (48000, 44101), (8000, 8001)],
)
def test_tones_stay_tones(quality: str, rate_in: int, rate_out: int) -> None:
    least, _, error, passband = QUALITIES[quality]
    nyquist = min(rate_in, rate_out) / 2
    for part in (0.01, 0.3, 0.6, passband):
        frequency = part * nyquist
        out = plugpen.resample(tone(frequency, rate_in, 4 * rate_in), rate_in, rate_out, quality)
        ratio, level, late = measure(out[0], frequency, rate_out)
        assert ratio > least, f"{frequency} Hz: {ratio} dB"
        assert abs(level) < error, f"{frequency} Hz: {level} dB"
        assert abs(late) < 1e-3, f"{frequency} Hz: {late} frames late"


@pytest.mark.contract("0/5 corrections: band-limited resampling with the tail flushed")
@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize(("rate_in", "rate_out"), [(48000, 44100), (96000, 44100), (96000, 8000)])
def test_what_is_too_high_is_gone(quality: str, rate_in: int, rate_out: int) -> None:
    highest = QUALITIES[quality][1]
    for frequency in np.linspace(rate_out / 2, rate_in / 2, 7)[1:-1]:
        out = plugpen.resample(tone(frequency, rate_in, rate_in), rate_in, rate_out, quality)
        inner = out[0, 2000:-2000].astype(np.float64)
        alias = 10 * np.log10(np.mean(inner**2) / 0.405 + 1e-30)
        assert alias < highest, f"{frequency} Hz: {alias} dB"


@pytest.mark.contract("7/audio files: resample: frames out", "1/signatures: resample")
@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize(
    ("rate_in", "rate_out", "frames", "expected"),
    [
        (44100, 48000, 44100, 48000),
        (48000, 44100, 44100, 40517),
        (48000, 48000, 77, 77),
        (44100, 48000, 1, 1),
        (48000, 44100, 1, 1),
        (1, 256, 3, 768),
        (256, 1, 300, 1),
        (2, 1, 5, 3),
        (44100, 48000, 100_000, 108_844),
        (192000, 44100, 100_001, 22_969),
    ],
)
def test_lengths(quality: str, rate_in: int, rate_out: int, frames: int, expected: int) -> None:
    data = np.ones((3, frames), np.float32)
    out = plugpen.resample(data, rate_in, rate_out, quality=quality)
    assert (out.shape, out.dtype) == ((3, expected), np.float32)
    assert np.array_equal(out[0], out[2])


@pytest.mark.contract("7/audio files: resample: no delay, tail flushed")
def test_neither_late_nor_cut_off() -> None:
    impulse = np.zeros((1, 4410), np.float32)
    for at in (0, 2205, 4409):
        impulse[:] = 0.0
        impulse[0, at] = 1.0
        out = plugpen.resample(impulse, 44100, 88200)
        assert int(np.argmax(out[0])) == 2 * at
        assert out[0, 2 * at] > 0.9


@pytest.mark.contract("7/audio files: resample: equal rates")
def test_equal_rates_give_a_copy(noise: np.ndarray) -> None:
    out = plugpen.resample(noise, 44100, 44100)
    assert np.array_equal(out, noise)
    out[:] = 0.0
    assert noise.any()


@pytest.mark.contract("7/audio files: resample: 1-D")
def test_channels_are_resampled_alone(noise: np.ndarray) -> None:
    both = plugpen.resample(noise, 44100, 48000)
    for channel in range(2):
        alone = plugpen.resample(noise[channel], 44100, 48000)
        assert alone.shape == (1, 557)
        assert np.array_equal(alone[0], both[channel])


@pytest.mark.contract("7/audio files: resample: rates")
@pytest.mark.parametrize(
    ("rates", "error", "message"),
    [
        ((0, 48000), ValueError, "sample_rate_in"),
        ((48000, 0), ValueError, "sample_rate_out"),
        ((-1, 48000), TypeError, "sample_rate_in"),
        ((100, 48000), ValueError, "1:256"),
        ((48000, 100), ValueError, "1:256"),
        ((4_000_037, 4_000_033), RuntimeError, "share too few factors"),
        (("fast", 48000), TypeError, "sample_rate_in"),
    ],
)
def test_rates_that_are_none(rates: tuple[Any, Any], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        plugpen.resample(np.zeros((1, 100)), *rates)


@pytest.mark.contract("7/audio files: resample: 0 frames, quality")
def test_what_cannot_be_resampled() -> None:
    with pytest.raises(ValueError, match="quality must be 'best', 'medium' or 'fastest'"):
        plugpen.resample(np.zeros((1, 100)), 44100, 48000, "good")
    for data in (np.zeros((1, 0)), np.zeros((0, 10))):
        with pytest.raises(RuntimeError, match="at least one"):
            plugpen.resample(data, 44100, 48000)
    for wrong in ("samples", None, np.zeros((1, 2, 3))):
        with pytest.raises(TypeError):
            plugpen.resample(wrong, 44100, 48000)  # type: ignore[arg-type]
