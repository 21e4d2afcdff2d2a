"""Plays whole audio through plugins and chains, faster than real time.

What the functions here have in common:

* ``plugin_or_chain`` is a `Plugin` or a `PluginChain`.
* The render is as long as the longer of the audio and the MIDI, and the tail. A `MidiFile` ends
  where it does for `render_midi`; a list of events with the frame of its last.
* ``tail_seconds`` is how much silence to play after that. A number: exactly that long. None: as
  long as the plugin says it rings, or 2 seconds where it says 0 or more than 30. ``"auto"``: until
  4 blocks in a row stay below ``tail_threshold`` (linear peak), at most ``max_tail_seconds``.
* ``block_size`` is at most the plugin's ``max_block_size``, which it is if None.
* ``midi`` is a `MidiFile`, the path of one, or a list of events as for `Plugin.process_midi`, with
  offsets from the start. The plugin's transport follows a file's tempos; ``bpm`` sets one tempo
  instead.
* ``sidechain`` is audio like the main input, for the plugin's (a chain's first plugin's) sidechain.
* ``param_changes`` are ``(sample, param_index, value)`` or, for a chain,
  ``(sample, plugin_index, param_index, value)``, in any order; values are brought to 0..1. What
  lies before the start happens at the start, what lies beyond the end does not happen.
* Audio of one channel becomes all channels of the plugin; surplus channels are ignored.
* The MIDI that comes out has no place in a render: `Plugin.midi_out_dropped` and
  `PluginChain.midi_dropped` say how much there was.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ._exceptions import InvalidInput
from ._plugpen import MidiFile, Plugin, PluginChain, _AudioRenderer
from .render import _AUTO_TAIL_MAX_SECONDS, _AUTO_TAIL_THRESHOLD, _check_container, _normalize

__all__ = ["process_audio", "process_audio_stream", "process_audio_to_file"]

_Path: TypeAlias = str | os.PathLike[str]
_Midi: TypeAlias = MidiFile | str | os.PathLike[str] | Iterable[tuple[Any, ...]]
_Changes: TypeAlias = Iterable[tuple[int, int, float] | tuple[int, int, int, float]]
_Progress: TypeAlias = Callable[[int, int], object]


def process_audio(
    plugin_or_chain: Plugin | PluginChain,
    audio: npt.ArrayLike | None = None,
    tail_seconds: float | str | None = 0.0,
    block_size: int | None = None,
    compensate_latency: bool = True,
    normalize: float | None = None,
    progress_callback: _Progress | None = None,
    *,
    midi: _Midi | None = None,
    sidechain: npt.ArrayLike | None = None,
    param_changes: _Changes | None = None,
    bpm: float | None = None,
    in_place: bool = False,
    tail_threshold: float = _AUTO_TAIL_THRESHOLD,
    max_tail_seconds: float = _AUTO_TAIL_MAX_SECONDS,
) -> npt.NDArray[np.float32]:
    """Play audio through a plugin or a chain.

    Args:
        plugin_or_chain: What it is played through.
        audio: Samples of shape ``(channels, frames)`` at the plugin's sample rate; None for what
            sounds by itself.
        tail_seconds: Seconds after the end, None, or ``"auto"``; see the module.
        block_size: Frames a block; None is the plugin's ``max_block_size``.
        compensate_latency: Take the plugin's latency out, so that the result lines up.
        normalize: Bring the peak to this many dBFS (0.0 is full scale); None leaves it.
        progress_callback: Called after every block with the frames done and the total.
        midi: A `MidiFile`, the path of one, or events.
        sidechain: Samples for the sidechain.
        param_changes: Sample-accurate parameter changes.
        bpm: Tempo of the transport.
        in_place: Put the result into ``audio``, a float32 array of as many channels as come out,
            and return that; without a tail.
        tail_threshold: Peak below which a block is silent, for ``"auto"``.
        max_tail_seconds: Longest tail, for ``"auto"``.

    Returns:
        float32 samples of shape ``(num_output_channels, frames)``.

    Raises:
        ValueError: A value is out of its range, or the channels do not fit.
        RuntimeError: The plugin crashed.
    """
    renderer = _AudioRenderer(
        plugin_or_chain,
        audio,
        tail_seconds,
        block_size,
        compensate_latency,
        midi,
        sidechain,
        param_changes,
        bpm,
        tail_threshold,
        max_tail_seconds,
        ahead=True,
    )
    _check_level(normalize)
    if in_place:
        _check_in_place(audio, renderer)
    rendered = renderer.render_all(progress_callback)
    if normalize is not None:
        _normalize(rendered, normalize)
    if isinstance(audio, np.ndarray) and in_place:
        audio[...] = rendered
        return audio
    return rendered


def process_audio_stream(
    plugin_or_chain: Plugin | PluginChain,
    audio: npt.ArrayLike | None = None,
    tail_seconds: float | str | None = 0.0,
    block_size: int | None = None,
    compensate_latency: bool = True,
    progress_callback: _Progress | None = None,
    *,
    midi: _Midi | None = None,
    sidechain: npt.ArrayLike | None = None,
    param_changes: _Changes | None = None,
    bpm: float | None = None,
    as_: type[np.ndarray[Any, Any]] | None = None,
    tail_threshold: float = _AUTO_TAIL_THRESHOLD,
    max_tail_seconds: float = _AUTO_TAIL_MAX_SECONDS,
) -> Iterator[npt.NDArray[np.float32]]:
    """Play audio through a plugin or a chain, block by block.

    What is done to the plugin between two blocks is heard in the second of them. Arguments and
    errors are those of `process_audio`, checked when this is called.

    Args:
        plugin_or_chain: What it is played through.
        audio: Samples of shape ``(channels, frames)``, or None.
        tail_seconds: Seconds after the end, None, or ``"auto"``.
        block_size: Frames a block; None is the plugin's ``max_block_size``.
        compensate_latency: Take the plugin's latency out.
        progress_callback: Called after every block with the frames done and the total.
        midi: A `MidiFile`, the path of one, or events.
        sidechain: Samples for the sidechain.
        param_changes: Sample-accurate parameter changes.
        bpm: Tempo of the transport.
        as_: ``numpy.ndarray``, the only container there is, or None.
        tail_threshold: Peak below which a block is silent, for ``"auto"``.
        max_tail_seconds: Longest tail, for ``"auto"``.

    Yields:
        float32 blocks of shape ``(channels, frames)``, at most ``block_size`` frames each; together
        they are what `process_audio` returns.
    """
    _check_container(as_)
    renderer = _AudioRenderer(
        plugin_or_chain,
        audio,
        tail_seconds,
        block_size,
        compensate_latency,
        midi,
        sidechain,
        param_changes,
        bpm,
        tail_threshold,
        max_tail_seconds,
        ahead=False,
    )
    return _blocks(renderer, progress_callback)


def process_audio_to_file(
    plugin_or_chain: Plugin | PluginChain,
    input_path: _Path | npt.ArrayLike | None = None,
    output_path: _Path = "",
    tail_seconds: float | str | None = 0.0,
    block_size: int | None = None,
    bit_depth: int = 24,
    resample_to_plugin_rate: bool = True,
    duplicate_to_stereo: bool = True,
    compensate_latency: bool = True,
    normalize: float | None = None,
    progress_callback: _Progress | None = None,
    *,
    midi: _Midi | None = None,
    sidechain: _Path | npt.ArrayLike | None = None,
    param_changes: _Changes | None = None,
    bpm: float | None = None,
    tail_threshold: float = _AUTO_TAIL_THRESHOLD,
    max_tail_seconds: float = _AUTO_TAIL_MAX_SECONDS,
) -> int:
    """Play an audio file through a plugin or a chain into another file.

    Neither file is in memory as a whole; with ``normalize`` what is rendered waits in a temporary
    file beside the new one. The new file gets its name, and replaces what had it, once it is
    complete; the input may be the output.

    Args:
        plugin_or_chain: What it is played through.
        input_path: The file to play, of any format that `read_audio` takes, or an array as for
            `process_audio`; None for what sounds by itself.
        output_path: The file to write, ``.wav`` or ``.flac``, at the plugin's sample rate.
        tail_seconds: Seconds after the end, None, or ``"auto"``; see the module.
        block_size: Frames a block; None is the plugin's ``max_block_size``.
        bit_depth: 16 or 24 for integers, 32 for floating point (WAV only).
        resample_to_plugin_rate: Bring files at other rates to the plugin's, at the best quality;
            if False they are refused.
        duplicate_to_stereo: Make one channel all channels of the plugin; if False it is refused.
        compensate_latency: Take the plugin's latency out.
        normalize: Bring the peak to this many dBFS (0.0 is full scale); None leaves it.
        progress_callback: Called after every block with the frames done and the total. An
            exception of it ends the render.
        midi: A `MidiFile`, the path of one, or events.
        sidechain: A file or samples for the sidechain.
        param_changes: Sample-accurate parameter changes, in frames at the plugin's sample rate.
        bpm: Tempo of the transport.
        tail_threshold: Peak below which a block is silent, for ``"auto"``.
        max_tail_seconds: Longest tail, for ``"auto"``.

    Returns:
        The frames written.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A value is out of its range, or the channels or rates do not fit.
        RuntimeError: A file cannot be read or written, or the plugin crashed.
    """
    if not os.fspath(output_path):
        raise InvalidInput("output_path is required")
    if bit_depth not in (16, 24, 32):
        raise InvalidInput(f"bit_depth must be 16, 24, or 32, got {bit_depth}")
    _check_level(normalize)
    renderer = _AudioRenderer(
        plugin_or_chain,
        input_path,
        tail_seconds,
        block_size,
        compensate_latency,
        midi,
        sidechain,
        param_changes,
        bpm,
        tail_threshold,
        max_tail_seconds,
        ahead=True,
        resample=resample_to_plugin_rate,
        duplicate=duplicate_to_stereo,
    )
    return renderer.render_to_file(output_path, bit_depth, normalize, progress_callback)


def _blocks(
    renderer: _AudioRenderer, progress_callback: _Progress | None
) -> Iterator[npt.NDArray[np.float32]]:
    while (block := renderer.render_block()) is not None:
        if progress_callback is not None:
            progress_callback(renderer.current_sample, renderer.total_samples)
        yield block


def _check_level(normalize: float | None) -> None:
    if normalize is not None and not np.isfinite(normalize):
        raise InvalidInput(f"normalize must be finite dBFS, got {normalize}")


def _check_in_place(audio: object, renderer: _AudioRenderer) -> None:
    if not isinstance(audio, np.ndarray) or audio.dtype != np.float32:
        raise TypeError("in_place=True needs audio to be an array of float32")
    if not audio.flags.writeable:
        raise TypeError("in_place=True needs audio to be an array that can be written")
    if audio.shape != (renderer.channels, renderer.total_samples):
        raise InvalidInput(
            f"in_place=True needs audio of shape {(renderer.channels, renderer.total_samples)}, "
            f"got {audio.shape}: as many channels as come out, and no tail"
        )
