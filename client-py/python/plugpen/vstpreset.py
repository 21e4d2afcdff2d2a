"""``.vstpreset`` files: the states of VST3 plugins.

``load_vstpreset`` and ``save_vstpreset`` bring them into a `Plugin` and out of one; the others
read and write the files themselves.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import _plugpen
from ._exceptions import InvalidInput
from ._files import read_preset
from ._plugpen import Plugin, read_class_id_from_bundle

__all__ = [
    "VstPreset",
    "load_vstpreset",
    "read_class_id_from_bundle",
    "read_vstpreset",
    "save_vstpreset",
    "write_vstpreset",
]


@dataclass
class VstPreset:
    """What a ``.vstpreset`` file holds.

    Attributes:
        class_id: The processor class it belongs to: 32 characters, usually hex digits.
        component_state: The processor's state (the chunk ``Comp``), or None.
        controller_state: The controller's state (the chunk ``Cont``), or None.
    """

    class_id: str
    component_state: bytes | None
    controller_state: bytes | None


VstPreset.__module__ = "plugpen"


def read_vstpreset(path: str | os.PathLike[str]) -> VstPreset:
    """Read a ``.vstpreset`` file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not a ``.vstpreset`` file, or broken.
    """
    return VstPreset(*_plugpen._read_vstpreset(read_preset(path)))


def load_vstpreset(path: str | os.PathLike[str], plugin: Any) -> None:
    """Load a ``.vstpreset`` file into a plugin.

    Args:
        path: The file.
        plugin: A `Plugin`, which gets both states, or any object with ``set_state``, which gets
            the processor's.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not a ``.vstpreset`` file, has no processor's state, or is another
            plugin's; or the `Plugin` is not a VST3 plugin.
        RuntimeError: The plugin refuses the state.
    """
    data = read_preset(path)
    _, component, _ = _plugpen._read_vstpreset(data)
    if component is None:
        raise InvalidInput(f"Preset file has no component state ('Comp' chunk): {os.fspath(path)}")
    if not isinstance(plugin, Plugin):
        plugin.set_state(component)
        return
    _need_vst3(plugin, path)
    # Some hosts put a JUCE host's whole state where the processor's belongs.
    plugin.set_state(component if component.startswith(b"VC2!") else data)


def write_vstpreset(
    path: str | os.PathLike[str],
    class_id: str,
    component_state: bytes,
    controller_state: bytes | None = None,
) -> None:
    """Write a ``.vstpreset`` file; an existing one is replaced.

    Args:
        path: The file.
        class_id: The processor class: 32 printable ASCII characters, usually hex digits.
        component_state: The processor's state.
        controller_state: The controller's state, if there is one.

    Raises:
        ValueError: The class id is not such.
        OSError: The file cannot be written.
    """
    data = _plugpen._write_vstpreset(class_id, component_state, controller_state)
    Path(path).write_bytes(data)


def save_vstpreset(path: str | os.PathLike[str], plugin: Any, class_id: str | None = None) -> None:
    """Save a plugin's state as a ``.vstpreset`` file; an existing one is replaced.

    Args:
        path: The file.
        plugin: A `Plugin`, or any object with ``get_state``.
        class_id: The processor class to write into the file. None: what a `Plugin` says itself;
            of another object, what the bundle at its ``path`` says.

    Raises:
        ValueError: The `Plugin` is not a VST3 plugin or has no state, or the class id is not known.
        OSError: The file cannot be written.
    """
    if isinstance(plugin, Plugin):
        _need_vst3(plugin, path)
    state = plugin.get_state()
    if not state:
        raise InvalidInput(f"there is nothing to save in {os.fspath(path)}: it has no state")
    own_id, component, controller = _plugpen._split_vst3_state(state)
    class_id = class_id or own_id
    if class_id is None:
        bundle = getattr(plugin, "path", None)
        if not isinstance(bundle, (str, os.PathLike)):
            raise InvalidInput(
                "class_id is needed: neither the plugin's state nor a path says the class"
            )
        class_id = read_class_id_from_bundle(bundle)
    data = _plugpen._write_vstpreset(class_id, component, controller)
    Path(path).write_bytes(data)


def _need_vst3(plugin: Plugin, path: str | os.PathLike[str]) -> None:
    if plugin.format != "VST3":
        raise InvalidInput(
            f"{os.fspath(path)} is a .vstpreset file, which a VST3 plugin has; {plugin.name} is "
            f"a {plugin.format} plugin"
        )
