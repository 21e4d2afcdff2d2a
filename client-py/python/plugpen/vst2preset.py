"""``.fxp`` and ``.fxb`` files: a program of a VST2 plugin, and all of them, its bank."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from . import _plugpen
from ._exceptions import InvalidInput
from ._files import read_preset
from ._plugpen import Plugin

__all__ = ["Vst2Preset", "load_vst2preset", "read_vst2preset", "save_vst2preset"]


@dataclass
class Vst2Preset:
    """What a ``.fxp`` or ``.fxb`` file holds.

    Attributes:
        is_bank: Whether it is a bank (``.fxb``) and not one program (``.fxp``).
        plugin_id: The plugin's own number.
        plugin_version: The plugin's version.
        name: The program's name; empty for a bank.
        chunk: Bytes that only the plugin can read, or None where values are listed.
        values: The values of a program's parameters, 0 to 1, where they are listed.
        programs: The programs of a bank, where they are listed.
        current_program: Index of a bank's current program.
    """

    is_bank: bool
    plugin_id: int
    plugin_version: int
    name: str
    chunk: bytes | None
    values: list[float]
    programs: list[Vst2Preset]
    current_program: int


Vst2Preset.__module__ = "plugpen"


def read_vst2preset(path: str | os.PathLike[str]) -> Vst2Preset:
    """Read a ``.fxp`` or ``.fxb`` file. Which it is is told by its content.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is neither, or broken.
    """
    return _preset(_plugpen._read_vst2preset(read_preset(path)))


def load_vst2preset(path: str | os.PathLike[str], plugin: Plugin) -> None:
    """Load a ``.fxp`` file into the current program, or a ``.fxb`` file into the whole bank.

    Args:
        path: The file; which of the two it is is told by its content.
        plugin: A VST2 plugin.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is neither, or another plugin's, or the plugin is not a VST2 plugin.
        RuntimeError: The plugin refuses it.
    """
    data = read_preset(path)
    preset = _preset(_plugpen._read_vst2preset(data))
    _need_vst2(plugin, path)
    if preset.is_bank:
        plugin.set_state(data)
    else:
        plugin.set_program_state(data)


def save_vst2preset(path: str | os.PathLike[str], plugin: Plugin) -> None:
    """Save the current program, or the whole bank; an existing file is replaced.

    Args:
        path: The file, ``.fxp`` for the program or ``.fxb`` for the bank.
        plugin: A VST2 plugin.

    Raises:
        ValueError: The extension is another, or the plugin is not a VST2 plugin.
        OSError: The file cannot be written.
    """
    _need_vst2(plugin, path)
    extension = Path(path).suffix.lower()
    if extension == ".fxp":
        data = plugin.get_program_state()
    elif extension == ".fxb":
        data = plugin.get_state()
    else:
        raise InvalidInput(
            f"the extension of {os.fspath(path)} must be .fxp (the current program) or .fxb "
            "(all of them)"
        )
    Path(path).write_bytes(data)


def _preset(fields: _plugpen._Vst2Fields) -> Vst2Preset:
    is_bank, plugin_id, version, name, chunk, values, programs, current = fields
    return Vst2Preset(
        is_bank, plugin_id, version, name, chunk, values, [_preset(p) for p in programs], current
    )


def _need_vst2(plugin: Plugin, path: str | os.PathLike[str]) -> None:
    if plugin.format != "VST2":
        raise InvalidInput(
            f"{os.fspath(path)} is a VST2 preset; {plugin.name} is a {plugin.format} plugin"
        )
