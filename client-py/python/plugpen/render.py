"""Renders MIDI files through plugins and chains, faster than real time.

What every function here has in common:

* ``plugin`` is a `Plugin` or a `PluginChain`, ``midi_file`` a `MidiFile` or the path of one.
* ``block_size`` is at most the plugin's ``max_block_size``.
* ``tail_seconds`` is how long to go on after the last MIDI event. None: as long as the plugin
  says it rings, or 2 seconds where it says 0 or more than 30. A number: exactly that long.
  ``"auto"``: until 4 blocks in a row stay below ``tail_threshold`` (linear peak), at most
  ``max_tail_seconds``.
* The plugin's latency is compensated, and its transport follows the file's tempo map.
"""

from __future__ import annotations

import math
import os
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ._exceptions import InvalidInput
from ._plugpen import MidiFile, MidiRenderer, Plugin, PluginChain

__all__ = ["MidiRenderer", "render_midi", "render_midi_stream", "render_midi_to_file"]

_AUTO_TAIL_THRESHOLD = 1e-4
_AUTO_TAIL_MAX_SECONDS = 30.0
_AUTO_TAIL_SILENT_BLOCKS = 4


def render_midi(
    plugin: Plugin | PluginChain,
    midi_file: MidiFile | str | os.PathLike[str],
    block_size: int = 512,
    tail_seconds: float | str | None = None,
    dtype: npt.DTypeLike | None = None,
    tail_threshold: float = _AUTO_TAIL_THRESHOLD,
    max_tail_seconds: float = _AUTO_TAIL_MAX_SECONDS,
    as_: type[np.ndarray[Any, Any]] | None = None,
) -> npt.NDArray[Any]:
    """Render a whole MIDI file.

    Args:
        plugin: What plays it.
        midi_file: What is played.
        block_size: Frames a block, 1 up to the plugin's ``max_block_size``.
        tail_seconds: None, seconds (0 or more), or ``"auto"``; see the module.
        dtype: Sample type of the result; float32 if None.
        tail_threshold: Peak below which a block is silent, for ``"auto"``.
        max_tail_seconds: Longest tail, for ``"auto"``.
        as_: ``numpy.ndarray``, the only container there is, or None.

    Returns:
        Samples of shape ``(channels, total_samples)``.

    Raises:
        RuntimeError: The file is not a MIDI file, or the plugin crashed.
        ValueError: A value is out of its range.
    """
    renderer = MidiRenderer(
        plugin, midi_file, block_size, tail_seconds, tail_threshold, max_tail_seconds
    )
    return renderer.render_all(dtype, as_)


def render_midi_stream(
    plugin: Plugin | PluginChain,
    midi_file: MidiFile | str | os.PathLike[str],
    block_size: int = 512,
    tail_seconds: float | str | None = None,
    tail_threshold: float = _AUTO_TAIL_THRESHOLD,
    max_tail_seconds: float = _AUTO_TAIL_MAX_SECONDS,
    as_: type[np.ndarray[Any, Any]] | None = None,
) -> Iterator[npt.NDArray[np.float32]]:
    """Render a MIDI file block by block.

    Arguments and errors are those of `render_midi`, checked when this is called.

    Yields:
        Blocks of shape ``(channels, block_size)``; the last may be shorter.
    """
    _check_container(as_)
    renderer = MidiRenderer(
        plugin, midi_file, block_size, tail_seconds, tail_threshold, max_tail_seconds
    )
    return _blocks(renderer)


