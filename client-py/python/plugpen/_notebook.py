"""The faces of plugpen's objects in notebooks: HTML that runs nothing and has bounded sizes.

Everything a plugin says (its name, its texts, its last words) is escaped and cut off.
"""

from __future__ import annotations

import base64
import io
import wave
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
import numpy.typing as npt

from ._exceptions import Death, InvalidInput, PluginError

if TYPE_CHECKING:
    from ._plugpen import MidiFile, Plugin, PluginChain, _PluginInfo

# What one face shows at most; the rest is counted.
_MOST_ROWS = 200
_MOST_LETTERS = 120
_MOST_NOTES = 2000
_MOST_CHANNELS = 8
_MOST_WAV_BYTES = 8 << 20
_COLUMNS = 600

_CELL = "style='text-align:left;padding:1px 8px'"


def text(value: object) -> str:
    """A plugin's text, on one line of bounded length, escaped."""
    letters = str(value)[: _MOST_LETTERS + 1]
    shown = "".join(letter if letter.isprintable() else " " for letter in letters)
    if len(shown) > _MOST_LETTERS:
        shown = shown[:_MOST_LETTERS] + "…"
    return escape(shown)


def _table(titles: Sequence[str], rows: Iterable[Sequence[object]], total: int) -> str:
    """A table of texts, of which at most `_MOST_ROWS` rows are taken."""
    head = "".join(f"<th {_CELL}>{text(title)}</th>" for title in titles)
    shown = [
        "<tr>" + "".join(f"<td {_CELL}>{text(cell)}</td>" for cell in row) + "</tr>"
        for _, row in zip(range(_MOST_ROWS), rows, strict=False)
    ]
    more = f"<p>… and {total - len(shown)} more</p>" if total > len(shown) else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(shown)}</tbody></table>{more}"


def _box(title: str, about: str, *parts: str) -> str:
    return f"<div><b>{text(title)}</b> {about}{''.join(parts)}</div>"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def death_html(death: Death) -> str:
    """How a plugin's process ended."""
    facts: list[tuple[str, object]] = [("kind", death.kind)]
    if death.signal:
        facts.append(("signal", f"{death.signal_name} ({death.signal})"))
    if death.kind == "EXIT":
        facts.append(("exit code", death.exit_code))
    facts += [("call", death.call or "none: it was idle"), ("process", death.generation)]
    last = "".join(f"{text(line)}\n" for line in death.output[-20:])
    words = f"<p>Its last words:</p><pre>{last}</pre>" if last else ""
    return _box("Death", text(death.summary), _table(("", ""), facts, len(facts)), words)


def plugin_html(plugin: Plugin) -> str:
    """What a plugin is, and its parameters as they stand."""
    try:
        death = plugin.death
        if death is not None:
            return _box(plugin.name, "is dead", death_html(death))
        about = (
            f"{text(plugin.format)}, {_count(plugin.num_input_channels, 'input')}, "
            f"{_count(plugin.num_output_channels, 'output')}, {plugin.sample_rate:g} Hz, "
            f"latency {_count(plugin.latency_samples, 'sample')}"
        )
        if plugin.vendor:
            about = f"by {text(plugin.vendor)}: {about}"
        if plugin.num_programs:
            current = plugin.get_program_name(plugin.program)
            about += f", program {plugin.program} of {plugin.num_programs} ({text(current)})"
        count = plugin.num_params
        rows = (_parameter(plugin, index) for index in range(count))
        table = _table(("", "parameter", "value", "unit", "normalised"), rows, count)
        return _box(plugin.name, about, table if count else "")
    except PluginError as error:
        return _box(plugin.name, text(error))


def _parameter(plugin: Plugin, index: int) -> tuple[object, ...]:
    info = plugin.get_param_info(index)
    value = f"{plugin.get_param(index):.4f}"
    return index, info["name"], info["current_value_str"], info["label"], value


def chain_html(chain: PluginChain) -> str:
    """The plugins of a chain, in order."""
    try:
        count = chain.num_plugins
        rows = (_link(chain, index) for index in range(count))
        about = (
            f"{_count(chain.num_input_channels, 'input')}, "
            f"{_count(chain.num_output_channels, 'output')}, {chain.sample_rate:g} Hz, "
            f"latency {_count(chain.latency_samples, 'sample')}"
        )
        titles = ("", "plugin", "format", "latency", "mix", "state")
        return _box("PluginChain", about, _table(titles, rows, count))
    except PluginError as error:
        return _box("PluginChain", text(error))


