"""Opening and closing: contract section 2, the table of the constructor."""

import copy
import gc
import os
import pickle
import select
import signal
import sys
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest
from conftest import EPIANO, LV2, Open

import plugpen


@pytest.mark.contract(
    "0/8 more than minihost: a URI for a path",
    "0/7 decided: a tuple for a list, a Path for a str",
)
def test_a_file_a_path_and_a_uri(open_plugin: Open) -> None:
    by_text = open_plugin(str(LV2 / "MVerb.lv2"))
    by_path = open_plugin(LV2 / "MVerb.lv2")
    assert by_text.name == by_path.name == "MVerb"
    assert by_text.path == str(LV2 / "MVerb.lv2")
    with plugpen.Plugin(EPIANO) as by_uri:
        assert by_uri.num_params == 12


@pytest.mark.contract("0/8 more than minihost: a plugin by index, name, URI or class id")
@pytest.mark.parametrize("selector", ["MDA ePiano", EPIANO])
def test_any_plugin_of_a_bundle(open_plugin: Open, selector: str) -> None:
    assert open_plugin(LV2 / "mda.lv2", plugin=selector).name == "MDA ePiano"


def test_a_plugin_of_a_bundle_by_index(open_plugin: Open) -> None:
    names = [open_plugin(LV2 / "mda.lv2", plugin=index).name for index in (0, np.int64(1))]
    assert len(set(names)) == 2
    assert open_plugin(LV2 / "mda.lv2").name == names[0]


def test_a_selector_that_fits_nothing(open_plugin: Open) -> None:
    with pytest.raises(plugpen.PluginNotFound, match="Organ 9000"):
        open_plugin(LV2 / "mda.lv2", plugin="Organ 9000")
    with pytest.raises(TypeError, match="plugin must be"):
        open_plugin(LV2 / "mda.lv2", plugin=1.5)


@pytest.mark.contract("2/constructor: signature", "0/1 names: keyword names")
@pytest.mark.usefixtures("real_plugins")
def test_all_arguments_have_names() -> None:
    with (
        plugpen.Plugin(
            path=str(LV2 / "MVerb.lv2"),
            sample_rate=44100,
            max_block_size=64,
            in_channels=2,
            out_channels=2,
            sidechain_channels=0,
        ) as named,
        plugpen.Plugin(LV2 / "MVerb.lv2", 44100.0, 64, 2, 2, 0) as placed,
    ):
        assert named.sample_rate == placed.sample_rate == 44100.0
        assert named.max_block_size == placed.max_block_size == 64
    with plugpen.Plugin(LV2 / "MVerb.lv2") as plugin:
        assert (plugin.sample_rate, plugin.max_block_size) == (48000.0, 512)
    for arguments, options in (((), {}), (("a", 1, 2, 3, 4, 5, 6), {}), (("a",), {"gain": 1})):
        with pytest.raises(TypeError):
            plugpen.Plugin(*arguments, **options)


