"""Harmonic distortion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

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
    numbers,
    thinned,
)
from ._spectra import (
    LOBE_BINS,
    bins_hz,
    check_at_least,
    fast_length,
    power_decibels,
    power_spectrum,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False)
class HarmonicDistortion(Result):
    """What a plugin adds to a sine.

    Attributes:
        plugin_name: Which plugin.
        sample_rate: Frames a second.
        bits: 64 where the plugin computed in double precision, else 32.
        frequency_hz: The sine that was sent: the nearest to the one asked for that goes a whole
            number of times into what is analysed.
        level_dbfs: Its peak.
        fundamental_dbfs: What came out at its frequency, ``(output channels,)``.
        harmonic_orders: 2, 3, ... up to the last below half the sample rate, ``(harmonics,)``.
        harmonics_dbc: Their levels over the fundamental, ``(output channels, harmonics)``, in
            dB. Aliases of higher ones count as noise.
        thd: Total harmonic distortion: the root of the harmonics' power over the fundamental's,
            ``(output channels,)``, a ratio.
        thd_plus_noise: The root of the power of all but fundamental and DC over the
            fundamental's, ``(output channels,)``, a ratio, over the whole band.
        frequencies_hz: ``(bins,)``, of the spectrum.
        spectrum_dbfs: ``(output channels, bins)``; a sine of amplitude 1 is 0 dBFS in all the
            bins of its lobe together.
    """

    plugin_name: str
    sample_rate: float
    bits: int
    frequency_hz: float
    level_dbfs: float
    fundamental_dbfs: Samples
    harmonic_orders: Samples
    harmonics_dbc: Samples
    thd: Samples
    thd_plus_noise: Samples
    frequencies_hz: Samples
    spectrum_dbfs: Samples

    @property
    def thd_db(self) -> Samples:
        """Total harmonic distortion in dB, ``(output channels,)``."""
        return power_decibels(self.thd**2)

    @property
    def thd_plus_noise_db(self) -> Samples:
        """Total harmonic distortion and noise in dB, ``(output channels,)``."""
        return power_decibels(self.thd_plus_noise**2)

    def facts(self) -> list[tuple[str, str]]:
        """The result in words: pairs of a name and a value with its unit."""
        said = [
            ("precision", f"{self.bits} bits"),
            ("sine", f"{self.frequency_hz:.1f} Hz at {self.level_dbfs:g} dBFS"),
            ("fundamental", joined(self.fundamental_dbfs, ".2f", "dBFS")),
            ("THD", joined(self.thd * 100, ".4g", "%")),
            ("THD", joined(self.thd_db, ".1f", "dB")),
            ("THD+N", joined(self.thd_plus_noise_db, ".1f", "dB")),
        ]
        for index, order in enumerate(self.harmonic_orders[:4]):
            levels = joined(self.harmonics_dbc[:, index], ".1f", "dBc")
            said.append((f"harmonic {order:.0f}", levels))
        return said

    def plot(self) -> Figure:
        """Draw the spectrum of what came out, a line a channel.

        Returns:
            A `matplotlib.figure.Figure` of its own; at most 8 channels are on it.

        Raises:
            ImportError: matplotlib is missing; ``pip install 'plugpen[plot]'`` brings it.
        """
        figure = new_figure(8.0, 4.5)
        headline(figure, f"Harmonic distortion of {self.plugin_name}")
        self.draw(figure.subplots())
        return figure

    def draw(self, axes: Axes) -> None:
        """Draw the spectrum into `matplotlib.axes.Axes`."""
        shown = np.maximum(self.spectrum_dbfs[:MOST_CHANNELS], -400.0)
        for index, row in enumerate(shown):
            thd = f"THD {joined(self.thd_db[index], '.1f', 'dB')}"
            name = channel_name(index, len(self.spectrum_dbfs))
            axes.plot(
                *thinned(self.frequencies_hz[1:], row[1:]), linewidth=0.8, label=f"{name}, {thd}"
            )
        axes.set_ylim(-340.0 if self.bits == 64 else -200.0, max(10.0, float(shown.max()) + 5.0))
        axes.set_ylabel(f"spectrum at {self.frequency_hz:.0f} Hz, dBFS")
        axes.legend(loc="upper left", fontsize="small")
        frequency_axis(axes, min(20.0, self.frequency_hz / 2), self.sample_rate / 2)

    def to_dict(self) -> dict[str, Any]:
        """The numbers, for JSON: None stands for minus infinity."""
        return {
            "bits": self.bits,
            "frequency_hz": self.frequency_hz,
            "level_dbfs": self.level_dbfs,
            "fundamental_dbfs": numbers(self.fundamental_dbfs),
            "thd_percent": numbers(self.thd * 100),
            "thd_db": numbers(self.thd_db),
            "thd_plus_noise_db": numbers(self.thd_plus_noise_db),
            "harmonic_orders": [int(order) for order in self.harmonic_orders],
            "harmonics_dbc": [numbers(row) for row in self.harmonics_dbc],
        }


def harmonic_distortion(
    plugin: Playable,
    frequency_hz: float = 1000.0,
    level_dbfs: float = -6.0,
    harmonics: int = 10,
    settle_seconds: float | None = None,
) -> HarmonicDistortion:
    """Send a sine through a plugin and look at what it adds.

    The sine goes a whole number of times into the second or more that is analysed, and a window
    keeps what is not periodic there in its place; so what is read is the plugin's, down to its
    rounding. The plugin is reset before and afterwards.

    Args:
        plugin: A `plugpen.Plugin` with inputs, or a `plugpen.PluginChain`.
        frequency_hz: Of the sine, from 40 to a quarter of the sample rate.
        level_dbfs: Peak of the sine, -200 to 40.
        harmonics: The highest harmonic that counts, at least 2; those below half the sample rate
            do.
        settle_seconds: How long it plays before it is looked at, 0 to 60; as long as the plugin
            says it rings, 2 to 10 seconds, if None.

    Returns:
        A `HarmonicDistortion`. Where nothing comes out at the sine's frequency, ratios are NaN
        or infinite.

    Raises:
        Unsupported: It has no audio inputs or no outputs.
        InvalidInput: A value is out of its range.
        PluginCrashed: It died.
    """
    check_is_effect(plugin)
    rate = plugin.sample_rate
    check_range("frequency_hz", frequency_hz, 40.0, rate / 4, "Hz")
    check_range("level_dbfs", level_dbfs, -200.0, 40.0, "dBFS")
    check_at_least("harmonics", harmonics, 2)
    size = fast_length(round(rate))
    # Odd, so that no alias of a harmonic falls on another one.
    turns = round(frequency_hz * size / rate) | 1
    settle = latency_samples(plugin) + frames(listening_seconds(plugin, settle_seconds), rate)
    clock = np.arange(settle + size)
    # The angle is brought to one turn first: float64 would lose digits of large ones.
    signal = amplitude(level_dbfs) * np.sin(2 * np.pi * ((turns * clock) % size) / size)
    outputs = play(plugin, same_for_all(plugin, signal, None))[:, settle:]
    return harmonics_of(
        outputs, turns, harmonics, rate, level_dbfs, name_of(plugin), bits_of(plugin)
    )


def harmonics_of(
    audio: Samples,
    turns: int,
    harmonics: int,
    sample_rate: float,
    level_dbfs: float,
    name: str,
    bits: int,
) -> HarmonicDistortion:
    """Reads the harmonics of a sine that goes ``turns`` times into the audio."""
    size = audio.shape[1]
    power = power_spectrum(audio)
    orders = [n for n in range(2, harmonics + 1) if n * turns + LOBE_BINS < size // 2]
    fundamental = _lobe(power, turns)
    each = np.stack([_lobe(power, order * turns) for order in orders], axis=1)
    rest = power.copy()
    rest[:, : LOBE_BINS + 1] = 0.0
    rest[:, turns - LOBE_BINS : turns + LOBE_BINS + 1] = 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        return HarmonicDistortion(
            plugin_name=name,
            sample_rate=sample_rate,
            bits=bits,
            frequency_hz=turns * sample_rate / size,
            level_dbfs=level_dbfs,
            fundamental_dbfs=power_decibels(2.0 * fundamental),
            harmonic_orders=np.array(orders, np.float64),
            harmonics_dbc=power_decibels(each / fundamental[:, None]),
            thd=np.sqrt(each.sum(axis=1) / fundamental),
            thd_plus_noise=np.sqrt(rest.sum(axis=1) / fundamental),
            frequencies_hz=bins_hz(size, sample_rate),
            spectrum_dbfs=power_decibels(2.0 * power),
        )


def _lobe(power: Samples, bin_: int) -> Samples:
    return np.asarray(power[:, bin_ - LOBE_BINS : bin_ + LOBE_BINS + 1].sum(axis=1), np.float64)
