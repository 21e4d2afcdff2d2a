"""Parameter automation: names to indices, and JSON files to the changes of `Plugin.process_auto`.

An automation file is a JSON object from parameter names to what they do::

    {
        "Mix": 0.5,
        "Mode": "Hall",
        "Decay": {"0": 0.2, "1.5s": 0.7, "50%": "2 s", "100%": 1.0}
    }

A number is a value of 0 to 1, a text is what the plugin reads in it, and an object has keyframes:
``"1000"`` is a sample, ``"1.5s"`` a second, ``"50%"`` a part of the whole length. Between two
keyframes there is a value at every multiple of the block size, on a straight line.

The functions take any object that has ``num_params``, ``get_param_info`` and ``param_from_text``.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Protocol

from ._exceptions import InvalidInput, PluginError, PluginNotFound, Unsupported
from ._plugpen import Plugin

__all__ = ["find_param_by_name", "parse_automation_file", "parse_param_arg"]

# Most changes that a file may stand for; minutes of automation have some ten thousand.
_MAX_CHANGES = 1_000_000


class _Parameters(Protocol):
    """What is used of a plugin."""

    @property
    def num_params(self) -> int: ...
    def get_param_info(self, index: int, /) -> Any: ...
    def param_from_text(self, index: int, text: str, /) -> float: ...


def find_param_by_name(plugin: _Parameters, name: str) -> int:
    """Find a parameter by its name.

    Args:
        plugin: A `Plugin`, or any object with ``num_params`` and ``get_param_info``, or with
            ``find_param``.
        name: The name, in upper or lower case.

    Returns:
        The index of the first parameter of that name.

    Raises:
        ValueError: There is none.
    """
    count = getattr(plugin, "num_params", None)
    if isinstance(plugin, Plugin) or not isinstance(count, Integral):
        try:
            return int(plugin.find_param(name))  # type: ignore[attr-defined]
        except RuntimeError as error:
            _raise_if_not_about_the_value(error)
            what = str(error) if isinstance(error, PluginError) else ""
            raise _not_found(name, what) from error
    wanted = name.lower()
    for index in range(int(count)):
        if plugin.get_param_info(index)["name"].lower() == wanted:
            return index
    raise _not_found(name)


def parse_param_arg(arg_str: str, plugin: _Parameters) -> tuple[int, float]:
    """Parse what sets one parameter on a command line.

    Args:
        arg_str: ``"Name:0.5"``, ``"Name:0.5:n"`` (the same) or ``"Name:2500 Hz"``, a text that the
            plugin reads. A name with a colon in it cannot be written.
        plugin: As for `find_param_by_name`, with ``param_from_text`` where texts are used.

    Returns:
        The parameter's index and its value; a number is returned as it is, in or out of 0 to 1.

    Raises:
        ValueError: The format is another, there is no such parameter, or the plugin cannot read
            the text.
    """
    name, colon, text = arg_str.partition(":")
    if not colon:
        raise InvalidInput(
            f"Invalid parameter format: '{arg_str}'. Expected 'Name:value' or 'Name:value:n'."
        )
    index = find_param_by_name(plugin, name)
    text = text.removesuffix(":n")
    try:
        return index, float(text)
    except ValueError:
        return index, _from_text(plugin, index, name, text)


def parse_automation_file(
    path: str | os.PathLike[str],
    plugin: _Parameters,
    sample_rate: float,
    total_length_samples: float,
    block_size: int = 512,
) -> list[tuple[int, int, float]]:
    """Read an automation file; see the module for its format.

    Args:
        path: The JSON file.
        plugin: As for `parse_param_arg`.
        sample_rate: Frames a second, for keyframes in seconds.
        total_length_samples: Frames of the whole, for keyframes in percent.
        block_size: Frames between the values on the line from one keyframe to the next, at least 1.

    Returns:
        ``(sample_offset, param_index, value)``, sorted by offset and else in the file's order.
        Offsets before the start or beyond the end and values beyond 0 and 1 are kept.

    Raises:
        FileNotFoundError: There is no such file.
        json.JSONDecodeError: It is not JSON.
        ValueError: It is JSON of another form, names no parameter of the plugin, or stands for more
            than a million changes.
    """
    if block_size < 1:
        raise InvalidInput(f"block_size must be at least 1, got {block_size}")
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"), parse_constant=_no_number)
    except FileNotFoundError:
        raise PluginNotFound(f"Automation file not found: {os.fspath(path)}") from None
    except RecursionError:
        raise InvalidInput("Automation file is nested too deeply.") from None
    if not isinstance(data, dict):
        raise InvalidInput("Automation file must contain a JSON object at the top level.")
    changes: list[tuple[int, int, float]] = []
    for name, spec in data.items():
        index = find_param_by_name(plugin, name)
        if not isinstance(spec, dict):
            changes.append(
                (0, index, _value(plugin, index, name, spec, "number, string, or object"))
            )
            continue
        keyframes = [
            (
                _parse_time_key(key, sample_rate, total_length_samples),
                _value(plugin, index, name, value, "number or string"),
            )
            for key, value in spec.items()
        ]
        keyframes.sort(key=lambda keyframe: keyframe[0])
        for offset, value in _interpolate_keyframes(keyframes, block_size):
            if len(changes) >= _MAX_CHANGES:
                raise InvalidInput(
                    f"Automation file stands for more than {_MAX_CHANGES} changes, at '{name}'; "
                    "use a larger block_size or keyframes less far apart."
                )
            changes.append((offset, index, value))
    changes.sort(key=lambda change: change[0])
    return changes


def _not_found(name: str, what: str = "") -> InvalidInput:
    what = what or f"Parameter not found: '{name}'."
    return InvalidInput(f"{what} Use 'plugpen params <plugin>' to list available parameters.")


def _raise_if_not_about_the_value(error: Exception) -> None:
    """Let a plugin's death and the like through."""
    if isinstance(error, PluginError) and not (
        type(error) is PluginError or isinstance(error, (InvalidInput, Unsupported))
    ):
        raise error


