"""Guarded buffers, numbers that are looked at, and deadlines of a plugin's own."""

import logging
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from conftest import LV2, Open, missing

import plugpen


@pytest.fixture
def overrun(daemon: None) -> Path:
    plugins = os.environ.get("PLUGPEN_TEST_PLUGINS") or missing("no test plugins")
    return Path(plugins) / "plugpen-test.lv2"


def play(plugin: plugpen.Plugin, frames: int, blocks: int = 1) -> npt.NDArray[np.float32]:
    sound = np.full((plugin.num_input_channels, frames), 0.25, np.float32)
    heard = np.zeros((plugin.num_output_channels, frames), np.float32)
    for _ in range(blocks):
        plugin.process(sound, heard)
    return heard


@pytest.mark.parametrize(("guard", "place"), [("end", 1), ("end", 2), ("end", 4), ("begin", 3)])
def test_leaving_a_buffer_is_a_death(overrun: Path, guard: str, place: int) -> None:
    with plugpen.Plugin(overrun, plugin="Test Overrun", guard=guard) as plugin:  # type: ignore[arg-type]
        np.testing.assert_array_equal(play(plugin, 37), 0.25)
        plugin.set_param(0, place / 8)
        with pytest.raises(plugpen.PluginCrashed) as crash:
            play(plugin, 37)
        assert crash.value.death is not None
        assert crash.value.death.signal_name == "SIGSEGV"
        plugin.restart()


def test_a_plugin_that_stays_in_its_buffers_sounds_the_same(open_plugin: Open) -> None:
    bundle = LV2 / "MVerb.lv2"
    plain = play(open_plugin(bundle), 37, blocks=50)
    assert np.abs(plain).max() > 0
    for guard in ("end", "begin"):
        np.testing.assert_array_equal(play(open_plugin(bundle, guard=guard), 37, blocks=50), plain)


def test_the_first_of_what_is_no_number_is_told(
    overrun: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with plugpen.Plugin(overrun, plugin="Test Overrun", numerics=True) as plugin:
        plugin.set_param(0, 5 / 8)
        with caplog.at_level(logging.WARNING, "plugpen"):
            play(plugin, 64, blocks=10)
            plugin.poll_callbacks()
        first, second = plugin.numerics
        assert (first["nan"], second["nan"]) == (0, 640)
        plugin.reset_numerics()
        assert [output["samples"] for output in plugin.numerics] == [0, 0]
    told = [record.getMessage() for record in caplog.records if "NaN" in record.getMessage()]
    assert len(told) == 1


def test_numbers_are_counted_by_output(overrun: Path) -> None:
    with plugpen.Plugin(overrun, plugin="Test Overrun", numerics=True) as plugin:
        plugin.set_param(0, 1.0)
        play(plugin, 50)
        first, second = plugin.numerics
    assert first == {
        "samples": 50,
        "nan": 0,
        "infinite": 0,
        "denormal": 0,
        "clipped": 50,
        "silent": 0,
        "peak": 2.0,
        "dc": 2.0,
    }
    assert (second["clipped"], second["peak"]) == (0, 0.5)


def test_nobody_counts_unasked(overrun: Path) -> None:
    with (
        plugpen.Plugin(overrun, plugin="Test Overrun") as plugin,
        pytest.raises(plugpen.WrongState, match="numerics"),
    ):
        plugin.numerics  # noqa: B018


def test_a_plugin_has_deadlines_of_its_own(overrun: Path) -> None:
    with plugpen.Plugin(overrun, plugin="Test Villain", deadlines={"block": 0.3}) as plugin:
        plugin.set_param(0, 4 / 12)
        with pytest.raises(plugpen.PluginHung) as hang:
            play(plugin, 64)
        assert "0.3" in str(hang.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"guard": "middle"},
        {"deadlines": {"lunch": 1.0}},
        {"deadlines": {"block": -1.0}},
        {"deadlines": {"block": float("nan")}},
    ],
)
def test_nonsense_is_refused(overrun: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(plugpen.InvalidInput):
        plugpen.Plugin(overrun, plugin="Test Overrun", **wrong)  # type: ignore[arg-type]
