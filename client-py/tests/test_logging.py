"""What plugins print goes to the log, not to the user's terminal; the end is tidy."""

import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import LV2, Open


@pytest.mark.contract("0/6 traps: plugin chatter goes to the log")
def test_chatter_is_logged(
    open_test_plugin: Open, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG, "plugpen"):
        open_test_plugin("born-printing")
        give_up = time.monotonic() + 30
        while not any("xxxx" in record.getMessage() for record in caplog.records):
            assert time.monotonic() < give_up
    captured = capfd.readouterr()
    assert "xxxx" not in captured.out + captured.err


PROGRAM = """
import os, sys, plugpen
plugin = plugpen.Plugin(sys.argv[1])
plugin.set_param_value_callback(lambda index, value: None)
plugin.set_param(0, 0.25)
print(plugin.worker_pid, flush=True)
if sys.argv[2] == "abruptly":
    os._exit(3)
"""


def runs(process: Path) -> bool:
    """Whether it is there and no zombie; it may go between two looks."""
    try:
        return bool(process.joinpath("cmdline").read_bytes())
    except OSError:
        return False


@pytest.mark.usefixtures("real_plugins")
@pytest.mark.parametrize("how", ["orderly", "abruptly"])
def test_nothing_is_left_behind(tmp_path: Path, how: str) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    environment.pop("PLUGPEN_SERVER", None)  # a private daemon is what this is about
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, LV2 / "eg-amp.lv2", how],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stderr == ""
    assert ended.returncode == (3 if how == "abruptly" else 0)
    worker = Path("/proc") / ended.stdout.strip()
    give_up = time.monotonic() + 30
    while runs(worker):
        assert time.monotonic() < give_up
    # Killed, the daemon learns it from its lifeline and takes its directory away by itself.
    while list(tmp_path.iterdir()):
        assert time.monotonic() < give_up