def _link(chain: PluginChain, index: int) -> tuple[object, ...]:
    plugin = chain.get_plugin(index)
    state = "alive" if plugin.is_alive else "dead"
    return (
        index,
        plugin.name,
        plugin.format,
        plugin.latency_samples,
        f"{chain.get_mix(index):g}",
        state,
    )


def midi_html(file: MidiFile) -> str:
    """The tracks of a MIDI file, and its notes as a piano roll."""
    seconds = file.duration_seconds
    tracks = [file.get_events(index) for index in range(min(file.num_tracks, _MOST_ROWS))]
    rows = []
    for index, events in enumerate(tracks):
        notes = [event for event in events if event["type"] == "note_on"]
        channels = sorted({event["channel"] for event in events if "channel" in event})
        pitches = [event["pitch"] for event in notes]
        rows.append(
            (
                index,
                len(events),
                len(notes),
                ", ".join(str(channel) for channel in channels),
                f"{min(pitches)} to {max(pitches)}" if pitches else "",
            )
        )
    about = (
        f"{_count(file.num_tracks, 'track')}, {seconds:.2f} s, "
        f"{file.ticks_per_quarter} ticks a quarter note"
    )
    titles = ("track", "events", "notes", "channels", "pitches")
    roll = _piano_roll(tracks, seconds)
    return _box("MidiFile", about, _table(titles, rows, file.num_tracks), roll)


def _piano_roll(tracks: Sequence[Sequence[dict[str, Any]]], seconds: float) -> str:
    bars: list[tuple[float, float, int]] = []
    for events in tracks:
        sounding: dict[tuple[int, int], list[float]] = {}
        for event in sorted(events, key=lambda event: float(event["seconds"])):
            if event["type"] == "note_on":
                begun = sounding.setdefault((event["channel"], event["pitch"]), [])
                begun.append(event["seconds"])
            elif event["type"] == "note_off":
                begun = sounding.get((event["channel"], event["pitch"]), [])
                if begun:
                    bars.append((begun.pop(0), event["seconds"], event["pitch"]))
    if not bars or seconds <= 0:
        return ""
    low, high = min(bar[2] for bar in bars), max(bar[2] for bar in bars)
    rows = high - low + 1
    rectangles = "".join(
        f"<rect x='{begin / seconds * _COLUMNS:.1f}' y='{high - pitch}' "
        f"width='{max((end - begin) / seconds * _COLUMNS, 0.5):.1f}' height='0.9'></rect>"
        for begin, end, pitch in bars[:_MOST_NOTES]
    )
    more = f"<p>… and {len(bars) - _MOST_NOTES} more notes</p>" if len(bars) > _MOST_NOTES else ""
    return (
        f"<svg viewBox='0 0 {_COLUMNS} {rows}' width='{_COLUMNS}' height='{min(4 * rows, 240)}' "
        f"preserveAspectRatio='none' style='background:#8882;fill:#36c'>{rectangles}</svg>{more}"
    )


class ScanFailure(TypedDict):
    """A file, or a plugin of one, that could not be read."""

    path: str
    reason: str
    message: str
    death: Death | None


class ScanResults(list["_PluginInfo"]):
    """Plugins that a scan found: a list of dicts, which a notebook shows as a table.

    Attributes:
        failures: What could not be read, a dict each: the `path`, the `reason` (a stable name), the
            `message`, and `death`, a `Death` where it ended the process that read it, else None.
    """

    failures: list[ScanFailure]

    def __init__(
        self, plugins: Iterable[_PluginInfo] = (), failures: Iterable[ScanFailure] = ()
    ) -> None:
        super().__init__(plugins)
        self.failures = list(failures)

    def _repr_html_(self) -> str:
        rows = (
            (
                plugin["name"],
                plugin["vendor"],
                plugin["format"],
                f"{plugin['num_inputs']} in, {plugin['num_outputs']} out",
                plugin["identifier"] or plugin["path"],
            )
            for plugin in self
        )
        titles = ("name", "vendor", "format", "channels", "path or URI")
        failed = ""
        if self.failures:
            failed = f"<p>{_count(len(self.failures), 'file')} could not be read:</p>" + _table(
                ("path", "reason"),
                ((failure["path"], failure["message"]) for failure in self.failures),
                len(self.failures),
            )
        return _box(_count(len(self), "plugin"), "", _table(titles, rows, len(self)), failed)


