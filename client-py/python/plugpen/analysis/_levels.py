"""Levels over time, and loudness."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ._playing import Samples, check_range, frames
from ._results import MOST_CHANNELS, Result, channel_name, headline, joined, new_figure, number
from ._results import numbers as as_numbers
from ._spectra import as_rows, decibels, power_decibels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_QUIETEST_DBFS = -120.0
_GATE_LUFS = -70.0
_RELATIVE_GATE_DB = -10.0
# What loudness is above the mean square of the weighted signal (ITU-R BS.1770).
_LOUDNESS_OFFSET_DB = -0.691


@dataclass(frozen=True, eq=False, repr=False)
class Level(Result):
    """How loud something is over time.

    Attributes:
        plugin_name: Of what.
        sample_rate: Frames a second.
        times_seconds: The middle of each window, ``(windows,)``.
        peak_dbfs: Highest sample of each window, ``(channels, windows)``.
        rms_dbfs: Root of the mean square, ``(channels, windows)``; a sine of amplitude 1 has
            -3.01 dBFS. Silence is minus infinity.
        loudness_lufs: Integrated loudness of all of it, as ITU-R BS.1770 has it with each channel
            counted once; minus infinity for less than 0.4 seconds and for silence.
    """

    plugin_name: str
    sample_rate: float
    times_seconds: Samples
    peak_dbfs: Samples
    rms_dbfs: Samples
    loudness_lufs: float

    def facts(self) -> list[tuple[str, str]]:
        """The result in words: pairs of a name and a value with its unit."""
        return [
            ("highest peak", joined(self.peak_dbfs.max(axis=1), ".1f", "dBFS")),
            ("highest RMS", joined(self.rms_dbfs.max(axis=1), ".1f", "dBFS")),
            ("loudness", f"{self.loudness_lufs:.1f} LUFS"),
        ]

    def plot(self) -> Figure:
        """Draw peak and RMS over time, two lines a channel.

        Returns:
            A `matplotlib.figure.Figure` of its own; at most 8 channels are on it.

        Raises:
            ImportError: matplotlib is missing; ``pip install 'plugpen[plot]'`` brings it.
        """
        figure = new_figure(8.0, 3.5)
        headline(figure, f"Level of {self.plugin_name}")
        self.draw(figure.subplots())
        return figure

    def draw(self, axes: Axes) -> None:
        """Draw peak and RMS into `matplotlib.axes.Axes`."""
        count = len(self.rms_dbfs)
        for index in range(min(count, MOST_CHANNELS)):
            name = channel_name(index, count)
            rms = np.maximum(self.rms_dbfs[index], 2 * _QUIETEST_DBFS)
            peak = np.maximum(self.peak_dbfs[index], 2 * _QUIETEST_DBFS)
            style = "--" if index % 2 else "-"
            line = axes.plot(self.times_seconds, rms, style, label=f"{name}, RMS")[0]
            axes.plot(
                self.times_seconds,
                peak,
                style,
                color=line.get_color(),
                alpha=0.4,
                label=f"{name}, peak",
            )
        top = max(3.0, float(self.peak_dbfs.max(initial=_QUIETEST_DBFS)) + 3.0)
        heard = self.rms_dbfs[self.rms_dbfs > _QUIETEST_DBFS]
        axes.set_ylim(max(_QUIETEST_DBFS, float(heard.min(initial=-40.0)) - 6.0), top)
        axes.set_xlabel("s")
        axes.set_ylabel("level, dBFS")
        axes.legend(loc="lower right", fontsize="small", ncols=2)
        axes.grid(alpha=0.3)

    def to_dict(self) -> dict[str, Any]:
        """The numbers, for JSON: the highest of each channel; None is minus infinity."""
        return {
            "peak_dbfs": as_numbers(self.peak_dbfs.max(axis=1)),
            "rms_dbfs": as_numbers(self.rms_dbfs.max(axis=1)),
            "loudness_lufs": number(self.loudness_lufs),
        }


def level(
    audio: npt.ArrayLike, sample_rate: float, window_seconds: float = 0.05, name: str = "audio"
) -> Level:
    """Measure how loud something is over time.

    Args:
        audio: ``(channels, frames)``, or ``(frames,)`` for one channel.
        sample_rate: Frames a second, from 1.
        window_seconds: Length of the windows that are measured, 0.001 to 60; they follow each
            other without overlap, and the last may be shorter.
        name: What it is called in titles.

    Returns:
        A `Level`.

    Raises:
        InvalidInput: The shape or a value is not as said, or not finite.
    """
    rows = as_rows(audio)
    check_range("sample_rate", sample_rate, 1.0, 1e7, "Hz")
    check_range("window_seconds", window_seconds, 0.001, 60.0, "s")
    size = frames(window_seconds, sample_rate)
    starts = np.arange(0, rows.shape[1], size)
    lengths = np.minimum(rows.shape[1] - starts, size)
    power = np.add.reduceat(rows**2, starts, axis=1) / lengths
    return Level(
        plugin_name=name,
        sample_rate=sample_rate,
        times_seconds=(starts + lengths / 2) / sample_rate,
        peak_dbfs=decibels(np.maximum.reduceat(np.abs(rows), starts, axis=1)),
        rms_dbfs=power_decibels(power),
        loudness_lufs=_loudness(rows, sample_rate),
    )


def _loudness(rows: Samples, sample_rate: float) -> float:
    """Integrated loudness: windows of 0.4 s every 0.1 s, those below two gates left out."""
    hop = round(0.1 * sample_rate)
    if hop == 0 or rows.shape[1] < 4 * hop:
        return -math.inf
    power = np.sum(_weighted(rows, sample_rate) ** 2, axis=0)
    steps = power[: len(power) // hop * hop].reshape(-1, hop).mean(axis=1)
    windows = np.convolve(steps, np.full(4, 0.25), mode="valid")
    loud = windows[power_decibels(windows) + _LOUDNESS_OFFSET_DB > _GATE_LUFS]
    if loud.size == 0:
        return -math.inf
    gate = loud.mean() * 10.0 ** (_RELATIVE_GATE_DB / 10.0)
    return float(power_decibels(loud[loud > gate].mean())) + _LOUDNESS_OFFSET_DB


def _weighted(rows: Samples, sample_rate: float) -> Samples:
    """The K-weighting of ITU-R BS.1770: a shelf for the head and a highpass.

    Given there as coefficients for 48 kHz, here as the analogue filters that they are the
    bilinear transforms of, so that it holds at every rate.
    """
    # The filters ring for less than half a second; the transform must not wrap that.
    length = rows.shape[1] + round(0.5 * sample_rate)
    length += length % 2
    z = np.exp(-2j * np.pi * np.arange(length // 2 + 1) / length)
    high = 10.0 ** (3.999843853973347 / 20.0)
    q, middle = 0.7071752369554196, high**0.4996667741545416
    head = _second_order(z, 1681.974450955533 / sample_rate, q, (1.0, middle / q, high))
    turn, q = 38.13547087602444 / sample_rate, 0.5003270373238773
    k = math.tan(math.pi * turn)
    # The standard leaves this numerator as 1, -2, 1, without the division by what follows.
    low = _second_order(z, turn, q, (0.0, 0.0, 1.0 + k / q + k * k))
    weighted = np.fft.irfft(np.fft.rfft(rows, length) * head * low, length)
    return np.asarray(weighted[:, : rows.shape[1]], np.float64)


def _second_order(
    z: npt.NDArray[np.complex128], turn: float, q: float, numerator: tuple[float, float, float]
) -> npt.NDArray[np.complex128]:
    """A filter's response at ``z``, the delay by one sample.

    It is the bilinear transform of ``(n0 + n1 s + n2 s^2) / (1 + s / q + s^2)``, in which the
    frequency 1 becomes ``turn`` of the sample rate.
    """
    up, down = 1 - z, math.tan(math.pi * turn) * (1 + z)
    n0, n1, n2 = numerator
    above = n0 * down**2 + n1 * up * down + n2 * up**2
    return np.asarray(above / (down**2 + up * down / q + up**2), np.complex128)
