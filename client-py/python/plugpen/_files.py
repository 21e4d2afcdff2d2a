"""Reading files of a user's choice into memory."""

from __future__ import annotations

import os

from ._exceptions import LimitReached, PluginNotFound

# The largest state that plugpen carries, and what stands around one in a file.
_LIMIT = 64 * 1024 * 1024 + 64 * 1024


def read_preset(path: str | os.PathLike[str]) -> bytes:
    """Read a whole preset file."""
    try:
        with open(path, "rb") as file:
            data = file.read(_LIMIT + 1)
    except FileNotFoundError:
        raise PluginNotFound(f"Preset file not found: {os.fspath(path)}") from None
    if len(data) > _LIMIT:
        raise LimitReached(
            f"{os.fspath(path)} is larger than {_LIMIT} bytes, the most that is read"
        )
    return data
