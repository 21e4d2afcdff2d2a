"""Daemons that run already: connect() and Server."""

import pytest
from conftest import LV2

import plugpen


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
