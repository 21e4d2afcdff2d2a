"""One plugin's whole course: opened, read, played, turned, saved, restored, brought to another
rate and closed, in a worker of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import plugpen

RATE, OTHER_RATE = 48000.0, 44100.0
SIZES = (64, 256, 1024)
ODD_SIZES = (441, 1, 1024)
BLOCKS = 20
NOTES = (36, 60, 64, 67, 72)


@dataclass(frozen=True)
class Candidate:
    """A plugin that the scan found, or a file that it could not read."""

    format: str
    path: str
    identifier: str
    name: str
    index: int = 0
    # Why the scan could not read it.
    unreadable: str = ""

    @property
    def key(self) -> str:
        return f"{self.format} {self.path} {self.identifier}"


@dataclass
class Result:
    """What became of a candidate."""

    key: str
    format: str
    path: str
    identifier: str
    name: str
    # "ok"; "strained" (well until the strain at the end); "refused" (an error, the worker lived
    # on); "died" (with its worker).
    outcome: str = "died"
    # The step that ended it.
    step: str = ""
    why: str = ""
    # Of a death: how, and the call that ran.
    kind: str = ""
    signal: str = ""
    call: str = ""
    output: list[str] = field(default_factory=list)
    # Oddities of a plugin that lived.
    notes: list[str] = field(default_factory=list)
    params: int = 0
    peak_mb: int = 0
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Watch:
    """Kills a worker that outlasts its time; says so."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.expired = False
        self._plugin: plugpen.Plugin | None = None
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True

    def __enter__(self) -> Watch:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self.follow(None)

    def follow(self, plugin: plugpen.Plugin | None) -> None:
        """The plugin it is about; None when its worker is about to end by itself."""
        with self._lock:
            self._plugin = plugin

    def _expire(self) -> None:
        with self._lock:
            self.expired = True
            if self._plugin is not None and self._plugin.is_alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._plugin.worker_pid, signal.SIGKILL)