def render_midi_to_file(
    plugin: Plugin | PluginChain,
    midi_file: MidiFile | str | os.PathLike[str],
    output_path: str | os.PathLike[str],
    block_size: int = 512,
    tail_seconds: float | str | None = None,
    bit_depth: int = 24,
    tail_threshold: float = _AUTO_TAIL_THRESHOLD,
    max_tail_seconds: float = _AUTO_TAIL_MAX_SECONDS,
    normalize: float | None = None,
    progress_callback: Callable[[int, int], object] | None = None,
) -> int:
    """Render a MIDI file into a WAV or FLAC file, block by block.

    The file gets its name, and replaces what had it, once it is complete. Further arguments and
    errors are those of `render_midi`.

    Args:
        plugin: What plays it.
        midi_file: What is played.
        output_path: The file to write, ``.wav`` or ``.flac``.
        block_size: Frames a block.
        tail_seconds: None, seconds, or ``"auto"``.
        bit_depth: 16 or 24 for integers, 32 for floating point (WAV only).
        tail_threshold: Peak below which a block is silent, for ``"auto"``.
        max_tail_seconds: Longest tail, for ``"auto"``.
        normalize: Bring the peak to this many dBFS (0.0 is full scale); None leaves it. What is
            rendered waits in a temporary file then.
        progress_callback: Called after every block with the frames rendered and the total.

    Returns:
        The number of samples written per channel.
    """
    renderer = MidiRenderer(
        plugin, midi_file, block_size, tail_seconds, tail_threshold, max_tail_seconds
    )
    return renderer.render_to_file(output_path, bit_depth, normalize, progress_callback)


def _blocks(renderer: MidiRenderer) -> Iterator[npt.NDArray[np.float32]]:
    while not renderer.is_finished:
        block = renderer.render_block()
        if block is not None:
            yield block


def _normalize(audio: npt.NDArray[np.float32], decibels: float) -> None:
    """Bring the peak to a level, in place; silence stays as it is."""
    peak = max(float(audio.max(initial=0.0)), -float(audio.min(initial=0.0)))
    if 0.0 < peak < math.inf:
        audio *= np.float32(10.0 ** (decibels / 20.0) / peak)


def _check_container(as_: object) -> None:
    if as_ is not None and as_ is not np.ndarray:
        raise InvalidInput(f"as_ must be numpy.ndarray or None, got {as_!r}")


def _is_auto_tail(tail_seconds: object) -> bool:
    return isinstance(tail_seconds, str) and tail_seconds == "auto"


def _seconds_to_samples(seconds: float, sample_rate: float) -> int:
    return int(seconds * sample_rate)


def _build_tempo_map(midi_file: MidiFile) -> list[tuple[int, float]]:
    """``(tick, microseconds per quarter)``, by tick, from tick 0 on."""
    tempos = {0: 500_000.0}
    for track in range(midi_file.num_tracks):
        for event in midi_file.get_events(track):
            if event["type"] == "tempo":
                tempos[event["tick"]] = 60_000_000.0 / event["bpm"]
    return sorted(tempos.items())


def _tick_to_seconds(
    tick: int, tempo_map: list[tuple[int, float]], ticks_per_quarter: int
) -> float:
    last = bisect_right(tempo_map, tick, key=lambda tempo: tempo[0])
    seconds = 0.0
    for position in range(last):
        start, tempo = tempo_map[position]
        end = tempo_map[position + 1][0] if position + 1 < last else tick
        seconds += (end - start) * tempo / (ticks_per_quarter * 1e6)
    return seconds


def _collect_midi_events(midi_file: MidiFile) -> list[dict[str, Any]]:
    """All channel events by tick; those of one tick in the order of their tracks."""
    events = [
        event
        for track in range(midi_file.num_tracks)
        for event in midi_file.get_events(track)
        if _event_to_midi_tuple(event, 0) is not None
    ]
    return sorted(events, key=lambda event: int(event["tick"]))


def _event_to_midi_tuple(
    event: dict[str, Any], sample_offset: int
) -> tuple[int, int, int, int] | None:
    kind, channel = event["type"], event.get("channel", 0)
    if kind == "note_on":
        return (sample_offset, 0x90 | channel, event["pitch"], event["velocity"])
    if kind == "note_off":
        return (sample_offset, 0x80 | channel, event["pitch"], event["velocity"])
    if kind == "control_change":
        return (sample_offset, 0xB0 | channel, event["controller"], event["value"])
    if kind == "program_change":
        return (sample_offset, 0xC0 | channel, event["program"], 0)
    if kind == "pitch_bend":
        value = event["value"]
        return (sample_offset, 0xE0 | channel, value & 0x7F, value >> 7)
    return None
