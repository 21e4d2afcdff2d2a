"""``.fxp`` and ``.fxb`` files of VST2 plugins."""

from pathlib import Path

import pytest
from conftest import Open

import plugpen

MVERB = Path("/usr/lib/vst/MVerb-vst.so")
AMSYNTH = Path("/usr/lib/vst/amsynth_vst.so")


@pytest.fixture
def mverb_vst(open_plugin: Open) -> plugpen.Plugin:
    return open_plugin(MVERB)


@pytest.mark.contract("0/8 more than minihost: VST2")
@pytest.mark.parametrize("name", ["sound.fxp", "sound.FXB"])
def test_a_plugin_s_sound_goes_through_a_file(
    tmp_path: Path, mverb_vst: plugpen.Plugin, name: str
) -> None:
    path = tmp_path / name
    mverb_vst.set_param(0, 0.25)
    plugpen.save_vst2preset(path, mverb_vst)
    preset = plugpen.read_vst2preset(path)
    assert preset.is_bank == (name == "sound.FXB")
    assert preset.plugin_id > 0
    assert bool(preset.chunk) != bool(preset.values or preset.programs)
    mverb_vst.set_param(0, 0.75)
    plugpen.load_vst2preset(str(path), mverb_vst)
    assert mverb_vst.get_param(0) == pytest.approx(0.25, abs=1e-5)


def test_lists_of_values_are_read(tmp_path: Path, mverb_vst: plugpen.Plugin) -> None:
    path = tmp_path / "list.fxp"
    name = b"Init".ljust(28, b"\0")
    values = b"\x3f\0\0\0" * 2
    head = b"CcnK\0\0\0\0FxCk\0\0\0\1abcd\0\0\0\7\0\0\0\2"
    path.write_bytes(head + name + values)
    program = plugpen.read_vst2preset(path)
    assert (program.is_bank, program.name, program.values) == (False, "Init", [0.5, 0.5])
    assert (program.plugin_id, program.plugin_version) == (0x61626364, 7)
    bank = b"CcnK\0\0\0\0FxBk\0\0\0\2abcd\0\0\0\7\0\0\0\1\0\0\0\0".ljust(156, b"\0")
    (tmp_path / "list.fxb").write_bytes(bank + path.read_bytes())
    read = plugpen.read_vst2preset(tmp_path / "list.fxb")
    assert (read.is_bank, read.programs, read.current_program) == (True, [program], 0)
    with pytest.raises(RuntimeError, match="plugin"):
        plugpen.load_vst2preset(path, mverb_vst)


def test_what_is_no_preset(
    tmp_path: Path, mverb_vst: plugpen.Plugin, delay: plugpen.Plugin
) -> None:
    path = tmp_path / "junk.fxp"
    path.write_bytes(b"junk")
    with pytest.raises(ValueError, match="FxCk"):
        plugpen.load_vst2preset(path, mverb_vst)
    with pytest.raises(FileNotFoundError, match="Preset file not found"):
        plugpen.load_vst2preset(tmp_path / "missing.fxp", mverb_vst)
    with pytest.raises(ValueError, match="MDA Delay is a LV2 plugin"):
        plugpen.save_vst2preset(tmp_path / "a.fxp", delay)
    with pytest.raises(ValueError, match=r"must be \.fxp"):
        plugpen.save_vst2preset(tmp_path / "a.vstpreset", mverb_vst)
    assert [entry.name for entry in tmp_path.iterdir()] == ["junk.fxp"]
