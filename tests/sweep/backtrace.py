"""Puts one plugin through the sweep's course under gdb and prints where it died: the evidence
that known.json asks for.

    ./dev python tests/sweep/backtrace.py PATH [IDENTIFIER [strain]]
"""

from __future__ import annotations

import pathlib
import subprocess
import sys
import tempfile

import plugpen
from course import RATE, SIZES, Course, Result
from daemon import Daemon


def main() -> None:
    path, *rest = sys.argv[1:]
    log = pathlib.Path(tempfile.mkstemp(prefix="plugpen-backtrace-")[1])
    daemon = Daemon(None, (), log, 1, sandbox="off")
    try:
        with daemon.connect() as server:
            plugin = server.Plugin(
                path,
                sample_rate=RATE,
                max_block_size=max(SIZES),
                sidechain_channels=2,
                plugin=rest[0] if rest else None,
            )
            gdb = attach(plugin.worker_pid)
            result = Result("", plugin.format, path, "", plugin.name)
            try:
                course = Course(plugin, result)
                course.strain() if rest[1:] == ["strain"] else course.run()
                print(f"{plugin.name} did not die")
            except plugpen.PluginError as error:
                print(f"{result.step}: {error}")
            print(gdb.communicate(timeout=60)[0])
    finally:
        daemon.end()


def attach(pid: int) -> subprocess.Popen[str]:
    """gdb, once it lets the process run."""
    commands = (
        "set pagination off",
        "handle SIGPIPE nostop noprint",
        "echo running\\n",
        "continue",
        "bt 16",
    )
    words = [word for command in commands for word in ("-ex", command)]
    gdb = subprocess.Popen(
        ["gdb", "-q", "-batch", "-p", str(pid), *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert gdb.stdout is not None
    for line in gdb.stdout:
        if line.strip() == "running":
            break
    return gdb


if __name__ == "__main__":
    main()