def _no_number(constant: str) -> float:
    raise InvalidInput(f"Automation file has {constant}, which is no JSON and no value.")


def _from_text(plugin: _Parameters, index: int, name: str, text: str) -> float:
    try:
        return plugin.param_from_text(index, text)
    except (RuntimeError, ValueError) as error:
        _raise_if_not_about_the_value(error)
        raise InvalidInput(
            f"Could not parse value '{text}' for parameter '{name}': {error}"
        ) from error


def _value(plugin: _Parameters, index: int, name: str, spec: Any, expected: str) -> float:
    if isinstance(spec, str):
        return _from_text(plugin, index, name, spec)
    if isinstance(spec, Real):
        try:
            number = float(spec)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise InvalidInput(f"The number for '{name}' is too large: {spec}")
        return number
    raise InvalidInput(
        f"Invalid automation spec for '{name}': expected {expected}, got {type(spec).__name__}"
    )


def _parse_time_key(key: str, sample_rate: float, total_length_samples: float) -> int:
    text = key.strip()
    try:
        if text.endswith("%"):
            offset = total_length_samples * float(text[:-1]) / 100
        elif text.endswith("s"):
            offset = float(text[:-1]) * sample_rate
        else:
            offset = float(text)
    except (ValueError, OverflowError):
        offset = math.nan
    # Which nan is not, either.
    if not abs(offset) < 2**63:
        raise InvalidInput(
            f"Invalid keyframe time: '{key}'. Expected samples ('1000'), seconds ('1.5s') or a "
            "percentage ('50%')."
        )
    return int(offset)


def _interpolate_keyframes(
    keyframes: list[tuple[int, float]], block_size: int
) -> Iterator[tuple[int, float]]:
    """Yield the keyframes, sorted, and the values between them."""
    previous: tuple[int, float] | None = None
    for offset, value in keyframes:
        if previous is not None:
            start, first = previous
            for between in range((start // block_size + 1) * block_size, offset, block_size):
                yield between, first + (value - first) * (between - start) / (offset - start)
        yield offset, value
        previous = offset, value
