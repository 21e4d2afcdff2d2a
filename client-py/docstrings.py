"""Makes the reference whole: docstrings of the native module, and names that no group has."""

import importlib
import inspect
from types import ModuleType
from typing import Any

import griffe

import plugpen

# Where the names go that the page does not mention itself.
REST = "<!-- the rest -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Has every public name on the reference page."""
    rest = [
        f"::: plugpen.{name}"
        for name in plugpen.__all__
        if f"::: plugpen.{name}\n" not in markdown and not is_plain(getattr(plugpen, name))
    ]
    return markdown.replace(REST, "\n\n".join(rest))


def is_plain(member: object) -> bool:
    """Whether it is a constant or a module, which have no entry of their own."""
    return isinstance(member, (int, str, ModuleType))


class NativeDocstrings(griffe.Extension):
    """Types come from the stubs, docstrings from the compiled module."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Fills them in once the package is read."""
        native = pkg["_plugpen"]
        fill(native, importlib.import_module(native.path))


def fill(described: griffe.Module | griffe.Class, real: object) -> None:
    """Copies the docstrings of a module or class, and of what is in it."""
    for name, member in described.members.items():
        found = getattr(real, name, None)
        if member.is_alias or found is None:
            continue
        text = inspect.getdoc(found)
        if text and member.docstring is None and not name.startswith("_"):
            member.docstring = griffe.Docstring(text, parent=member)
        if isinstance(member, griffe.Class):
            fill(member, found)
