"""A note on an instrument."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .._exceptions import InvalidInput, Unsupported
from ._levels import Level, level
from ._playing import (
    Playable,
    Samples,
    check_is_heard,
    check_range,
    frames,
    fresh,
    listening_seconds,
    name_of,
)
from ._results import MOST_CHANNELS, Result, channel_name, headline, new_figure
from ._spectra import Spectrogram, spectrogram

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PITCHES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_QUIETEST_DBFS = -120.0


@dataclass(frozen=True, eq=False, repr=False)
class Note(Result):
    """A note and what an instrument made of it.

    Attributes:
        plugin_name: Which plugin.
        sample_rate: Frames a second.
        pitch: MIDI note number, 0 to 127; 60 is the middle C.
        velocity: 1 to 127.
        hold_seconds: When it was let go.
        samples: ``(output channels, frames)``, float64, from the frame of the note on.
    """

    plugin_name: str
    sample_rate: float
    pitch: int
    velocity: int
    hold_seconds: float
    samples: Samples

    def level(self, window_seconds: float = 0.05) -> Level:
        """How loud it is over time; see `plugpen.analysis.level`."""
        return level(self.samples, self.sample_rate, window_seconds, self.plugin_name)

    def spectrogram(self) -> Spectrogram:
        """Its levels over time and frequency; see `plugpen.analysis.spectrogram`."""
        return spectrogram(self.samples, self.sample_rate, window_frames=2048)

    def facts(self) -> list[tuple[str, str]]:
        """The result in words: pairs of a name and a value with its unit."""
        name = f"{_PITCHES[self.pitch % 12]}{self.pitch // 12 - 1}"
        return [
            ("note", f"{name} ({self.pitch}) at velocity {self.velocity}"),
            ("held", f"{self.hold_seconds:g} s"),
            *self.level().facts(),
        ]

    def plot(self) -> Figure:
        """Draw a spectrogram of each channel, and the level over time.

        Returns:
            A `matplotlib.figure.Figure` of its own; at most 8 channels are on it.

        Raises:
            ImportError: matplotlib is missing; ``pip install 'plugpen[plot]'`` brings it.
        """
        count = len(self.samples)
        columns = min(count, MOST_CHANNELS)
        figure = new_figure(max(6.0, 4.5 * columns), 6.5)
        headline(figure, f"Note {self.pitch} on {self.plugin_name}")
        grid = figure.add_gridspec(2, columns)
        levels = self.spectrogram().levels_dbfs
        seconds = self.samples.shape[1] / self.sample_rate
        axes = []
        for channel in range(columns):
            place = figure.add_subplot(grid[0, channel])
            place.set_title(channel_name(channel, count), fontsize="medium")
            image = place.imshow(
                np.maximum(levels[channel], 2 * _QUIETEST_DBFS),
                origin="lower",
                aspect="auto",
                interpolation="nearest",
                extent=(0.0, seconds, 0.0, self.sample_rate / 2000),
                vmin=_QUIETEST_DBFS,
                vmax=0.0,
                cmap="magma",
            )
            place.set_xlabel("s")
            axes.append(place)
        axes[0].set_ylabel("kHz")
        figure.colorbar(image, ax=axes, label="dBFS")
        below = figure.add_subplot(grid[1, :])
        below.axvline(self.hold_seconds, color="grey", linewidth=0.8, label="let go")
        self.level(0.02).draw(below)
        return figure

    def to_dict(self) -> dict[str, Any]:
        """The numbers, for JSON."""
        return {
            "pitch": self.pitch,
            "velocity": self.velocity,
            "hold_seconds": self.hold_seconds,
            "seconds": self.samples.shape[1] / self.sample_rate,
            **self.level().to_dict(),
        }


def play_note(
    plugin: Playable,
    pitch: int = 60,
    velocity: int = 100,
    hold_seconds: float = 1.0,
    release_seconds: float | None = None,
) -> Note:
    """Play a note on an instrument, on MIDI channel 1.

    The plugin is reset before and afterwards. Audio inputs, if it has some, get silence.

    Args:
        plugin: A `plugpen.Plugin` that takes MIDI, or a `plugpen.PluginChain` with one.
        pitch: MIDI note number, 0 to 127; 60 is the middle C.
        velocity: 1 to 127.
        hold_seconds: Until it is let go, 0.001 to 600.
        release_seconds: How long to listen after that, 0 to 60; as long as the plugin says it
            rings, 2 to 10 seconds, if None.

    Returns:
        A `Note`.

    Raises:
        Unsupported: It takes no MIDI or has no outputs.
        InvalidInput: A value is out of its range.
        PluginCrashed: It died.
    """
    check_is_heard(plugin)
    if not getattr(plugin, "accepts_midi", True):
        raise Unsupported(
            f"{name_of(plugin)} takes no MIDI, so it cannot play a note; use "
            "plugpen.analysis.analyze() for effects",
            reason="UNSUPPORTED",
        )
    for what, value, least in (("pitch", pitch, 0), ("velocity", velocity, 1)):
        if not least <= value <= 127:
            raise InvalidInput(
                f"{what} must be between {least} and 127, got {value}", reason="INVALID_INPUT"
            )
    check_range("hold_seconds", hold_seconds, 0.001, 600.0, "s")
    rate, size = plugin.sample_rate, plugin.max_block_size
    held = frames(hold_seconds, rate)
    total = held + frames(listening_seconds(plugin, release_seconds), rate)
    samples = np.zeros((plugin.num_output_channels, total), np.float32)
    with fresh(plugin):
        for start in range(0, total, size):
            block = samples[:, start : start + size]
            silence = np.zeros((plugin.num_input_channels, block.shape[1]), np.float32)
            midi = [
                (frame - start, status, pitch, speed)
                for frame, status, speed in ((0, 0x90, velocity), (held, 0x80, 0))
                if 0 <= frame - start < block.shape[1]
            ]
            plugin.process_midi(silence, block, midi)
    return Note(
        plugin_name=name_of(plugin),
        sample_rate=rate,
        pitch=pitch,
        velocity=velocity,
        hold_seconds=hold_seconds,
        samples=samples.astype(np.float64),
    )
