"""What can go wrong.

Every error that plugpen raises by itself is a `PluginError`, and has a second base where
Python has a name for the same thing, so that ``except ValueError`` and friends work too::

    PluginError(RuntimeError)
    ├── InvalidInput(PluginError, ValueError)       a value is malformed or out of its range
    │   └── IndexOutOfRange(InvalidInput, IndexError)   an index is beyond the end
    ├── PluginNotFound(PluginError, FileNotFoundError)  no such plugin, file or handle
    ├── Unsupported                                 this plugin or build cannot do that
    ├── PluginCrashed                               the plugin died during this call
    │   └── PluginHung                              it outlasted its deadline and was killed
    ├── PluginDead                                  it had died before this call
    ├── WrongState                                  closed, draining, or otherwise not now
    ├── TimedOut(PluginError, TimeoutError)         the caller's own deadline; nothing was killed
    ├── Cancelled                                   the caller cancelled the call
    ├── LimitReached                                a configured limit was reached
    ├── NotAllowed                                  the caller may not do this
    ├── ServerBug                                   a mistake in plugpen itself
    └── ServerUnavailable(PluginError, ConnectionError)  the daemon is not there

An argument of a wrong type is a plain `TypeError`.
"""

from __future__ import annotations

import signal as _signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._crashes import CrashReport

__all__ = [
    "Cancelled",
    "Death",
    "IndexOutOfRange",
    "InvalidInput",
    "LimitReached",
    "NotAllowed",
    "PluginCrashed",
    "PluginDead",
    "PluginError",
    "PluginHung",
    "PluginNotFound",
    "ServerBug",
    "ServerUnavailable",
    "TimedOut",
    "Unsupported",
    "WrongState",
]


@dataclass(frozen=True)
class Death:
    """How the process of a plugin ended.

    Attributes:
        kind: ``"SIGNAL"``, ``"KILLED"`` (from outside), ``"EXIT"``, ``"HANG"``, ``"PROTOCOL"``,
            ``"CPU_LIMIT"``, ``"SANDBOX"`` or ``"FLOOD"``.
        signal: The signal's number; 0 where there was none.
        exit_code: The exit code where ``kind`` is ``"EXIT"``; else 0.
        call: The call that was running (``"GetState"``), ``"process"`` when only audio was,
            empty when the plugin was idle.
        output: The last lines the plugin wrote to its standard output and error, oldest first.
        report_id: Identifies this death in logs and crash reports; see `Server.crash`.
        summary: One sentence for people.
        generation: Which process of the plugin it was: 1 for the first, one more a restart.
        time_ms: When it was noticed, in milliseconds since the Unix epoch.
        fault_address: The address that could not be used, where a signal of that kind ended it.
        location: Module and offset of what ran when such a signal came (``"a.so+0x2871"``); empty
            where that is not known at once. `PluginError.report` knows more.
    """

    kind: str
    signal: int = 0
    exit_code: int = 0
    call: str = ""
    output: tuple[str, ...] = ()
    report_id: str = ""
    summary: str = ""
    generation: int = 0
    time_ms: int = 0
    fault_address: int | None = None
    location: str = ""

    @property
    def signal_name(self) -> str:
        """The signal's name (``"SIGSEGV"``); empty where there was none."""
        if self.signal == 0:
            return ""
        try:
            return _signal.Signals(self.signal).name
        except ValueError:
            return f"signal {self.signal}"

    def __str__(self) -> str:
        return self.summary

    def _repr_html_(self) -> str:
        from ._notebook import death_html

        return death_html(self)


class PluginError(RuntimeError):
    """The base of every error that plugpen raises.

    Raised itself when a plugin refuses to load or refuses the state it is given.

    Attributes:
        reason: The stable name of what went wrong, e.g. ``"PLUGIN_CRASHED"``.
        death: How the plugin's process ended, where the reason is that it did; else None.
    """

    reason: str
    death: Death | None

    def __init__(
        self, message: str = "", *, reason: str = "UNSPECIFIED", death: Death | None = None
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.death = death

    @property
    def report(self) -> CrashReport | None:
        """What the daemon knows of the death: stacks, reason, calls; None where there is no death.

        Asks the daemon of this process (of another one, ask `Server.crash`), once more each time;
        waits for a report in the making, some seconds at most. Raises `PluginNotFound` where it
        was forgotten.
        """
        from ._plugpen import crash_report

        if self.death is None or not self.death.report_id:
            return None
        return crash_report(self.death.report_id)


class InvalidInput(PluginError, ValueError):
    """A value is malformed, not finite, out of its range or of the wrong shape."""


class IndexOutOfRange(InvalidInput, IndexError):
    """An index is beyond the end of what it indexes."""


class PluginNotFound(PluginError, FileNotFoundError):
    """The file, the plugin in the file, or the handle does not exist."""


class Unsupported(PluginError):
    """This plugin, or this build, cannot do what was asked."""


class PluginCrashed(PluginError):
    """The plugin's process died while this call was running; `death` says how.

    The plugin is dead now: `Plugin.restart` brings it back with its last known state.
    """


class PluginHung(PluginCrashed):
    """The call outlasted its deadline and the plugin's process was killed."""


class PluginDead(PluginError):
    """The plugin's process had died before this call was made; `death` says how."""


class WrongState(PluginError):
    """The call does not fit the state of the plugin or of the daemon (closed, draining, ...)."""


class TimedOut(PluginError, TimeoutError):
    """The caller's own deadline passed. Nothing was killed."""


class Cancelled(PluginError):
    """The caller cancelled the call."""


class LimitReached(PluginError):
    """A configured limit was reached; the message names it."""


class NotAllowed(PluginError):
    """The caller may not do this, or did not prove who it is."""


class ServerBug(PluginError):
    """A mistake in plugpen itself. Please report it."""


class ServerUnavailable(PluginError, ConnectionError):
    """The daemon is not there. Nothing else is reported with this class."""


# Tracebacks say `plugpen.PluginCrashed`, which is where the classes are found.
for _name in __all__:
    globals()[_name].__module__ = "plugpen"
