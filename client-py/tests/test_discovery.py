"""Discovery: contract section 10."""

import logging
from pathlib import Path

import pytest
from conftest import EPIANO, LV2

import plugpen

KEYS = {
    "name",
    "vendor",
    "product",
    "version",
    "format",
    "unique_id",
    "path",
    "identifier",
    "index",
    "accepts_midi",
    "produces_midi",
    "num_inputs",
    "num_outputs",
}

pytestmark = pytest.mark.usefixtures("real_plugins")


@pytest.mark.contract("10/discovery: probe: keys", "1/signatures: probe, scan_directory")
def test_a_plugin_is_known_without_playing_it() -> None:
    info = plugpen.probe(LV2 / "MVerb.lv2")
    assert set(info) == KEYS
    assert (info["name"], info["format"], info["unique_id"]) == ("MVerb", "LV2", "6BD0509D")
    assert (info["num_inputs"], info["num_outputs"]) == (2, 2)
    assert info["accepts_midi"] is False
    assert info["path"].rstrip("/") == str(LV2 / "MVerb.lv2")


@pytest.mark.contract("10/discovery: probe: the first plugin of a bundle")
def test_one_of_a_bundle() -> None:
    first = plugpen.probe(LV2 / "mda.lv2")
    by_name = plugpen.probe(LV2 / "mda.lv2", plugin="MDA ePiano")
    by_uri = plugpen.probe(EPIANO)
    assert first["index"] == 0
    assert by_name["identifier"] == EPIANO
    assert by_name["accepts_midi"] is True
    assert by_uri["unique_id"] == by_name["unique_id"]
    assert plugpen.probe(LV2 / "mda.lv2", plugin=by_name["index"]) == by_name
    with pytest.raises(plugpen.PluginNotFound, match="MDA ePiano"):
        plugpen.probe(LV2 / "mda.lv2", "Organ 9000")


@pytest.mark.contract("10/discovery: probe: errors")
def test_what_cannot_be_probed(tmp_path: Path) -> None:
    for path, message in (
        (tmp_path / "missing.lv2", "Plugin file does not exist: /"),
        (tmp_path, "No compatible plugin types found for file: /"),
        ("", "plugin_path is empty"),
    ):
        with pytest.raises(RuntimeError, match=f"Failed to probe plugin: {message}"):
            plugpen.probe(path)
    with pytest.raises(TypeError):
        plugpen.probe(None)  # type: ignore[arg-type]


@pytest.mark.contract(
    "10/discovery: scan_directory: recursive, not the directory itself",
    "10/discovery: scan_directory: path is filled",
)
def test_a_folder_is_scanned(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "mda.lv2").symlink_to(LV2 / "mda.lv2")
    with caplog.at_level(logging.WARNING, "plugpen"):
        plugins = plugpen.scan_directory(tmp_path, refresh=True)
    names = {plugin["name"] for plugin in plugins}
    assert {"MDA ePiano", "MDA Delay"} <= names
    assert all(plugin["path"] for plugin in plugins)
    assert caplog.records == []


@pytest.mark.contract("10/discovery: scan_directory: recursive, not the directory itself")
def test_a_bundle_is_not_below_itself() -> None:
    assert plugpen.scan_directory(LV2 / "MVerb.lv2") == []


def test_what_a_scan_could_not_read_says_how_it_died(test_bundles: Path, tmp_path: Path) -> None:
    for name in ("plugpen-test-gain.so", "plugpen-test-born-crashing.so"):
        (tmp_path / name).symlink_to(test_bundles / "vst2" / name)
    plugins = plugpen.scan_directory(tmp_path, refresh=True)
    assert [plugin["name"] for plugin in plugins] == ["Test Gain"]
    (crashed,) = plugins.failures
    assert crashed["path"].endswith("plugpen-test-born-crashing.so")
    assert set(crashed) == {"path", "reason", "message", "death"}
    assert crashed["reason"] == "PLUGIN_CRASHED"
    assert isinstance(crashed["death"], plugpen.Death)
    assert crashed["death"].signal_name == "SIGSEGV"


def test_a_name_that_could_be_several_is_refused(test_bundles: Path) -> None:
    module = test_bundles / "plugpen-test.lv2"
    assert plugpen.probe(module, "test gain")["name"] == "Test Gain"
    for opening in (plugpen.probe, lambda path, name: plugpen.Plugin(path, plugin=name)):
        with pytest.raises(plugpen.InvalidInput, match=r"Test Born Slow.*choose one by its index"):
            opening(module, "Test Born")


@pytest.mark.contract("10/discovery: scan_directory: an empty folder")
def test_an_empty_folder(tmp_path: Path) -> None:
    assert plugpen.scan_directory(str(tmp_path)) == []


@pytest.mark.contract("10/discovery: scan_directory: not a directory")
def test_what_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="Failed to scan directory"):
        plugpen.scan_directory(tmp_path / "missing")


@pytest.mark.contract(
    "10/discovery: probe: accepts_midi, format", "10/discovery: probe: unique_id of LV2 and VST3"
)
def test_what_minihost_says_too() -> None:
    verb = plugpen.probe("/usr/lib/vst3/ZamVerb.vst3")
    assert (verb["format"], verb["unique_id"], verb["accepts_midi"]) == ("VST3", "FF26EDC5", False)
    piano = plugpen.probe(EPIANO)
    assert (piano["format"], piano["accepts_midi"]) == ("LV2", True)
    value = 0
    for character in EPIANO:
        value = (31 * value + ord(character)) % 2**32
    assert piano["unique_id"] == f"{value:08X}"


@pytest.mark.contract("10/discovery: scan_directory: what cannot be probed is skipped")
def test_what_cannot_be_read_is_left_out_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "broken.vst3").write_text("no plugin")
    (tmp_path / "notes.txt").write_text("no plugin")
    (tmp_path / "eg-amp.lv2").symlink_to(LV2 / "eg-amp.lv2")
    with caplog.at_level(logging.WARNING, "plugpen"):
        plugins = plugpen.scan_directory(tmp_path, refresh=True)
    assert [plugin["name"] for plugin in plugins] == ["Simple Amplifier"]
    assert [record.getMessage() for record in caplog.records if "broken.vst3" in str(record.args)]