class Course:
    """The steps, one method each; the step that runs is remembered."""

    def __init__(self, plugin: plugpen.Plugin, result: Result) -> None:
        self.plugin = plugin
        self.result = result
        self.noise = np.random.default_rng(1).uniform(-0.5, 0.5, (64, max(SIZES)))
        self.noise = self.noise.astype(np.float32)

    def run(self) -> None:
        with self.step("describe"):
            self.describe()
        with self.step("read parameters"):
            values = self.read_parameters()
        for size in SIZES:
            with self.step(f"play blocks of {size}"):
                self.play(size)
        with self.step("save state"):
            state = self.plugin.get_state()
        with self.step("write parameters"):
            self.write_parameters(values)
        with self.step("play what was written"):
            self.play(SIZES[0], blocks=3)
        with self.step("restore state"):
            if state:
                self.plugin.set_state(state)
                self.plugin.get_state()
            self.play(SIZES[0], blocks=3)
        with self.step("reset"):
            self.plugin.reset()
        with self.step("change rate"):
            self.plugin.sample_rate = OTHER_RATE
        with self.step("play at the other rate"):
            self.play(SIZES[1])

    def strain(self) -> None:
        """What good hosts do too, and fewer plugins stand."""
        state = self.plugin.get_state()
        with self.step("strain: change program"):
            if self.plugin.num_programs > 1:
                self.plugin.get_program_name(self.plugin.num_programs - 1)
                self.plugin.program = self.plugin.num_programs - 1
                self.play(SIZES[0], blocks=3)
        with self.step("strain: play with everything at half"):
            for index in range(self.plugin.num_params):
                self.plugin.set_param(index, 0.5)
            self.play(SIZES[0], blocks=5)
        with self.step("strain: restore state"):
            if state:
                self.plugin.set_state(state)
            self.play(SIZES[0], blocks=5)
        for size in ODD_SIZES:
            with self.step(f"strain: play blocks of {size}"):
                self.play(size)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        self.result.step = name
        yield

    def describe(self) -> None:
        plugin = self.plugin
        self.result.params = plugin.num_params
        for is_input, count in ((True, plugin.num_input_buses), (False, plugin.num_output_buses)):
            for bus in range(count):
                plugin.get_bus_info(is_input, bus)
        for read in ("latency_samples", "tail_seconds", "program", "bypass", "supports_double"):
            getattr(plugin, read)

    def read_parameters(self) -> list[float]:
        """Every value, description and text, forth and back."""
        values = []
        for index in range(self.plugin.num_params):
            info = self.plugin.get_param_info(index)
            value = self.plugin.get_param(index)
            if not 0.0 <= value <= 1.0:
                self.note(f"parameter {index} ({info['name']}) is {value}")
            texts = [self.plugin.param_to_text(index, at) for at in (0.0, 0.5, 1.0)]
            self.plugin.param_from_text(index, texts[1])
            values.append(value)
        return values

    def write_parameters(self, values: list[float]) -> None:
        for index, value in enumerate(values):
            self.plugin.set_param(index, 0.5)
            self.plugin.get_param(index)
            self.plugin.set_param(index, min(max(value, 0.0), 1.0))

    def play(self, size: int, blocks: int = BLOCKS) -> None:
        plugin = self.plugin
        rows = plugin.num_input_channels
        heard = np.resize(self.noise[:, :size], (rows, size)) if rows else np.zeros((0, size), "f4")
        output = np.zeros((plugin.num_output_channels, size), np.float32)
        finite = True
        for block in range(blocks):
            plugin.set_transport(120.0, position_samples=block * size)
            if plugin.accepts_midi:
                note = NOTES[block // 2 % len(NOTES)]
                status, velocity = (0x80, 0) if block % 2 else (0x90, 100)
                plugin.process_midi(heard, output, [(size // 3, status, note, velocity)])
            else:
                plugin.process(heard, output)
            finite = finite and bool(np.isfinite(output).all())
        if not finite:
            self.note(f"{self.result.step}: output that is no number")

    def note(self, text: str) -> None:
        if len(self.result.notes) < 8:
            self.result.notes.append(text)


def take(server: plugpen.Server, candidate: Candidate, limit: float) -> Result:
    """Runs the course and returns what became of it. Plugin errors are results; others raise."""
    result = Result(
        candidate.key, candidate.format, candidate.path, candidate.identifier, candidate.name
    )
    began = time.monotonic()
    plugin = None
    with Watch(limit) as watch:
        try:
            result.step = "open"
            if candidate.unreadable:
                raise plugpen.PluginError(candidate.unreadable)
            plugin = server.Plugin(
                candidate.path,
                sample_rate=RATE,
                max_block_size=max(SIZES),
                sidechain_channels=2,
                plugin=candidate.identifier or candidate.index,
            )
            watch.follow(plugin)
            course = Course(plugin, result)
            course.run()
            result.outcome = "strained"
            course.strain()
            result.peak_mb = peak_megabytes(plugin.worker_pid)
            result.step = "close"
            watch.follow(None)
            plugin.close()
            result.outcome, result.step = "ok", ""
        except plugpen.ServerUnavailable:
            raise
        except plugpen.PluginError as error:
            describe_end(result, error, plugin)
            if watch.expired:
                result.kind, result.why = "TIME", f"took longer than {limit:g} s"
        finally:
            if plugin is not None:
                with contextlib.suppress(plugpen.PluginError):
                    plugin.close()
    result.seconds = round(time.monotonic() - began, 3)
    return result


def describe_end(result: Result, error: plugpen.PluginError, plugin: plugpen.Plugin | None) -> None:
    death = error.death or (plugin.death if plugin is not None else None)
    if result.outcome != "strained":
        result.outcome = "refused" if death is None else "died"
    result.why = str(error)
    if death is not None:
        result.kind, result.signal, result.call = death.kind, death.signal_name, death.call
        result.output = list(death.output)[-8:]


def peak_megabytes(pid: int) -> int:
    """The most memory a live process has had; 0 where the system does not say."""
    try:
        with open(f"/proc/{pid}/status") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) // 1024
    except OSError:
        pass
    return 0
