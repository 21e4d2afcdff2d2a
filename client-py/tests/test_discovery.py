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


def test_a_plugin_is_known_without_playing_it() -> None:
    info = plugpen.probe(LV2 / "MVerb.lv2")
    assert set(info) == KEYS
    assert (info["name"], info["format"], info["unique_id"]) == ("MVerb", "LV2", "6BD0509D")
    assert (info["num_inputs"], info["num_outputs"]) == (2, 2)
    assert info["accepts_midi"] is False
    assert info["path"].rstrip("/") == str(LV2 / "MVerb.lv2")


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


def test_what_cannot_be_probed(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.lv2", tmp_path, ""):
        with pytest.raises(RuntimeError):
            plugpen.probe(path)
    with pytest.raises(TypeError):
        plugpen.probe(None)  # type: ignore[arg-type]


def test_a_folder_is_scanned(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "mda.lv2").symlink_to(LV2 / "mda.lv2")
    with caplog.at_level(logging.WARNING, "plugpen"):
        plugins = plugpen.scan_directory(tmp_path, refresh=True)
    names = {plugin["name"] for plugin in plugins}
    assert {"MDA ePiano", "MDA Delay"} <= names
    assert all(plugin["path"] for plugin in plugins)
    assert caplog.records == []


def test_an_empty_folder(tmp_path: Path) -> None:
    assert plugpen.scan_directory(str(tmp_path)) == []


def test_what_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="Failed to scan directory"):
        plugpen.scan_directory(tmp_path / "missing")
