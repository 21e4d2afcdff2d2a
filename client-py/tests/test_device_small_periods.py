"""AudioDevice on a JACK server whose periods are short."""

from collections.abc import Iterator

import pytest
from conftest import Open
from jack_rig import Rig, server
from test_device_jack import heard_as_rendered, need_jack

PERIOD = 128


@pytest.fixture(scope="module")
def jack_server() -> Iterator[None]:
    need_jack()
    with server(PERIOD):
        yield


def test_short_periods_are_heard_as_they_are_rendered(
    jack_server: None, daemon: None, open_plugin: Open
) -> None:
    with Rig() as rig:
        heard_as_rendered(rig, open_plugin, PERIOD, 40)
