"""Frequency and impulse responses."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .._exceptions import InvalidInput
from ._playing import (
    Playable,
    Samples,
    amplitude,
    bits_of,
    check_is_effect,
    check_range,
    frames,
    latency_samples,
    listening_seconds,
    name_of,
    play,
    same_for_all,
)
from ._results import (
    MOST_CHANNELS,
    Result,
    channel_name,
    frequency_axis,
    headline,
    joined,
    new_figure,
    number,
    numbers,
    thinned,
)
from ._spectra import bins_hz, decibels, deconvolve, exponential_sweep, fast_length

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Where a report samples a response: the nominal third octaves.
_THIRD_OCTAVES_HZ = [1000.0 * 2.0 ** (step / 3.0) for step in range(-17, 14)]
# Frames that a response may begin before its time: latency that was reported too long, and the
# halves of filters that are symmetric about it.
_PRE_ROLL_SECONDS = 0.05


@dataclass(frozen=True, eq=False, repr=False)
class FrequencyResponse(Result):
    """What the plugin does to each frequency.

    Attributes:
        plugin_name: Which plugin.
        sample_rate: Frames a second.
        bits: 64 where the plugin computed in double precision, else 32.
        frequencies_hz: ``(bins,)``, ascending.
        response: ``(output channels, bins)``, complex: output over input. The distortion of a
            plugin that is not linear is not in it.
        compensated_samples: The reported latency, which was taken out of the phase.
    """

    plugin_name: str
    sample_rate: float
    bits: int
    frequencies_hz: Samples
    response: npt.NDArray[np.complex128]
    compensated_samples: int

    @property
    def magnitude_db(self) -> Samples:
        """Gain in dB, ``(output channels, bins)``; minus infinity where nothing comes out."""
        return decibels(self.response)

    @property
    def phase_radians(self) -> Samples:
        """Phase, ``(output channels, bins)``, in -pi to pi; negative is late."""
        return np.asarray(np.angle(self.response), np.float64)

    def magnitude_db_at(self, frequency_hz: float) -> Samples:
        """Gain in dB at a frequency, from its neighbours.

        Args:
            frequency_hz: Within the measured range.

        Returns:
            ``(output channels,)``.

        Raises:
            InvalidInput: The frequency was not measured.
        """
        low, high = self.frequencies_hz[0], self.frequencies_hz[-1]
        check_range("frequency_hz", frequency_hz, float(low), float(high), "Hz")
        rows = [np.interp(frequency_hz, self.frequencies_hz, np.abs(row)) for row in self.response]
        return decibels(rows)

    def facts(self) -> list[tuple[str, str]]:
        """The result in words: pairs of a name and a value with its unit."""
        low, high = float(self.frequencies_hz[0]), float(self.frequencies_hz[-1])
        shown = [f for f in (100.0, 1000.0, 10_000.0) if low <= f <= high]
        return [("precision", f"{self.bits} bits")] + [
            (f"gain at {f:g} Hz", joined(self.magnitude_db_at(f), ".2f", "dB")) for f in shown
        ]

    def plot(self) -> Figure:
        """Draw gain and phase over frequency, a line a channel.

        Returns:
            A `matplotlib.figure.Figure` of its own; at most 8 channels are on it.

        Raises:
            ImportError: matplotlib is missing; ``pip install 'plugpen[plot]'`` brings it.
        """
        figure = new_figure(8.0, 6.0)
        headline(figure, f"Frequency response of {self.plugin_name}")
        self.draw(*figure.subplots(2, 1))
        return figure

    def draw(self, gain: Axes, phase: Axes) -> None:
        """Draw into two `matplotlib.axes.Axes`."""
        shown = self.magnitude_db[:MOST_CHANNELS]
        smooth = _smoothed(self.frequencies_hz, self.response[:MOST_CHANNELS])
        for index, row in enumerate(shown):
            # The second line is broken, so that equal channels are both seen.
            style = "--" if index % 2 else "-"
            name = channel_name(index, len(self.response))
            line = gain.plot(self.frequencies_hz, smooth[index], style, label=name)[0]
            # A reverb's fine structure is a carpet, which must not hide the line.
            fine = thinned(self.frequencies_hz, row)
            gain.plot(*fine, color=line.get_color(), alpha=0.2, linewidth=0.6, zorder=1)
            turned = np.degrees(self.phase_radians[index])
            # A jump from -180 to 180 degrees is not a line.
            turned[1:][np.abs(np.diff(turned)) > 180] = np.nan
            phase.plot(self.frequencies_hz, turned, style, linewidth=1.0, alpha=0.7)
        heard = shown[np.isfinite(shown)]
        top = max(6.0, float(heard.max(initial=0.0)) + 3.0)
        gain.set_ylim(max(float(heard.min(initial=0.0)) - 3.0, top - 96.0), top)
        gain.set_ylabel("gain, dB")
        gain.legend(loc="lower left", fontsize="small")
        phase.set_ylabel("phase, degrees")
        phase.set_ylim(-190, 190)
        phase.set_yticks(range(-180, 181, 90))
        for axes in (gain, phase):
            frequency_axis(axes, float(self.frequencies_hz[0]), float(self.frequencies_hz[-1]))

    def to_dict(self) -> dict[str, Any]:
        """The numbers, for JSON: gains at the third octaves; None is minus infinity."""
        low, high = self.frequencies_hz[0], self.frequencies_hz[-1]
        points = [frequency for frequency in _THIRD_OCTAVES_HZ if low <= frequency <= high]
        return {
            "bits": self.bits,
            "compensated_samples": self.compensated_samples,
            "frequencies_hz": numbers(points),
            "magnitude_db": [
                [number(float(self.magnitude_db_at(point)[row])) for point in points]
                for row in range(len(self.response))
            ],
        }


def _smoothed(frequencies: Samples, response: npt.NDArray[np.complex128]) -> Samples:
    """Gain in dB with the power averaged over a 48th of an octave around each frequency."""
    power = np.abs(response) ** 2
    sums = np.concatenate([np.zeros((len(power), 1)), np.cumsum(power, axis=1)], axis=1)
    reach = 2.0 ** (1 / 96)
    begin = np.searchsorted(frequencies, frequencies / reach)
    end = np.searchsorted(frequencies, frequencies * reach, side="right")
    return decibels(np.sqrt((sums[:, end] - sums[:, begin]).clip(0.0) / (end - begin)))


@dataclass(frozen=True, eq=False, repr=False)
class ImpulseResponse(Result):
    """What the plugin gives out when a single sample goes in.

    Attributes:
        plugin_name: Which plugin.
        sample_rate: Frames a second.
        bits: 64 where the plugin computed in double precision, else 32.
        samples: ``(output channels, frames)``, float64, from the frame of the impulse on, for an
            impulse of height 1. The plugin's latency is in it.
    """

    plugin_name: str
    sample_rate: float
    bits: int
    samples: Samples

    @property
    def peak_samples(self) -> npt.NDArray[np.intp]:
        """The frame of the highest sample of each channel, ``(output channels,)``."""
        return np.asarray(np.argmax(np.abs(self.samples), axis=1), np.intp)

    def decay_seconds(self, decibels: float = 60.0) -> Samples:
        """How long until all but the last of the energy has come.

        The energy that is still to come (Schroeder's integral) is looked at, not the samples,
        which go through zero all the time.

        Args:
            decibels: How far it decays, above 0; 60 is the reverberation time.

        Returns:
            ``(output channels,)``, from the impulse on; 0 for a silent channel, NaN for one that
            rings on to the end of what was listened to.
        """
        check_range("decibels", decibels, 0.1, 300.0, "dB")
        left = np.cumsum(self.samples[:, ::-1] ** 2, axis=1)[:, ::-1]
        part = np.sum(left > left[:, :1] * 10.0 ** (-decibels / 10.0), axis=1)
        # The integral falls to nothing at the end whatever the plugin does.
        known = part < self.samples.shape[1] * 2 / 3
        return np.where(known, part / self.sample_rate, math.nan)

    def facts(self) -> list[tuple[str, str]]:
        """The result in words: pairs of a name and a value with its unit."""
        decay = joined(self.decay_seconds(), ".4f", "s")
        if np.isnan(self.decay_seconds()).any():
            decay = f"more than {self.samples.shape[1] / self.sample_rate:g} s"
        return [
            ("precision", f"{self.bits} bits"),
            ("peak", joined(np.abs(self.samples).max(axis=1), ".4g", "")),
            ("peak after", joined(self.peak_samples, ".0f", "samples")),
            ("decay by 60 dB", decay),
        ]

    def plot(self) -> Figure:
        """Draw the samples, and the level in dB, over time.

        Returns:
            A `matplotlib.figure.Figure` of its own; at most 8 channels are on it.

        Raises:
            ImportError: matplotlib is missing; ``pip install 'plugpen[plot]'`` brings it.
        """
        figure = new_figure(8.0, 5.0)
        headline(figure, f"Impulse response of {self.plugin_name}")
        above, below = figure.subplots(2, 1)
        self.draw(above)
        self._draw_levels(below)
        return figure

    def draw(self, axes: Axes) -> None:
        """Draw the samples into `matplotlib.axes.Axes`, as far as they are seen."""
        decay = self.decay_seconds(40.0)
        longest = np.where(np.isnan(decay), np.inf, decay).max() * self.sample_rate * 1.2
        end = int(min(max(32.0, longest), self.samples.shape[1]))
        shown = self.samples[:MOST_CHANNELS, :end]
        times = np.arange(shown.shape[1]) * 1000.0 / self.sample_rate
        for index, row in enumerate(shown):
            style = "--" if index % 2 else "-"
            name = channel_name(index, len(self.samples))
            dots = "." if shown.shape[1] <= 64 else ""
            axes.plot(*thinned(times, row), style, linewidth=1.0, marker=dots, label=name)
        axes.set_xlabel("ms")
        axes.set_ylabel("impulse response")
        axes.legend(loc="upper right", fontsize="small")
        axes.grid(alpha=0.3)

    def _draw_levels(self, axes: Axes) -> None:
        times = np.arange(self.samples.shape[1]) / self.sample_rate
        levels = np.maximum(decibels(self.samples[:MOST_CHANNELS]), -200.0)
        for index, row in enumerate(levels):
            axes.plot(*thinned(times, row), "--" if index % 2 else "-", linewidth=0.6)
        axes.set_ylim(-120.0, max(6.0, float(levels.max()) + 3.0))
        axes.set_xlabel("s")
        axes.set_ylabel("dB")
        axes.grid(alpha=0.3)

    def to_dict(self) -> dict[str, Any]:
        """The numbers, for JSON."""
        return {
            "bits": self.bits,
            "seconds": self.samples.shape[1] / self.sample_rate,
            "peak": numbers(np.abs(self.samples).max(axis=1)),
            "peak_samples": [int(frame) for frame in self.peak_samples],
            "decay_60_db_seconds": numbers(self.decay_seconds()),
        }


def frequency_response(
    plugin: Playable,
    start_hz: float = 20.0,
    end_hz: float | None = None,
    level_dbfs: float = -20.0,
    duration_seconds: float = 4.0,
    tail_seconds: float | None = None,
    input_channel: int | None = None,
) -> FrequencyResponse:
    """Measure gain and phase over frequency, with an exponential sine sweep.

    The answer to the sweep is divided by the sweep (Farina's method): what the plugin adds as
    harmonics comes out before the response itself and is cut off. The plugin is reset before and
    afterwards. Of one that changes with time (a chorus) this is a snapshot.

    Args:
        plugin: A `plugpen.Plugin` with inputs, or a `plugpen.PluginChain`.
        start_hz: Lowest frequency, from 1.
        end_hz: Highest frequency, up to half the sample rate; 20 kHz or 0.45 times the sample
            rate, whichever is lower, if None.
        level_dbfs: Peak of the sweep, -200 to 40.
        duration_seconds: Length of the sweep, 0.5 to 600; longer finds more harmonics apart.
        tail_seconds: How long to listen on, 0 to 60; as long as the plugin says it rings,
            2 to 10 seconds, if None.
        input_channel: The one channel to send it into, the others are silent; all if None.

    Returns:
        A `FrequencyResponse`; the resolution in Hz is one over the tail in seconds.

    Raises:
        Unsupported: It has no audio inputs or no outputs.
        InvalidInput: A value is out of its range.
        PluginCrashed: It died.
    """
    check_is_effect(plugin)
    rate = plugin.sample_rate
    end_hz = min(20_000.0, 0.45 * rate) if end_hz is None else end_hz
    check_range("start_hz", start_hz, 1.0, rate / 4, "Hz")
    check_range("end_hz", end_hz, 2.0, rate / 2, "Hz")
    if end_hz < 2 * start_hz:
        raise InvalidInput(
            f"end_hz must be at least an octave above start_hz, {2 * start_hz:g} Hz, got "
            f"{end_hz:g}",
            reason="INVALID_INPUT",
        )
    check_range("level_dbfs", level_dbfs, -200.0, 40.0, "dBFS")
    check_range("duration_seconds", duration_seconds, 0.5, 600.0, "s")
    tail = frames(listening_seconds(plugin, tail_seconds), rate)
    # An octave below what is asked for and up to the very top, where the division is exact.
    low, length = start_hz / 2, frames(duration_seconds, rate)
    signal = amplitude(level_dbfs) * exponential_sweep(length, rate, low, rate / 2)
    latency = latency_samples(plugin)
    listened = np.concatenate([signal, np.zeros(latency + tail)])
    outputs = play(plugin, same_for_all(plugin, listened, input_channel))
    size = fast_length(2 * length + latency + tail)
    impulse = np.roll(deconvolve(signal, outputs, size), -latency, axis=1)
    # The second harmonic comes this much earlier; further ones earlier still.
    second = length / math.log(rate / 2 / low) * math.log(2)
    pre = round(min(_PRE_ROLL_SECONDS * rate, 0.5 * second))
    kept = np.concatenate([impulse[:, size - pre :], impulse[:, : length // 2 + tail]], axis=1)
    fade = 0.5 - 0.5 * np.cos(np.pi * np.arange(pre // 2) / max(1, pre // 2))
    kept[:, : pre // 2] *= fade
    bins = fast_length(kept.shape[1])
    frequencies = bins_hz(bins, rate)
    spectra = np.fft.rfft(kept, bins) * np.exp(2j * np.pi * frequencies * pre / rate)
    inside = (frequencies >= start_hz) & (frequencies <= end_hz)
    return FrequencyResponse(
        plugin_name=name_of(plugin),
        sample_rate=rate,
        bits=bits_of(plugin),
        frequencies_hz=frequencies[inside],
        response=spectra[:, inside],
        compensated_samples=latency,
    )


def impulse_response(
    plugin: Playable,
    level_dbfs: float = 0.0,
    tail_seconds: float | None = None,
    input_channel: int | None = None,
) -> ImpulseResponse:
    """Send a single sample through a plugin.

    The plugin is reset before and afterwards.

    Args:
        plugin: A `plugpen.Plugin` with inputs, or a `plugpen.PluginChain`.
        level_dbfs: Height of that sample, -200 to 40; the result is divided by it.
        tail_seconds: How long to listen, after the plugin's latency, 0 to 60; as long as the
            plugin says it rings, 2 to 10 seconds, if None.
        input_channel: The one channel to send it into, the others are silent; all if None.

    Returns:
        An `ImpulseResponse`.

    Raises:
        Unsupported: It has no audio inputs or no outputs.
        InvalidInput: A value is out of its range.
        PluginCrashed: It died.
    """
    check_is_effect(plugin)
    check_range("level_dbfs", level_dbfs, -200.0, 40.0, "dBFS")
    rate = plugin.sample_rate
    height = amplitude(level_dbfs)
    tail = frames(listening_seconds(plugin, tail_seconds), rate)
    signal = np.zeros(latency_samples(plugin) + tail)
    signal[0] = height
    outputs = play(plugin, same_for_all(plugin, signal, input_channel))
    return ImpulseResponse(
        plugin_name=name_of(plugin),
        sample_rate=rate,
        bits=bits_of(plugin),
        samples=outputs / height,
    )
