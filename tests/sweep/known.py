"""The plugins that are known to die or refuse, and whether a result is one of them."""

from __future__ import annotations

import fnmatch
import json
import pathlib
from dataclasses import dataclass

from course import Result

# "odd": it does well, and what it gives out is no number, or no value of a parameter.
OUTCOMES = ("strained", "refused", "died", "odd")
FILE = pathlib.Path(__file__).with_name("known.json")


@dataclass(frozen=True)
class Known:
    """One entry of known.json. `plugin` and `path` are patterns as the shell has them."""

    format: str
    plugin: str
    outcome: str
    # A signal's name ("SIG*" for any), a kind of death, or a part of the refusal's text or of the
    # note on what is odd.
    how: str
    # Where in the plugin, or why it is the plugin's own doing.
    evidence: str
    # The steps it happens in; empty: any.
    steps: tuple[str, ...] = ()

    def explains(self, result: Result) -> bool:
        return (
            self.names(result)
            and result.outcome == self.outcome
            and (not self.steps or any(fnmatch.fnmatch(result.step, step) for step in self.steps))
            and (
                fnmatch.fnmatchcase(result.signal, self.how)
                or self.how == result.kind
                or self.how in result.why
            )
        )

    def explains_note(self, result: Result, note: str) -> bool:
        return self.outcome == "odd" and self.names(result) and self.how in note

    def names(self, result: Result) -> bool:
        return self.format == result.format and (
            fnmatch.fnmatchcase(result.identifier, self.plugin)
            or fnmatch.fnmatchcase(result.path, self.plugin)
        )


def load(file: pathlib.Path = FILE) -> list[Known]:
    entries = json.loads(file.read_text())
    known = [Known(**{**entry, "steps": tuple(entry.get("steps", ()))}) for entry in entries]
    for entry in known:
        if not (entry.how and entry.evidence) or entry.outcome not in OUTCOMES:
            raise SystemExit(f"{file}: the entry for {entry.plugin} lacks an outcome or evidence")
    return known


def odd_explanation(result: Result, known: list[Known]) -> Known | None:
    """The entry that explains all that is odd about it."""
    for entry in known:
        if all(entry.explains_note(result, note) for note in result.notes):
            return entry
    return None


def explanation(result: Result, known: list[Known]) -> Known | None:
    return next((entry for entry in known if entry.explains(result)), None)