class Audio:
    """Audio that a notebook shows with a waveform and a player.

    Args:
        samples: ``(channels, frames)``, or ``(frames,)`` for one channel; 1.0 is full scale.
        sample_rate: Frames a second, 1 to 768000; rounded to a whole number for the player.
        name: What it is called.

    Raises:
        InvalidInput: The shape or the rate is not as said.
    """

    samples: npt.NDArray[np.float32]
    sample_rate: int
    name: str

    def __init__(self, samples: npt.ArrayLike, sample_rate: float, name: str = "audio") -> None:
        rows = np.atleast_2d(np.asarray(samples, np.float32))
        if rows.ndim != 2 or len(rows) == 0:
            raise InvalidInput(
                f"samples must be (channels, frames), got the shape {rows.shape}",
                reason="INVALID_INPUT",
            )
        if not 1 <= sample_rate <= 768_000:
            raise InvalidInput(
                f"sample_rate must be between 1 and 768000 Hz, got {sample_rate}",
                reason="INVALID_INPUT",
            )
        self.samples = rows
        self.sample_rate = round(sample_rate)
        self.name = name

    @property
    def duration_seconds(self) -> float:
        """The length of it, in seconds."""
        return self.samples.shape[1] / self.sample_rate

    @property
    def peak_dbfs(self) -> float:
        """The level of its highest sample; minus infinity for silence, NaN where one is NaN."""
        peak = np.max(np.abs(self.samples.astype(np.float64)), initial=0.0)
        with np.errstate(divide="ignore"):
            return float(20.0 * np.log10(peak))

    def wav(self, max_bytes: int = _MOST_WAV_BYTES) -> bytes:
        """A WAV file of 16 bits of its first two channels; what is above full scale is clipped.

        Args:
            max_bytes: What is longer is cut off at the end.
        """
        rows = np.nan_to_num(self.samples[:2])
        frames = rows[:, : max(0, max_bytes - 44) // (2 * len(rows))]
        steps = np.round(np.clip(frames, -1.0, 1.0) * 32767.0).astype("<i2")
        file = io.BytesIO()
        with wave.open(file, "wb") as writer:
            writer.setnchannels(len(steps))
            writer.setsampwidth(2)
            writer.setframerate(self.sample_rate)
            writer.writeframes(np.ascontiguousarray(steps.T).tobytes())
        return file.getvalue()

    def __repr__(self) -> str:
        return (
            f"<plugpen.Audio {self.name!r}, {_count(len(self.samples), 'channel')}, "
            f"{self.duration_seconds:.2f} s, {self.sample_rate} Hz, peak {self.peak_dbfs:.1f} dBFS>"
        )

    def _repr_html_(self) -> str:
        about = (
            f"{_count(len(self.samples), 'channel')}, {self.duration_seconds:.2f} s, "
            f"{self.sample_rate} Hz, peak {self.peak_dbfs:.1f} dBFS"
        )
        data = self.wav()
        played = (len(data) - 44) // (2 * min(len(self.samples), 2)) / self.sample_rate
        notes = []
        if played < self.duration_seconds - 1 / self.sample_rate:
            notes.append(f"the player has the first {played:.1f} s")
        if len(self.samples) > 2:
            notes.append("the player has the first two channels")
        note = f"<p>{'; '.join(notes)}</p>" if notes else ""
        source = base64.b64encode(data).decode("ascii")
        player = (
            f"<p><audio controls src='data:audio/wav;base64,{source}' "
            f"style='width:{_COLUMNS}px'></audio></p>"
        )
        return _box(self.name, about, _waveforms(self.samples), player, note)


def _waveforms(samples: npt.NDArray[np.float32]) -> str:
    """A drawing of each channel, from the least to the greatest sample of each column."""
    frames = samples.shape[1]
    if frames == 0:
        return ""
    columns = min(_COLUMNS, frames)
    starts = np.arange(columns) * frames // columns
    rows = np.clip(np.nan_to_num(samples[:_MOST_CHANNELS].astype(np.float64)), -1e9, 1e9)
    scale = max(1.0, float(np.max(np.abs(rows))))
    drawings = []
    for row in rows:
        above = 30 - 29 * np.maximum.reduceat(row, starts) / scale
        # A line of its own where the signal is still.
        below = np.maximum(30 - 29 * np.minimum.reduceat(row, starts) / scale, above + 0.5)
        x = np.arange(columns) * (_COLUMNS / columns)
        outline = [*zip(x, above, strict=True), *zip(x[::-1], below[::-1], strict=True)]
        points = " ".join(f"{across:.1f},{down:.1f}" for across, down in outline)
        drawings.append(
            f"<svg viewBox='0 0 {_COLUMNS} 60' width='{_COLUMNS}' height='60' "
            f"style='display:block;background:#8882;fill:#36c;margin-top:2px'>"
            f"<polygon points='{points}'></polygon></svg>"
        )
    if len(samples) > _MOST_CHANNELS:
        drawings.append(f"<p>… and {len(samples) - _MOST_CHANNELS} more channels</p>")
    return "".join(drawings)
