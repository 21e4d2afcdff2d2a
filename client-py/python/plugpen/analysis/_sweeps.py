"""The sine sweep and its picture."""

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
    name_of,
    play,
)
from ._results import MOST_CHANNELS, Result, channel_name, headline, joined, new_figure, numbers
from ._spectra import Spectrogram, decibels, linear_sweep, spectrogram

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

# The colours' range.
_QUIETEST_DBFS = -120.0


@dataclass(frozen=True, eq=False, repr=False)
class SineSweep(Result):
    """A sine sweep and what the plugin made of it.

    Attributes:
        plugin_name: Which plugin.
        sample_rate: Frames a second.
        bits: 64 where the plugin computed in double precision, else 32.
        inputs: ``(input channels, frames)``, float64: a sine that rises evenly on the first
            channel and falls on the second, and so on in turn.
        outputs: ``(output channels, frames)``, float64, of the same length and with the plugin's
            latency in it.
    """

    plugin_name: str
    sample_rate: float
    bits: int
    inputs: Samples
    outputs: Samples

    def spectrograms(self) -> tuple[Spectrogram, Spectrogram]:
        """The spectrograms of inputs and outputs."""
        return spectrogram(self.inputs, self.sample_rate), spectrogram(
            self.outputs, self.sample_rate
        )

    def facts(self) -> list[tuple[str, str]]:
        """The result in words: pairs of a name and a value with its unit."""
        return [
            ("precision", f"{self.bits} bits"),
            ("length", f"{self.inputs.shape[1] / self.sample_rate:.2f} s"),
            ("input peak", joined(decibels(_peaks(self.inputs)), ".1f", "dBFS")),
            ("output peak", joined(decibels(_peaks(self.outputs)), ".1f", "dBFS")),
        ]

    def plot(self) -> Figure:
        """Draw the spectrograms: inputs above, outputs below, a column a channel.

        Returns:
            A `matplotlib.figure.Figure` of its own; at most 8 channels are on it.

        Raises:
            ImportError: matplotlib is missing; ``pip install 'plugpen[plot]'`` brings it.
        """
        columns = min(max(len(self.inputs), len(self.outputs)), MOST_CHANNELS)
        figure = new_figure(max(6.0, 4.5 * columns), 6.5)
        headline(figure, f"Sine sweep through {self.plugin_name}, {self.bits} bits")
        grid = figure.subplots(2, columns, squeeze=False, sharex=True, sharey=True)
        image = self.draw([list(row) for row in grid])
        figure.colorbar(image, ax=grid, label="dBFS")
        return figure

    def draw(self, rows: list[list[Axes]]) -> AxesImage:
        """Draw the spectrograms into axes: a row for the inputs and one for the outputs.

        Args:
            rows: Two lists of as many `matplotlib.axes.Axes` each as channels shall be shown.

        Returns:
            The last image, for a colour bar.
        """
        image: AxesImage | None = None
        for what, axes, levels in zip(("input", "output"), rows, self.spectrograms(), strict=True):
            count = len(levels.levels_dbfs)
            for channel, place in enumerate(axes):
                if channel >= count:
                    place.set_axis_off()
                    continue
                title = f"{what}, {channel_name(channel, count)}"
                if channel == len(axes) - 1 and count > len(axes):
                    title += f" (of {count})"
                place.set_title(title, fontsize="medium")
                image = place.imshow(
                    np.maximum(levels.levels_dbfs[channel], 2 * _QUIETEST_DBFS),
                    origin="lower",
                    aspect="auto",
                    interpolation="nearest",
                    extent=(
                        0.0,
                        self.inputs.shape[1] / self.sample_rate,
                        0.0,
                        self.sample_rate / 2000,
                    ),
                    vmin=_QUIETEST_DBFS,
                    vmax=0.0,
                    cmap="magma",
                )
                place.label_outer()
                if channel == 0:
                    place.set_ylabel("kHz")
                if what == "output":
                    place.set_xlabel("s")
        assert image is not None, "a plugin that was measured has an output"
        return image

    def to_dict(self) -> dict[str, Any]:
        """The numbers, for JSON: None stands for what is infinite."""
        return {
            "bits": self.bits,
            "seconds": self.inputs.shape[1] / self.sample_rate,
            "input_peak_dbfs": numbers(decibels(_peaks(self.inputs))),
            "output_peak_dbfs": numbers(decibels(_peaks(self.outputs))),
        }


def _peaks(audio: Samples) -> Samples:
    return np.asarray(np.abs(audio).max(axis=1), np.float64)


def sine_sweep(
    plugin: Playable,
    duration_seconds: float = 2.0,
    start_hz: float = 0.0,
    end_hz: float | None = None,
    level_dbfs: float = -6.0,
) -> SineSweep:
    """Send a sine sweep through a plugin.

    The frequency rises evenly, so that in a spectrogram harmonics are straight lines that rise
    faster, and aliases are lines that fall. Every second channel has the sweep backwards, which
    tells what goes from one channel to the other. The plugin is reset before and afterwards.

    Args:
        plugin: A `plugpen.Plugin` with inputs, or a `plugpen.PluginChain`.
        duration_seconds: Length of the sweep, 0.1 to 600.
        start_hz: Where it begins, 0 up to half the sample rate.
        end_hz: Where it ends; half the sample rate if None.
        level_dbfs: Peak of the sine, -200 to 40.

    Returns:
        A `SineSweep`; 64-bit samples were played where the plugin takes them.

    Raises:
        Unsupported: It has no audio inputs or no outputs.
        InvalidInput: A value is out of its range.
        PluginCrashed: It died.
    """
    check_is_effect(plugin)
    rate = plugin.sample_rate
    end_hz = rate / 2 if end_hz is None else end_hz
    check_range("duration_seconds", duration_seconds, 0.1, 600.0, "s")
    check_range("start_hz", start_hz, 0.0, rate / 2, "Hz")
    check_range("end_hz", end_hz, 0.0, rate / 2, "Hz")
    check_range("level_dbfs", level_dbfs, -200.0, 40.0, "dBFS")
    length = frames(duration_seconds, rate)
    signal = amplitude(level_dbfs) * linear_sweep(length, rate, start_hz, end_hz)
    inputs = np.stack(
        [signal[::-1] if row % 2 else signal for row in range(plugin.num_input_channels)]
    )
    return SineSweep(
        plugin_name=name_of(plugin),
        sample_rate=rate,
        bits=bits_of(plugin),
        inputs=inputs,
        outputs=play(plugin, inputs),
    )
