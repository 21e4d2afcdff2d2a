"""Transport, buses, misc: contract section 2."""

from typing import Any

import numpy as np
import pytest

import plugpen


@pytest.mark.contract(
    "2/misc: set_transport: bad signature and loop are accepted",
    "2/misc: clear_transport, reset",
)
def test_transport(delay: plugpen.Plugin, noise: np.ndarray) -> None:
    delay.set_transport(120)
    delay.set_transport(
        bpm=90.5,
        time_sig_num=3,
        time_sig_denom=8,
        position_samples=10**12,
        position_beats=-2.5,
        is_playing=False,
        is_recording=True,
        is_looping=True,
        loop_start=10,
        loop_end=5,
    )
    delay.set_transport(120, 0, -4)
    delay.process(noise, np.zeros_like(noise))
    delay.clear_transport()
    delay.process(noise, np.zeros_like(noise))


@pytest.mark.contract("2/misc: set_transport: bpm")
@pytest.mark.parametrize(
    "options",
    [{"bpm": 0}, {"bpm": -1}, {"bpm": float("nan")}, {"bpm": 120, "position_beats": float("inf")}],
)
def test_a_transport_that_is_none(delay: plugpen.Plugin, options: Any) -> None:
    with pytest.raises(ValueError, match="bpm must be a finite number greater than 0"):
        delay.set_transport(**options)


@pytest.mark.contract("2/misc: clear_transport, reset")
def test_reset_silences(delay: plugpen.Plugin, noise: np.ndarray) -> None:
    out = np.zeros_like(noise)
    delay.set_param_by_name("L Delay", 0.0)
    delay.set_param_by_name("Feedback", 1.0)
    for _ in range(10):
        delay.process(noise, out)
    delay.process(np.zeros_like(noise), out)
    assert np.any(out)
    delay.reset()
    delay.process(np.zeros_like(noise), out)
    assert not np.any(np.abs(out) > 1e-6)
    assert delay.get_param_by_name("Feedback") == 1.0


@pytest.mark.contract(
    "2/misc: get_bus_info",
    "2/misc: get_bus_info: bad index",
    "0/3 both spellings: channels and num_channels",
)
def test_buses(mverb: plugpen.Plugin) -> None:
    for is_input in (True, False):
        info = mverb.get_bus_info(is_input, 0)
        assert info["channels"] == info["num_channels"] == 2
        assert info["is_main"] is True
        assert info["is_enabled"] is True
        assert isinstance(info["name"], str)
        for index in (1, -1):
            with pytest.raises(RuntimeError, match="bus"):
                mverb.get_bus_info(is_input=is_input, bus_index=index)


@pytest.mark.contract("2/misc: check_buses_layout")
def test_layouts(mverb: plugpen.Plugin) -> None:
    assert mverb.check_buses_layout([2], [2]) is True
    assert mverb.check_buses_layout([7], [2]) is False
    assert mverb.check_buses_layout([-1], [10**20]) is False
    assert mverb.check_buses_layout(input_channels=[], output_channels=[]) is False
    with pytest.raises(TypeError):
        mverb.check_buses_layout("2", [2])  # type: ignore[arg-type]


@pytest.mark.contract("2/misc: set_track_properties")
def test_track_properties(mverb: plugpen.Plugin) -> None:
    mverb.set_track_properties()
    mverb.set_track_properties("Vocals", 0xFF112233)
    mverb.set_track_properties(colour=0, name=None)
    for colour in (-1, 2**32, "red"):
        with pytest.raises(TypeError):
            mverb.set_track_properties(colour=colour)  # type: ignore[arg-type]