@pytest.mark.contract(
    "2/constructor: missing file",
    "2/constructor: relative path",
    '2/constructor: ""',
    "2/constructor: a URI",
    "2/constructor: not a plugin",
    "2/constructor: a directory without plugins",
)
def test_what_cannot_be_opened_is_said(
    daemon: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.vst3").write_text("no plugin")
    (tmp_path / "empty.lv2").mkdir()
    gone = "Plugin file does not exist"
    for path, message in (
        (tmp_path / "missing.vst3", f"Failed to open plugin: {gone}: {tmp_path}/missing.vst3"),
        ("missing.lv2", f"Failed to open plugin: {gone}: {tmp_path}/missing.lv2"),
        ("", "Failed to open plugin: plugin_path is empty"),
        ("http://nobody.example/Plugin", "Failed to open plugin: No LV2 plugin has the URI"),
        (tmp_path / "text.vst3", f"Failed to open plugin: {tmp_path}/text.vst3 cannot be loaded"),
        (tmp_path, "Failed to open plugin: No compatible plugin types found for file: /"),
        (tmp_path / "empty.lv2", "Failed to open plugin: "),
    ):
        with pytest.raises(RuntimeError) as raised:
            plugpen.Plugin(path)
        assert str(raised.value).startswith(message)
        assert isinstance(raised.value, FileNotFoundError) == (gone in message or "URI" in message)


@pytest.mark.contract("2/constructor: plugin refuses")
def test_a_plugin_that_refuses(open_test_plugin: Open) -> None:
    with pytest.raises(RuntimeError, match="Failed to open plugin: createPluginInstance failed: "):
        open_test_plugin("born-refusing")


@pytest.mark.usefixtures("daemon")
def test_what_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.lv2", "missing.lv2", ""):
        with pytest.raises(RuntimeError) as raised:
            plugpen.Plugin(path)
        assert str(path) in str(raised.value)
    with pytest.raises(FileNotFoundError):
        plugpen.Plugin(tmp_path / "missing.lv2")
    with pytest.raises(RuntimeError):
        plugpen.Plugin(tmp_path)


@pytest.mark.contract("2/constructor: relative path")
@pytest.mark.usefixtures("real_plugins")
def test_a_relative_path_is_this_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(LV2)
    with plugpen.Plugin("eg-amp.lv2") as plugin:
        assert plugin.name == "Simple Amplifier"


@pytest.mark.contract(
    "2/constructor: sample_rate",
    "2/constructor: max_block_size",
    "0/5 corrections: argument checks name the range",
)
@pytest.mark.parametrize(
    "options",
    [
        {"sample_rate": 0.0},
        {"sample_rate": float("nan")},
        {"sample_rate": float("inf")},
        {"sample_rate": -1},
        {"max_block_size": 0},
        {"max_block_size": 1_048_577},
        {"max_block_size": 10**30},
    ],
)
def test_values_out_of_range(open_plugin: Open, options: dict[str, float]) -> None:
    with pytest.raises(plugpen.InvalidInput, match=next(iter(options))):
        open_plugin(LV2 / "eg-amp.lv2", **options)


@pytest.mark.contract(
    "2/constructor: in_channels, out_channels",
    "2/constructor: sidechain_channels without a sidechain bus",
)
@pytest.mark.parametrize("channels", [-1, 0, 1, 8])
def test_channel_counts_are_wishes(open_plugin: Open, channels: int) -> None:
    plugin = open_plugin(
        LV2 / "MVerb.lv2",
        in_channels=channels,
        out_channels=channels,
        sidechain_channels=channels,
    )
    assert plugin.num_output_channels == 2
    assert plugin.sidechain_channels == 0


@pytest.mark.contract("0/1 names: argument-type errors are TypeError")
@pytest.mark.parametrize("path", [None, 3, 1.5, ["eg-amp.lv2"]])
def test_a_path_of_a_wrong_type(path: object) -> None:
    with pytest.raises(TypeError):
        plugpen.Plugin(path)  # type: ignore[arg-type]


@pytest.mark.contract(
    "0/1 names: no pickle or copy",
    "0/1 names: no new attributes",
    "0/1 names: == is identity",
    "2/properties: read-only",
)
def test_no_surprises_on_instances(amp: plugpen.Plugin) -> None:
    with pytest.raises(AttributeError):
        amp.colour = "red"  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        amp.num_params = 3  # type: ignore[misc]
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            copied(amp)
    assert amp == amp
    assert hash(amp) == hash(amp)


@pytest.mark.contract("2/misc: close, context manager")
def test_closing(amp: plugpen.Plugin) -> None:
    block = np.zeros((1, 64), np.float32)
    amp.close()
    amp.close()
    for use in (
        lambda: amp.process(block, block.copy()),
        lambda: amp.get_param(0),
        lambda: amp.get_state(),
        lambda: amp.restart(),
        lambda: setattr(amp, "sample_rate", 44100),
    ):
        with pytest.raises(plugpen.WrongState, match="closed"):
            use()
    assert not amp.is_alive
    assert "closed" in repr(amp)


@pytest.mark.contract(
    "2/misc: close, context manager",
    "0/5 corrections: close() and context managers",
)
def test_a_context_manager_closes(open_plugin: Open) -> None:
    with open_plugin(LV2 / "eg-amp.lv2") as plugin:
        pid = plugin.worker_pid
        assert plugin.is_alive
    assert not plugin.is_alive
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.usefixtures("real_plugins")
def test_the_garbage_collector_closes() -> None:

    def open_in_a_cycle() -> tuple[weakref.ref[plugpen.Plugin], int]:
        plugin = plugpen.Plugin(LV2 / "eg-amp.lv2")
        plugin.set_change_callback(lambda flags: print(plugin, flags))
        return weakref.ref(plugin), os.pidfd_open(plugin.worker_pid)

    gone, worker = open_in_a_cycle()
    gc.collect()
    assert gone() is None
    # Its process ends in the background: wait for that.
    assert select.select([worker], [], [], 30)[0]
    os.close(worker)


@pytest.mark.usefixtures("real_plugins")
def test_what_a_callback_raised_does_not_keep_the_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    raised = threading.Event()

    def open_and_raise() -> weakref.ref[plugpen.Plugin]:
        plugin = plugpen.Plugin(LV2 / "eg-amp.lv2")

        def fail(index: int, value: float) -> None:
            assert plugin.name
            raise KeyError(index)

        plugin.set_param_value_callback(fail)
        plugin.set_param(0, 0.5)
        assert raised.wait(30)
        return weakref.ref(plugin)

    monkeypatch.setattr(sys, "unraisablehook", lambda _: raised.set())
    gone = open_and_raise()
    # The callback's thread may still be about to let go of it.
    while gone() is not None:
        gc.collect()


@pytest.mark.usefixtures("real_plugins")
def test_ctrl_c_ends_the_wait_for_an_opening(open_test_plugin: Open) -> None:
    bundle = open_test_plugin("gain").path
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            plugpen.Plugin(bundle, plugin="urn:plugpen:test:born-hanging")
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_plugin_shows_what_it_is(mverb: plugpen.Plugin) -> None:
    text = repr(mverb)
    assert text.startswith("<plugpen.Plugin 'MVerb'")
    assert "2 in" in text
    assert "9 parameters" in text
    assert "48000" in text
