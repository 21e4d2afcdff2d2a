"""What is known of plugins that died."""

from __future__ import annotations

from dataclasses import dataclass

from ._exceptions import Death

__all__ = [
    "CrashCall",
    "CrashFault",
    "CrashFrame",
    "CrashReport",
    "CrashSummary",
    "CrashThread",
    "CrashedPlugin",
]


@dataclass(frozen=True)
class CrashFrame:
    """One call of a stack.

    Attributes:
        address: Where it was, in the process.
        module: The file's name; empty where no file is mapped.
        offset: From the file's first byte.
        function: Demangled; empty where the file has no symbols.
        file: The source file; empty where there is no debug information.
        line: The line in it, from 1.
        inlined: Whether it was inlined into the next frame's function.
    """

    address: int
    module: str = ""
    offset: int = 0
    function: str = ""
    file: str = ""
    line: int = 0
    inlined: bool = False

    @property
    def place(self) -> str:
        """Module and offset (``"a.so+0x10"``), or the address."""
        return f"{self.module}+{self.offset:#x}" if self.module else f"{self.address:#x}"


@dataclass(frozen=True)
class CrashThread:
    """One thread of a process that died.

    Attributes:
        tid: Its number, as the daemon counts.
        name: ``"audio"``, ``"plugpen-worker"`` (the main thread), or what the plugin called it.
        crashed: Whether the signal came to it.
        frames: Its stack, the innermost call first.
        truncated: Whether its stack could not be followed to its beginning.
    """

    tid: int
    name: str = ""
    crashed: bool = False
    frames: tuple[CrashFrame, ...] = ()
    truncated: bool = False


@dataclass(frozen=True)
class CrashFault:
    """What the system said of the signal.

    Attributes:
        signal: Its number.
        signal_name: ``"SIGSEGV"``.
        code: Why it came, as a number.
        code_name: ``"SEGV_MAPERR"``; empty where the number means nothing.
        address: The address that could not be used; None where there is none.
        system_call: The number of the system call that was forbidden; None where it was not that.
        instruction: The instruction at fault; empty where it is not known.
        stack_overflow: Whether the thread's stack had ended.
        earlier: The fault that the process was dealing with when this signal came, or None.
    """

    signal: int
    signal_name: str = ""
    code: int = 0
    code_name: str = ""
    address: int | None = None
    system_call: int | None = None
    instruction: str = ""
    stack_overflow: bool = False
    earlier: CrashFault | None = None


@dataclass(frozen=True)
class CrashCall:
    """One call that the plugin's process was asked for.

    Attributes:
        name: ``"SetParameter"``.
        arguments: As text, cut where they are long.
        time_ms: When, in milliseconds since the Unix epoch.
        micros: How long it took; None for those that were not answered any more.
        error: What was said against it; empty where nothing was.
        after_block: How many blocks had been played before it.
    """

    name: str
    arguments: str = ""
    time_ms: int = 0
    micros: int | None = None
    error: str = ""
    after_block: int = 0


@dataclass(frozen=True)
class CrashedPlugin:
    """Which plugin died.

    Attributes:
        name: Its name; empty where it had not said one.
        vendor: Its maker.
        version: Its version.
        format: ``"LV2"``, ``"VST3"``, ...
        path: Its file or bundle, or the URI it was opened by.
        identifier: What chooses it within its file.
        library: The library that held its code.
        sha256: The hash of that file, in hex; empty where it could not be read.
        size: The size of that file in bytes.
    """

    name: str = ""
    vendor: str = ""
    version: str = ""
    format: str = ""
    path: str = ""
    identifier: str = ""
    library: str = ""
    sha256: str = ""
    size: int = 0


@dataclass(frozen=True)
class CrashSummary:
    """One line of the list of deaths.

    Attributes:
        report_id: What `Server.crash` takes.
        time_ms: When, in milliseconds since the Unix epoch.
        kind: As in `Death`.
        signal: As in `Death`.
        exit_code: As in `Death`.
        call: As in `Death`.
        summary: As in `Death`.
        plugin_name: The plugin's name.
        plugin_path: Its file or bundle.
        format: Its format.
        location: Function or module and offset where it died.
        signature: Equal for deaths of one plugin at one place.
        count: How many deaths have this signature.
    """

    report_id: str
    time_ms: int = 0
    kind: str = ""
    signal: int = 0
    exit_code: int = 0
    call: str = ""
    summary: str = ""
    plugin_name: str = ""
    plugin_path: str = ""
    format: str = ""
    location: str = ""
    signature: str = ""
    count: int = 0

    def __str__(self) -> str:
        return self.summary


@dataclass(frozen=True)
class CrashReport:
    """Everything that is known of one death.

    Attributes:
        report_id: Its id.
        death: The death itself.
        plugin: Which plugin it was.
        reason: What happened: ``"SIGSEGV: wrote 1 byte to 0x8, where there is no memory ..."``.
        location: Function or module and offset where it died.
        fault: What the system said of the signal; None where there was none to see.
        threads: All threads; the one to blame first.
        calls: The last calls, oldest first, 64 at most.
        signature: Equal for deaths of one plugin at one place.
        count: How many deaths have this signature.
        sandbox: How the jail stood: from layers to "ENFORCED", "PARTIAL", "ABSENT" or "OFF".
        analysis: ``"DONE"``, ``"NONE"`` (nothing could be seen) or ``"FAILED"``.
        analysis_note: Why, where it is not done.
        minidump_bytes: Size of the minidump (`Server.crash_minidump`); 0 where there is none.
        role: What the process was for: ``"plugin"``, ``"probe"`` or ``"device"``.
        system: Kernel and processor.
    """

    report_id: str
    death: Death
    plugin: CrashedPlugin
    reason: str = ""
    location: str = ""
    fault: CrashFault | None = None
    threads: tuple[CrashThread, ...] = ()
    calls: tuple[CrashCall, ...] = ()
    signature: str = ""
    count: int = 0
    sandbox: dict[str, str] | None = None
    analysis: str = ""
    analysis_note: str = ""
    minidump_bytes: int = 0
    role: str = ""
    system: str = ""

    def __str__(self) -> str:
        return self.death.summary


# They are found in the package.
for _name in __all__:
    globals()[_name].__module__ = "plugpen"
