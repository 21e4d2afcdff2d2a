"""AudioDevice on a JACK server whose periods are short. A busy machine loses some of them, so what
is looked for is one period that is whole."""

from collections.abc import Iterator

import numpy as np
import pytest
from conftest import Open
from jack_rig import RATE, Rig, server, until
from test_device_jack import clicks, need_jack

import plugpen

PERIOD = 128


@pytest.fixture(scope="module")
def jack_server() -> Iterator[None]:
    need_jack()
    with server(PERIOD):
        yield


def test_a_click_is_heard_in_a_short_period(
    jack_server: None, daemon: None, open_test_plugin: Open
) -> None:
    plugin = open_test_plugin("midi", RATE, PERIOD)
    with Rig() as rig, plugpen.AudioDevice(plugin) as device:
        assert device.buffer_frames == PERIOD
        rig.listen()

        def is_heard() -> bool:
            rig.recorded.clear()
            device.send_midi(0x90, 127, 1)
            rig.wait_periods(20)
            found = clicks(rig.audio())
            return [(frame % PERIOD, height) for frame, height in found] == [(0, 1.0)]

        until("a click", is_heard)
        assert np.isfinite(device.cpu_load)
