"""Signals and their spectra: closed forms, windows, transforms."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .._exceptions import InvalidInput
from ._playing import Samples

# Sidelobes at -340 dB, below what float64 can tell: a tone leaks into its main lobe only.
_KAISER_BETA = 38.0
# Half the main lobe of that window, sqrt(1 + (beta / pi)^2) bins, rounded up.
LOBE_BINS = 13

# Sidelobes at -110 dB, which no plot shows.
_PLOT_BETA = 14.0


def decibels(ratio: npt.ArrayLike) -> Samples:
    """Amplitude ratios in dB; 0 is minus infinity."""
    with np.errstate(divide="ignore"):
        return np.asarray(20.0 * np.log10(np.abs(np.asarray(ratio))), np.float64)


def power_decibels(ratio: npt.ArrayLike) -> Samples:
    """Power ratios in dB; 0 is minus infinity."""
    with np.errstate(divide="ignore"):
        return np.asarray(10.0 * np.log10(np.asarray(ratio)), np.float64)


def linear_sweep(length: int, sample_rate: float, start_hz: float, end_hz: float) -> Samples:
    """A sine whose frequency rises evenly, with 10 ms fades."""
    time = np.arange(length) / sample_rate
    rise = (end_hz - start_hz) * sample_rate / length
    return np.sin(2 * np.pi * (start_hz * time + rise * time**2 / 2)) * _fades(length, sample_rate)


def exponential_sweep(length: int, sample_rate: float, start_hz: float, end_hz: float) -> Samples:
    """A sine that rises by as many octaves every second."""
    rate = length / sample_rate / math.log(end_hz / start_hz)
    time = np.arange(length) / sample_rate
    return np.asarray(np.sin(2 * np.pi * start_hz * rate * np.expm1(time / rate)), np.float64)


def _fades(length: int, sample_rate: float) -> Samples:
    """Ones with a raised cosine of 10 ms at both ends."""
    width = min(round(0.01 * sample_rate), length // 2)
    envelope = np.ones(length)
    if width > 0:
        rise = 0.5 - 0.5 * np.cos(np.pi * np.arange(width) / width)
        envelope[:width] = rise
        envelope[length - width :] = rise[::-1]
    return envelope


def fast_length(length: int) -> int:
    """The next power of two."""
    return 1 << max(1, length - 1).bit_length()


def bins_hz(length: int, sample_rate: float) -> Samples:
    """The frequencies of a transform's bins."""
    return np.asarray(np.fft.rfftfreq(length, 1.0 / sample_rate), np.float64)


def deconvolve(given: Samples, taken: Samples, length: int) -> Samples:
    """The impulse response that turns the one into the other, by division of spectra.

    Args:
        given: One row.
        taken: ``(channels, frames)``.
        length: Of the transform: at least the frames of both together, or what rings on wraps.

    Returns:
        ``(channels, length)``; negative times are at the end.
    """
    spectrum = np.fft.rfft(given, length)
    power = np.abs(spectrum) ** 2
    # Only where nothing was sent at all, 100 dB below the strongest, does this change anything.
    regularised = np.conj(spectrum) / (power + 1e-10 * power.max())
    return np.asarray(np.fft.irfft(np.fft.rfft(taken, length) * regularised, length), np.float64)


@dataclass(frozen=True, eq=False)
class Spectrogram:
    """Levels over time and frequency.

    Attributes:
        times_seconds: The middle of each window, ``(windows,)``.
        frequencies_hz: ``(bins,)``, from 0 to half the sample rate.
        levels_dbfs: ``(channels, bins, windows)``; a sine of amplitude 1 is 0 dBFS in the bin of
            its frequency, silence is minus infinity.
    """

    times_seconds: Samples
    frequencies_hz: Samples
    levels_dbfs: Samples


def spectrogram(
    audio: npt.ArrayLike, sample_rate: float, window_frames: int = 1024, hop_frames: int = 0
) -> Spectrogram:
    """Levels over time and frequency, with a Kaiser window of sidelobes below -110 dB.

    Args:
        audio: ``(channels, frames)``, or ``(frames,)`` for one channel.
        sample_rate: Frames a second.
        window_frames: Length of each piece that is transformed, at least 16.
        hop_frames: From one piece to the next; 0 for a quarter of a window, more where that
            would be over 1,000 pieces.

    Returns:
        A `Spectrogram`. Audio shorter than a window is padded with silence.

    Raises:
        InvalidInput: The shape or a length is not as said.
    """
    rows = as_rows(audio)
    check_at_least("window_frames", window_frames, 16)
    check_at_least("hop_frames", hop_frames, 0)
    if rows.shape[1] < window_frames:
        rows = np.pad(rows, ((0, 0), (0, window_frames - rows.shape[1])))
    hop = hop_frames or max(window_frames // 4, rows.shape[1] // 1000)
    starts = np.arange(0, rows.shape[1] - window_frames + 1, hop)
    window = np.kaiser(window_frames + 1, _PLOT_BETA)[:-1]
    levels = np.empty((len(rows), window_frames // 2 + 1, len(starts)))
    for index, start in enumerate(starts):
        piece = rows[:, start : start + window_frames] * window
        levels[:, :, index] = decibels(np.fft.rfft(piece) * 2.0 / window.sum())
    return Spectrogram(
        times_seconds=np.asarray((starts + window_frames / 2) / sample_rate, np.float64),
        frequencies_hz=bins_hz(window_frames, sample_rate),
        levels_dbfs=levels,
    )


def tone_window(length: int) -> Samples:
    """A window after which a tone is in its own bin and `LOBE_BINS` to each side, and no more."""
    return np.asarray(np.kaiser(length + 1, _KAISER_BETA)[:-1], np.float64)


def power_spectrum(audio: Samples) -> Samples:
    """Power in each bin, such that the sum over a tone's lobe is the tone's power.

    A sine of amplitude 1 has the power 0.5.
    """
    length = audio.shape[-1]
    window = tone_window(length)
    power = np.abs(np.fft.rfft(audio * window)) ** 2 / (length * np.sum(window**2))
    power[..., 1:] *= 2.0
    if length % 2 == 0:
        power[..., -1] /= 2.0
    return np.asarray(power, np.float64)


def as_rows(audio: npt.ArrayLike) -> Samples:
    """Audio as ``(channels, frames)`` of float64."""
    rows = np.atleast_2d(np.asarray(audio, np.float64))
    if rows.ndim != 2 or 0 in rows.shape:
        raise InvalidInput(
            f"audio must be (channels, frames) with at least one of each, got {rows.shape}",
            reason="INVALID_INPUT",
        )
    if not np.isfinite(rows).all():
        raise InvalidInput("audio must be finite, got NaN or infinity", reason="INVALID_INPUT")
    return rows


def check_at_least(name: str, value: int, least: int) -> None:
    """Refuses a count that is too small."""
    if value < least:
        raise InvalidInput(f"{name} must be at least {least}, got {value}", reason="INVALID_INPUT")
