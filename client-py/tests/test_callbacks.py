"""Callbacks: contract section 2 and decision 7."""

import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

import plugpen


@pytest.mark.contract(
    "2/misc: callbacks",
    "0/7 decided: a host-made set_param fires the value callback",
    "0/7 decided: callbacks on one background thread, in order",
)
def test_a_set_parameter_is_told(delay: plugpen.Plugin) -> None:
    told: list[tuple[int, float]] = []
    threads = set()

    def on_value(index: int, value: float) -> None:
        told.append((index, value))
        threads.add(threading.get_ident())

    delay.set_param_value_callback(on_value)
    for step in range(5):
        delay.set_param(3, step / 10)
        assert delay.poll_callbacks() <= step + 1
    assert told[-1] == (3, pytest.approx(0.4, abs=1e-6))
    assert threading.get_ident() not in threads
    assert len(threads) == 1
    delay.set_param_value_callback(None)
    count = len(told)
    delay.set_param(3, 0.9)
    delay.poll_callbacks()
    assert len(told) == count


@pytest.mark.contract(
    "2/misc: callbacks",
    "0/7 decided: callbacks on one background thread, in order",
    "0/7 decided: poll_callbacks waits and counts",
)
def test_gestures_are_told_in_order(delay: plugpen.Plugin) -> None:
    told: list[Any] = []
    delay.set_param_gesture_callback(lambda index, begins: told.append((index, begins)))
    delay.set_param_value_callback(lambda index, value: told.append((index, value)))
    delay.begin_param_gesture(2)
    delay.set_param(2, 1.0)
    delay.end_param_gesture(2)
    assert delay.poll_callbacks() == 3
    assert told == [(2, True), (2, 1.0), (2, False)]
    assert delay.poll_callbacks() == 0


def test_a_program_change_is_told(mverb: plugpen.Plugin) -> None:
    told: list[int] = []
    mverb.set_change_callback(told.append)
    mverb.program = 2
    mverb.poll_callbacks()
    assert any(flags & plugpen.MH_CHANGE_PROGRAM for flags in told)


def test_a_callback_may_use_the_plugin(delay: plugpen.Plugin) -> None:
    seen: list[float] = []
    delay.set_param_value_callback(lambda index, value: seen.append(delay.get_param(index)))
    delay.set_param(1, 0.5)
    delay.poll_callbacks()
    assert seen == [pytest.approx(0.5, abs=1e-6)]


@pytest.mark.contract("2/misc: callbacks: exceptions come out of poll_callbacks")
def test_what_a_callback_raises_comes_out_of_poll(
    delay: plugpen.Plugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", reported.append)
    delay.set_param_value_callback(lambda index, value: 1 / 0)
    delay.set_param(1, 0.5)
    with pytest.raises(ZeroDivisionError):
        delay.poll_callbacks()
    assert reported[0].exc_type is ZeroDivisionError
    delay.poll_callbacks()


def test_polling_within_a_callback_is_refused(delay: plugpen.Plugin) -> None:
    raised: list[BaseException] = []

    def on_value(index: int, value: float) -> None:
        try:
            delay.poll_callbacks()
        except plugpen.WrongState as error:
            raised.append(error)

    delay.set_param_value_callback(on_value)
    delay.set_param(1, 0.5)
    delay.poll_callbacks()
    assert len(raised) == 1


@pytest.mark.parametrize("callback", [3, "print"])
def test_what_cannot_be_called(delay: plugpen.Plugin, callback: Any) -> None:
    for setter in (
        delay.set_change_callback,
        delay.set_param_value_callback,
        delay.set_param_gesture_callback,
    ):
        with pytest.raises(TypeError, match="callable"):
            setter(callback)


@pytest.mark.contract("2/misc: callback_events_dropped")
def test_what_cannot_be_delivered_is_counted(delay: plugpen.Plugin) -> None:
    assert delay.callback_events_dropped() == 0
    held = threading.Event()
    told: list[bool] = []

    def wait(index: int, begins: bool) -> None:
        held.wait()
        told.append(begins)

    delay.set_param_gesture_callback(wait)
    made = dropped = 0
    while dropped == 0:
        for _ in range(500):
            delay.begin_param_gesture(0)
        made += 500
        dropped = delay.callback_events_dropped()
    held.set()
    delay.poll_callbacks()
    dropped += delay.callback_events_dropped()
    assert len(told) + dropped == made
    assert delay.callback_events_dropped() == 0


@pytest.mark.contract("0/8 more than minihost: VST2")
def test_calls_of_a_vst2_to_its_host_are_told(open_plugin: Callable[..., plugpen.Plugin]) -> None:
    path = "/usr/lib/vst/MVerb-vst.so"
    calls: list[Any] = []
    plugin = open_plugin(path, audio_callback=calls.append)
    assert plugin.poll_callbacks() == len(calls)
    # It asks before its entry has returned.
    assert (calls[0]["name"], calls[0]["opcode"], calls[0]["result"]) == ("Version", 1, 2400)
    assert all(call["count"] >= 1 for call in calls)
    with pytest.raises(TypeError, match="callable"):
        open_plugin(path, audio_callback=3)
