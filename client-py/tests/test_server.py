"""Daemons that run already: connect() and Server."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import LV2, missing

import plugpen


@pytest.fixture
def target(daemon: None, tmp_path: Path) -> Iterator[str]:
    """A daemon of its own."""
    folders = [os.environ.get("PLUGPEN_BIN_DIR"), str(Path(plugpen.__file__).parent / "bin")]
    program = shutil.which("plugpend", path=os.pathsep.join(filter(None, folders)))
    if program is None:
        missing("no plugpend that could be started")
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    # The daemon says "ready" on the pair, and ends when the other end closes.
    lifeline, other = socket.socketpair()
    command = [program, "--private", "--lifeline-fd", str(other.fileno())]
    process = subprocess.Popen(
        [*command, "--runtime-dir", str(runtime)],
        pass_fds=[other.fileno()],
        stderr=subprocess.DEVNULL,
    )
    other.close()
    lifeline.settimeout(30)
    assert lifeline.recv(6) == b"ready\n"
    yield f"unix:{runtime / 'plugpend.sock'}"
    lifeline.close()
    process.wait(30)


@pytest.mark.usefixtures("real_plugins")
def test_a_plugin_on_a_named_daemon(target: str) -> None:
    with plugpen.connect(target) as server:
        assert target in repr(server)
        assert server.plugins() == []
        plugin = server.Plugin(LV2 / "eg-amp.lv2", 44100, max_block_size=64)
        assert isinstance(plugin, plugpen.Plugin)
        [opened] = server.plugins()
        assert opened["handle"] == plugin.handle
        assert opened["state"] == "READY"
        assert opened["worker_pid"] == plugin.worker_pid
        assert opened["death"] is None
        assert server.probe(LV2 / "eg-amp.lv2")["name"] == plugin.name
        assert server.plugins(all_sessions=True)
    with pytest.raises(plugpen.WrongState):
        plugin.get_param(0)
    with pytest.raises(plugpen.WrongState):
        server.plugins()
    server.close()


def test_a_daemon_says_what_it_is(target: str) -> None:
    with plugpen.connect(target) as server:
        info = server.info()
    assert info["version"] == plugpen.__version__
    assert info["pid"] > 0
    assert info["formats"]["LV2"] is True
    assert isinstance(info["sandbox"], dict)
    assert isinstance(info["limits"], dict)


@pytest.mark.parametrize("target", ["unix:/nowhere/plugpend.sock", "unix:"])
def test_nobody_there(target: str) -> None:
    with pytest.raises((plugpen.ServerUnavailable, plugpen.InvalidInput)) as raised:
        plugpen.connect(target)
    if "nowhere" in target:
        assert isinstance(raised.value, ConnectionError)
