"""Signals through plugins."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from .._exceptions import InvalidInput, PluginError, Unsupported
from .._plugpen import MH_PRECISION_DOUBLE, Plugin, PluginChain

Playable: TypeAlias = Plugin | PluginChain
Samples: TypeAlias = npt.NDArray[np.float64]

# How long is listened to plugins that say nothing, and to those that say they ring for ever.
SHORTEST_TAIL_SECONDS = 2.0
LONGEST_TAIL_SECONDS = 10.0
# x42's No Delay Line still reports what it had been set to before in its first block.
_BLOCKS_UNTIL_SETTLED = 4


def name_of(plugin: Playable) -> str:
    """The plugin's name, or the names of a chain's."""
    if isinstance(plugin, PluginChain):
        return " + ".join(plugin.get_plugin(index).name for index in range(plugin.num_plugins))
    return plugin.name


def computes_in_double(plugin: Playable) -> bool:
    """Whether it is played in 64 bits; chains are not."""
    return isinstance(plugin, Plugin) and plugin.supports_double


def bits_of(plugin: Playable) -> int:
    """The width of the samples it is played with."""
    return 64 if computes_in_double(plugin) else 32


def check_is_effect(plugin: Playable) -> None:
    """Refuses what has nothing to measure between."""
    if plugin.num_input_channels == 0:
        raise Unsupported(
            f"{name_of(plugin)} has no audio input, so there is nothing to send a test signal "
            "into; use plugpen.analysis.play_note() for instruments",
            reason="UNSUPPORTED",
        )
    check_is_heard(plugin)


def check_is_heard(plugin: Playable) -> None:
    """Refuses what makes no sound."""
    if plugin.num_output_channels == 0:
        raise Unsupported(
            f"{name_of(plugin)} has no audio output, so there is nothing to measure",
            reason="UNSUPPORTED",
        )


def check_range(name: str, value: float, low: float, high: float, unit: str) -> None:
    """Refuses a number that is not finite or not between the two."""
    if not (math.isfinite(value) and low <= value <= high):
        raise InvalidInput(
            f"{name} must be between {low:g} and {high:g} {unit}, got {value:g}",
            reason="INVALID_INPUT",
        )


def amplitude(dbfs: float) -> float:
    """The linear amplitude of a level."""
    return float(10.0 ** (dbfs / 20.0))


def frames(seconds: float, sample_rate: float) -> int:
    """The frames of a time, at least one."""
    return max(1, round(seconds * sample_rate))


def listening_seconds(plugin: Playable, wanted: float | None) -> float:
    """How long to listen after a signal: as wanted, or as long as it says it rings."""
    if wanted is not None:
        check_range("tail_seconds", wanted, 0.0, 60.0, "s")
        return wanted
    # Many reverbs say 0.
    return float(min(max(plugin.tail_seconds, SHORTEST_TAIL_SECONDS), LONGEST_TAIL_SECONDS))


@contextmanager
def fresh(plugin: Playable) -> Iterator[bool]:
    """A plugin without a past, in double precision where it can; leaves none of ours behind."""
    double = computes_in_double(plugin)
    before = None
    if double and isinstance(plugin, Plugin):
        before = plugin.processing_precision
        plugin.processing_precision = MH_PRECISION_DOUBLE
    plugin.reset()
    try:
        yield double
    finally:
        if not isinstance(plugin, Plugin):
            plugin.reset()
        elif plugin.is_alive:
            plugin.reset()
            if before is not None:
                plugin.processing_precision = before


def play(plugin: Playable, inputs: Samples) -> Samples:
    """Plays a signal through a plugin that was reset, block by block.

    Args:
        plugin: What plays.
        inputs: ``(num_input_channels, frames)``.

    Returns:
        ``(num_output_channels, frames)``: the plugin's latency is in it.

    Raises:
        PluginError: The plugin gave out numbers that are none.
    """
    total = inputs.shape[1]
    with fresh(plugin) as double:
        dtype = np.float64 if double else np.float32
        given = np.ascontiguousarray(inputs, dtype)
        taken = np.zeros((plugin.num_output_channels, total), dtype)
        size = plugin.max_block_size
        for start in range(0, total, size):
            block = slice(start, start + size)
            if double and isinstance(plugin, Plugin):
                plugin.process_double(given[:, block], taken[:, block])
            else:
                plugin.process(given[:, block], taken[:, block])
    outputs = taken.astype(np.float64, copy=False)
    if not np.isfinite(outputs).all():
        frame = int(np.argmin(np.isfinite(outputs).all(axis=0)))
        raise PluginError(
            f"{name_of(plugin)} gave out NaN or infinity, first in frame {frame}; "
            "nothing can be measured of that",
            reason="UNSPECIFIED",
        )
    return outputs


def latency_samples(plugin: Playable) -> int:
    """The latency that it reports with its present settings, which some know once they play."""
    silence = np.zeros((plugin.num_input_channels, plugin.max_block_size), np.float32)
    output = np.zeros((plugin.num_output_channels, plugin.max_block_size), np.float32)
    with fresh(plugin):
        for _ in range(_BLOCKS_UNTIL_SETTLED):
            plugin.process(silence, output)
        return plugin.latency_samples


def same_for_all(plugin: Playable, signal: Samples, channel: int | None) -> Samples:
    """A signal of one row on all of a plugin's inputs, or on one of them."""
    count = plugin.num_input_channels
    if channel is None:
        return np.tile(signal, (count, 1))
    if not 0 <= channel < count:
        raise InvalidInput(
            f"input_channel must be between 0 and {count - 1}, got {channel}",
            reason="INVALID_INPUT",
        )
    inputs = np.zeros((count, len(signal)))
    inputs[channel] = signal
    return inputs
