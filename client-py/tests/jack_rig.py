"""A JACK server without a sound card, and a client of it that hears and plays."""

import contextlib
import os
import queue
import subprocess
import time
from collections.abc import Callable, Iterator
from types import TracebackType

import jack
import numpy as np
import numpy.typing as npt
from typing_extensions import Self

RATE = 48000
PERIOD = 1024
PATIENCE = 60.0


def until(what: str, so: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Waits for something; JACK's periods are what passes the time."""
    deadline = time.monotonic() + patience
    waiting: queue.Queue[None] = queue.Queue()
    while not so():
        assert time.monotonic() < deadline, f"waited {patience} s for {what}"
        with contextlib.suppress(queue.Empty):
            waiting.get(timeout=0.002)


@contextlib.contextmanager
def server(period: int = PERIOD) -> Iterator[None]:
    """Runs a server of the name in JACK_DEFAULT_SERVER, with periods of so many frames."""
    name = os.environ["JACK_DEFAULT_SERVER"]
    command = ["jackd", "--name", name, "--no-realtime", "-d", "dummy"]
    command += ["-r", str(RATE), "-p", str(period)]
    log = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=log, stdout=log, stderr=log) as process:
        try:
            until("jackd", lambda: process.poll() is not None or answers())
            assert process.poll() is None, "jackd ended"
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def answers() -> bool:
    try:
        jack.Client("plugpen-asks", no_start_server=True).close()
    except jack.JackError:
        return False
    return True


class Rig:
    """A client with two audio inputs that record, two outputs, and MIDI both ways."""

    def __init__(self) -> None:
        self.client = jack.Client("rig", no_start_server=True)
        self.inputs = [self.client.inports.register(f"in_{n}") for n in (1, 2)]
        self.outputs = [self.client.outports.register(f"out_{n}") for n in (1, 2)]
        self.midi_in = self.client.midi_inports.register("midi_in")
        self.midi_out = self.client.midi_outports.register("midi_out")
        self.recorded: list[npt.NDArray[np.float32]] = []
        self.heard: list[tuple[int, bytes]] = []
        self.to_send: queue.Queue[list[tuple[int, bytes]]] = queue.Queue()
        self.to_play: queue.Queue[npt.NDArray[np.float32]] = queue.Queue()
        self.sent_at: list[int] = []
        self.periods = 0
        self.client.set_process_callback(self._process)

    def _process(self, frames: int) -> None:
        planes = [port.get_array().copy() for port in self.inputs]
        self.recorded.append(np.stack(planes))
        start = self.periods * frames
        try:
            played = self.to_play.get_nowait()
        except queue.Empty:
            played = np.zeros((2, frames), np.float32)
        for port, plane in zip(self.outputs, played, strict=True):
            port.get_array()[:] = plane
        for offset, message in self.midi_in.incoming_midi_events():
            self.heard.append((start + offset, bytes(message)))
        self.midi_out.clear_buffer()
        with contextlib.suppress(queue.Empty):
            for offset, message in self.to_send.get_nowait():
                self.midi_out.write_midi_event(offset, message)
                self.sent_at.append(start + offset)
        self.periods += 1

    def __enter__(self) -> Self:
        self.client.activate()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.client.deactivate()
        self.client.close()

    def port(self, name: str) -> str:
        """The full name of a port of a plugpen device: its client may be plugpen-01."""
        found = self.client.get_ports(f"plugpen.*:{name}$")
        assert len(found) == 1, found
        return str(found[0].name)

    def listen(self) -> None:
        """Records the device's first two channels."""
        for number, own in enumerate(self.inputs, 1):
            with contextlib.suppress(AssertionError):
                self.client.connect(self.port(f"out_{number}"), own)

    def speak(self) -> None:
        """Has the device record what this client plays."""
        for number, own in enumerate(self.outputs, 1):
            self.client.connect(own, self.port(f"in_{number}"))

    def audio(self) -> npt.NDArray[np.float32]:
        """All that was recorded so far, two channels."""
        return np.concatenate(list(self.recorded), axis=1)

    def wait_periods(self, count: int) -> None:
        goal = self.periods + count
        until(f"{count} periods", lambda: self.periods >= goal)
