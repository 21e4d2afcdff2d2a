"""Everything about a plugin at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._delays import Latency, latency
from ._distortion import HarmonicDistortion, harmonic_distortion
from ._levels import Level, level
from ._notes import Note, play_note
from ._playing import Playable, name_of
from ._responses import FrequencyResponse, ImpulseResponse, frequency_response, impulse_response
from ._results import Result, headline, new_figure
from ._sweeps import SineSweep, sine_sweep

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False)
class Analysis(Result):
    """All that is measured of an effect.

    Attributes:
        plugin_name: Which plugin.
        sweep: A sine sweep through it.
        frequency_response: Gain and phase.
        impulse_response: Its answer to one sample.
        distortion: What it adds to a sine.
        latency: What it says, and what is found.
        level: How loud its answer to the sweep is over time.
    """

    plugin_name: str
    sweep: SineSweep
    frequency_response: FrequencyResponse
    impulse_response: ImpulseResponse
    distortion: HarmonicDistortion
    latency: Latency
    level: Level

    def facts(self) -> list[tuple[str, str]]:
        """The result in words: pairs of a name and a value with its unit."""
        about = self.latency.facts()
        return [
            ("precision", f"{self.sweep.bits} bits"),
            *((f"latency, {name}", value) for name, value in about),
            *self.frequency_response.facts()[1:],
            *self.distortion.facts()[1:],
            *((f"impulse response, {name}", v) for name, v in self.impulse_response.facts()[1:]),
            *((f"sweep, {name}", value) for name, value in self.level.facts()),
        ]

    def plot(self) -> Figure:
        """Draw all of it: the sweep's spectrograms, the response, the impulse, the harmonics.

        Returns:
            A `matplotlib.figure.Figure` of its own; two channels of the spectrograms and at most
            8 of the rest are on it.

        Raises:
            ImportError: matplotlib is missing; ``pip install 'plugpen[plot]'`` brings it.
        """
        figure = new_figure(12.0, 15.0)
        seconds = self.sweep.inputs.shape[1] / self.sweep.sample_rate
        headline(
            figure,
            f"{self.plugin_name}: {self.sweep.sample_rate:g} Hz, {self.sweep.bits} bits, "
            f"sine sweep of {seconds:g} s",
        )
        above, below = figure.subfigures(2, 1, height_ratios=(2, 3))
        columns = min(2, max(len(self.sweep.inputs), len(self.sweep.outputs)))
        spectra = above.subplots(2, columns, squeeze=False, sharex=True, sharey=True)
        image = self.sweep.draw([list(row) for row in spectra])
        above.colorbar(image, ax=spectra, label="dBFS")
        grid = below.subplots(3, 2)
        self.frequency_response.draw(grid[0, 0], grid[0, 1])
        self.impulse_response.draw(grid[1, 0])
        self.distortion.draw(grid[1, 1])
        self.level.draw(grid[2, 0])
        grid[2, 0].set_title("the sweep's output", fontsize="medium")
        grid[2, 1].set_axis_off()
        width = max(len(name) for name, _ in self.facts())
        facts = "\n".join(f"{name:<{width}}  {value}" for name, value in self.facts())
        grid[2, 1].text(
            0.0, 1.0, facts, va="top", fontsize="small", parse_math=False, family="monospace"
        )
        return figure

    def to_dict(self) -> dict[str, Any]:
        """The numbers, for JSON: a dict for each measurement; None is what is infinite."""
        return {
            "plugin": self.plugin_name,
            "sample_rate": self.sweep.sample_rate,
            "bits": self.sweep.bits,
            "sweep": self.sweep.to_dict(),
            "frequency_response": self.frequency_response.to_dict(),
            "impulse_response": self.impulse_response.to_dict(),
            "distortion": self.distortion.to_dict(),
            "latency": self.latency.to_dict(),
            "level": self.level.to_dict(),
        }


def analyze(plugin: Playable, level_dbfs: float = -6.0) -> Analysis | Note:
    """Measure all there is to measure of a plugin.

    Args:
        plugin: A `plugpen.Plugin` or `plugpen.PluginChain`.
        level_dbfs: Peak of the sine sweep and of the sine whose harmonics are measured,
            -200 to 40.

    Returns:
        An `Analysis`; of a plugin without audio inputs that takes MIDI, a `Note`.

    Raises:
        Unsupported: It has no outputs, or neither inputs nor MIDI.
        InvalidInput: The level is out of its range.
        PluginCrashed: It died.
    """
    if plugin.num_input_channels == 0 and getattr(plugin, "accepts_midi", True):
        return play_note(plugin)
    sweep = sine_sweep(plugin, level_dbfs=level_dbfs)
    return Analysis(
        plugin_name=name_of(plugin),
        sweep=sweep,
        frequency_response=frequency_response(plugin),
        impulse_response=impulse_response(plugin),
        distortion=harmonic_distortion(plugin, level_dbfs=level_dbfs),
        latency=latency(plugin),
        level=level(sweep.outputs, sweep.sample_rate, name=name_of(plugin)),
    )
