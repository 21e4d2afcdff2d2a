"""Latency: said and measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ._playing import (
    Playable,
    Samples,
    amplitude,
    check_is_effect,
    check_range,
    frames,
    latency_samples,
    name_of,
    play,
    same_for_all,
)
from ._results import Result, headline, new_figure, thinned
from ._spectra import deconvolve, fast_length

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Height over the rest that a peak must have to be one.
_CLEAR = 8.0


@dataclass(frozen=True, eq=False, repr=False)
class Latency(Result):
    """How late a plugin is.

    Attributes:
        plugin_name: Which plugin.
        sample_rate: Frames a second.
        reported_samples: What the plugin says, in frames.
        measured_samples: After how many frames most of what was sent comes out; None where what
            comes out has nothing to do with it, or is silent.
        response: ``(frames,)``, what the measurement is read from: the impulse response of the
            loudest channel, height 1.
    """

    plugin_name: str
    sample_rate: float
    reported_samples: int
    measured_samples: int | None
    response: Samples

    @property
    def is_as_reported(self) -> bool:
        """Whether it was found, and is what the plugin says, give or take a frame."""
        if self.measured_samples is None:
            return False
        return abs(self.measured_samples - self.reported_samples) <= 1

    def facts(self) -> list[tuple[str, str]]:
        """The result in words: pairs of a name and a value with its unit."""
        return [
            ("reported", self._with_time(self.reported_samples)),
            (
                "measured",
                "not found"
                if self.measured_samples is None
                else self._with_time(self.measured_samples),
            ),
        ]

    def _with_time(self, samples: int) -> str:
        return f"{samples} samples ({samples * 1000 / self.sample_rate:.2f} ms)"

    def plot(self) -> Figure:
        """Draw the response, with a mark at each of the two.

        Returns:
            A `matplotlib.figure.Figure` of its own.

        Raises:
            ImportError: matplotlib is missing; ``pip install 'plugpen[plot]'`` brings it.
        """
        figure = new_figure(8.0, 3.5)
        headline(figure, f"Latency of {self.plugin_name}")
        axes = figure.subplots()
        latest = max(self.reported_samples, self.measured_samples or 0)
        shown = self.response[: 2 * latest + 256]
        axes.plot(*thinned(np.arange(len(shown)), shown), linewidth=1.0)
        axes.axvline(self.reported_samples, color="tab:orange", label="reported")
        if self.measured_samples is not None:
            axes.axvline(self.measured_samples, color="tab:green", ls="--", label="measured")
        axes.set_xlabel("samples")
        axes.legend()
        return figure

    def to_dict(self) -> dict[str, Any]:
        """The numbers, for JSON: ``measured_samples`` is None where it was not found."""
        return {
            "reported_samples": self.reported_samples,
            "measured_samples": self.measured_samples,
            "is_as_reported": self.is_as_reported,
        }


def latency(plugin: Playable, level_dbfs: float = -12.0, longest_seconds: float = 1.0) -> Latency:
    """Measure the latency of a plugin, with a burst of noise.

    Noise opens gates and excites every frequency; the answer is divided by it, and the highest
    peak of that is the latency. A delay or reverb that gives out more late than early sound has
    its late peak taken for it. The plugin is reset before and afterwards.

    Args:
        plugin: A `plugpen.Plugin` with inputs, or a `plugpen.PluginChain`.
        level_dbfs: Peak of the noise, -200 to 40.
        longest_seconds: The longest latency that is looked for, beyond the one that is reported,
            above 0 up to 60.

    Returns:
        A `Latency`.

    Raises:
        Unsupported: It has no audio inputs or no outputs.
        InvalidInput: A value is out of its range.
        PluginCrashed: It died.
    """
    check_is_effect(plugin)
    check_range("level_dbfs", level_dbfs, -200.0, 40.0, "dBFS")
    check_range("longest_seconds", longest_seconds, 0.001, 60.0, "s")
    rate = plugin.sample_rate
    reported = latency_samples(plugin)
    longest = reported + frames(longest_seconds, rate)
    height = amplitude(level_dbfs)
    # The same noise every time, or a measurement could not be repeated.
    noise = np.random.default_rng(1).uniform(-height, height, longest)
    signal = np.concatenate([noise, np.zeros(longest)])
    outputs = play(plugin, same_for_all(plugin, signal, None))
    impulses = deconvolve(noise, outputs, fast_length(2 * longest))[:, :longest]
    loudest = impulses[int(np.argmax(np.abs(impulses).max(axis=1)))]
    sizes = np.abs(loudest)
    peak = float(sizes.max())
    # What does not belong to the noise is spread over all of it.
    found = peak > _CLEAR * float(np.sqrt(np.mean(sizes**2)))
    return Latency(
        plugin_name=name_of(plugin),
        sample_rate=rate,
        reported_samples=reported,
        measured_samples=int(np.argmax(sizes)) if found else None,
        response=loudest / peak if peak > 0 else loudest,
    )
