"""Deaths are values: signals, restarts, forks."""

import multiprocessing
import os
import signal
import threading
import time

import numpy as np
import pytest

import plugpen

Process = multiprocessing.get_context("fork").Process


def kill(plugin: plugpen.Plugin, number: int = signal.SIGABRT) -> None:
    os.kill(plugin.worker_pid, number)


def until_dead(plugin: plugpen.Plugin) -> plugpen.PluginError:
    block = np.zeros((2, 64), np.float32)
    give_up = time.monotonic() + 30
    while time.monotonic() < give_up:
        try:
            plugin.process(block, block.copy())
        except (plugpen.PluginCrashed, plugpen.PluginDead) as error:
            return error
    pytest.fail("the plugin lives on")


def test_a_crash_is_an_exception_with_a_death(delay: plugpen.Plugin) -> None:
    kill(delay)
    error = until_dead(delay)
    assert error.death is not None
    assert error.death.signal == signal.SIGABRT
    assert error.death.kind == "SIGNAL"
    assert error.death.signal_name == "SIGABRT"
    assert error.death.generation == 1
    assert isinstance(error, RuntimeError)


def test_a_dead_plugin_says_so(delay: plugpen.Plugin) -> None:
    assert delay.death is None
    kill(delay)
    until_dead(delay)
    assert not delay.is_alive
    assert delay.death is not None
    for call in (delay.get_state, delay.reset, lambda: delay.get_param(0)):
        with pytest.raises(plugpen.PluginDead, match="restart") as raised:
            call()
        assert raised.value.reason == "PLUGIN_DEAD"
    assert "dead" in repr(delay)
    assert "SIGABRT" in repr(delay)
    assert delay.num_params == 6


def test_a_restart_brings_everything_back(delay: plugpen.Plugin) -> None:
    delay.set_param(0, 0.125)
    delay.get_state()
    delay.set_param(1, 0.25)
    kill(delay, signal.SIGKILL)
    until_dead(delay)
    delay.restart()
    assert delay.is_alive
    assert delay.death is None
    assert delay.generation == 2
    assert delay.get_param(0) == pytest.approx(0.125, abs=1e-6)
    assert delay.get_param(1) == pytest.approx(0.25, abs=1e-6)
    out = np.zeros((2, 64), np.float32)
    delay.process(out.copy(), out)


def test_a_living_plugin_can_be_restarted(delay: plugpen.Plugin) -> None:
    pid = delay.worker_pid
    delay.set_param(0, 0.125)
    delay.restart()
    assert delay.worker_pid != pid
    assert delay.get_param(0) == pytest.approx(0.125, abs=1e-6)


def test_a_thread_that_waits_is_told(mverb: plugpen.Plugin) -> None:
    raised: list[plugpen.PluginError] = []
    thread = threading.Thread(target=lambda: raised.append(until_dead(mverb)))
    thread.start()
    kill(mverb)
    thread.join()
    assert raised[0].death is not None
    assert raised[0].death.signal == signal.SIGABRT


def test_other_plugins_live_on(delay: plugpen.Plugin, mverb: plugpen.Plugin) -> None:
    kill(delay)
    until_dead(delay)
    block = np.zeros((2, 64), np.float32)
    mverb.process(block, block.copy())


@pytest.mark.contract("0/6 traps: fork() is refused with a clear error")
def test_a_forked_child_is_told_and_the_parent_plays_on(delay: plugpen.Plugin) -> None:
    block = np.zeros((2, 64), np.float32)

    def child() -> None:
        for use in (
            lambda: delay.get_param(0),
            lambda: delay.process(block, block.copy()),
            delay.restart,
        ):
            with pytest.raises(plugpen.WrongState, match="fork"):
                use()
        delay.close()

    process = Process(target=child)
    process.start()
    process.join()
    assert process.exitcode == 0
    delay.process(block, block.copy())
    assert delay.is_alive


@pytest.mark.contract("0/6 traps: fork() is refused with a clear error")
def test_a_forked_child_opens_its_own(delay: plugpen.Plugin) -> None:
    def child() -> None:
        with plugpen.Plugin(delay.path, plugin="MDA Delay") as own:
            assert own.is_alive
            assert own.worker_pid != delay.worker_pid

    process = Process(target=child)
    process.start()
    process.join()
    assert process.exitcode == 0
    assert delay.is_alive


def test_a_death_has_a_report(delay: plugpen.Plugin) -> None:
    delay.set_param(0, 0.5)
    kill(delay)
    error = until_dead(delay)
    report = error.report
    assert report is not None
    assert error.death is not None
    assert report.death == error.death
    assert report.reason.startswith("SIGABRT: the signal was sent")
    assert report.analysis == "DONE"
    assert {"audio", "plugpen-worker"} <= {thread.name for thread in report.threads}
    assert report.threads[0].crashed
    assert all(thread.frames for thread in report.threads)
    assert report.fault is not None
    assert report.fault.signal_name == "SIGABRT"
    assert report.calls[-1].name == "SetParameter"
    assert "value: 0.5" in report.calls[-1].arguments
    assert len(report.plugin.sha256) == 64
    assert report.minidump_bytes > 0
    assert str(report) == str(error.death)


def test_an_error_without_a_death_has_no_report() -> None:
    assert plugpen.PluginError("x").report is None
