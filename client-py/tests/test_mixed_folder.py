"""A folder with plugins of every format, some that die, and files that are none."""

import logging
import os
from pathlib import Path

import pytest
from conftest import missing

import plugpen

VST3 = Path("/usr/lib/vst3/ZamVerb.vst3")
DEADLY = {
    "plugpen-test-born-crashing.so": "SIGSEGV",
    "plugpen-test-born-exiting.so": "called exit(3)",
    "plugpen-test-born-refusing.so": "createPluginInstance failed",
    "junk.so": "cannot be loaded",
}


@pytest.fixture
def mixed(daemon: None, tmp_path: Path) -> Path:
    plugins = Path(os.environ.get("PLUGPEN_TEST_PLUGINS") or missing("no test plugins"))
    if not VST3.exists():
        missing(f"{VST3} is not installed")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / VST3.name).symlink_to(VST3)
    (tmp_path / "plugpen-test.lv2").symlink_to(plugins / "plugpen-test.lv2")
    (tmp_path / "junk.so").write_text("no library")
    for name in ("gain", "beep", "born-crashing", "born-exiting", "born-refusing", "born-printing"):
        file = plugins / "vst2" / f"plugpen-test-{name}.so"
        (tmp_path / file.name).symlink_to(file)
    return tmp_path


def test_everything_that_lives_is_found(mixed: Path, caplog: pytest.LogCaptureFixture) -> None:
    for refresh in (True, False):
        caplog.clear()
        with caplog.at_level(logging.WARNING, "plugpen"):
            plugins = plugpen.scan_directory(mixed, refresh=refresh)
        found = {(plugin["format"], plugin["name"]) for plugin in plugins}
        expected = {
            ("LV2", "Test Gain"),
            ("LV2", "Test Beep"),
            ("VST2", "Test Gain"),
            ("VST2", "Test Beep"),
            ("VST2", "Test Born Printing"),
            ("VST3", "ZamVerb"),
        }
        assert expected <= found
        assert ("VST2", "Test Born Crashing") not in found
        told = [record.getMessage() for record in caplog.records]
        for file, why in DEADLY.items():
            assert [text for text in told if file in text and why in text], (file, told)
    beeps = {p["format"]: p for p in plugins if p["name"] == "Test Beep"}
    for beep in beeps.values():
        assert (beep["num_inputs"], beep["num_outputs"]) == (0, 2)
        assert beep["accepts_midi"] is True


def test_what_was_found_opens(mixed: Path) -> None:
    gains = [p for p in plugpen.scan_directory(mixed) if p["name"] == "Test Gain"]
    assert {gain["format"] for gain in gains} == {"LV2", "VST2"}
    for gain in gains:
        chosen = gain["identifier"] or None
        with plugpen.Plugin(gain["path"], plugin=chosen) as plugin:
            assert plugin.num_input_channels == 2
            assert plugpen.probe(gain["path"], plugin=chosen) == gain
