"""A `plugpend` for the sweep alone, with whatever worker and folders it is told to use."""

from __future__ import annotations

import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence

import plugpen

READY = b"ready\n"


class Daemon:
    """Ends with this process however that ends: it holds the other end of a lifeline."""

    def __init__(
        self,
        worker: str | None,
        read_only: Sequence[str],
        log: pathlib.Path,
        plugins: int,
        sandbox: str = "best-effort",
    ) -> None:
        self.folder = tempfile.mkdtemp(prefix="plugpen-sweep-")
        self.lifeline, theirs = socket.socketpair()
        config = pathlib.Path(self.folder, "plugpen.toml")
        config.write_text(
            f"[limits]\nplugins_per_session = {4 * plugins + 16}\n"
            "[deadlines]\nload_seconds = 60\nstate_seconds = 30\nprobe_seconds = 120\n"
        )
        command = [program(), "--private", "--lifeline-fd", str(theirs.fileno())]
        command += ["--runtime-dir", self.folder, "--config", str(config)]
        command += ["--sandbox", sandbox]
        if worker:
            command += ["--worker", worker]
        for path in read_only:
            command += ["--read-only", path]
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                command,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                # A Ctrl-C is for the sweep, which ends its daemon itself.
                start_new_session=True,
            )
        theirs.close()
        said = b""
        while said != READY:
            more = self.lifeline.recv(len(READY) - len(said))
            if not more:
                raise SystemExit(f"sweep: the daemon did not start; {log} says why")
            said += more

    def connect(self) -> plugpen.Server:
        return plugpen.connect(f"unix:{self.folder}/plugpend.sock")

    def end(self) -> None:
        """Cuts the lifeline and waits; every worker ends with the daemon."""
        self.lifeline.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def program() -> str:
    """`plugpend`, from the folder that PLUGPEN_BIN_DIR names or from the package."""
    beside = pathlib.Path(plugpen.__file__).parent / "bin"
    folder = pathlib.Path(os.environ.get("PLUGPEN_BIN_DIR") or beside)
    return str(folder / "plugpend")
