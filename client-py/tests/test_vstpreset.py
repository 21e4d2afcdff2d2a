"""``.vstpreset`` files: contract section 9."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import Open

import plugpen
from plugpen import VstPreset, vstpreset

ZAMVERB = Path("/usr/lib/vst3/ZamVerb.vst3")
# "Master level"; those before it are DPF's own.
LEVEL = 3
ID = "0123456789ABCDEF0123456789ABCDEF"


class Other:
    """An object with a plugin's methods, and no plugin."""

    def __init__(self, state: bytes = b"", path: Any = None) -> None:
        self.state = state
        if path is not None:
            self.path = path

    def get_state(self) -> bytes:
        return self.state

    def set_state(self, state: bytes) -> None:
        self.state = state


@pytest.fixture
def zamverb(open_plugin: Open) -> plugpen.Plugin:
    return open_plugin(ZAMVERB)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "some.vstpreset"
    plugpen.write_vstpreset(path, ID, b"component", b"controller")
    return path


@pytest.mark.contract("9/presets: layout", "9/presets: write", "1/signatures: VstPreset")
def test_a_file_is_laid_out_as_steinberg_says(tmp_path: Path, file: Path) -> None:
    data = file.read_bytes()
    assert data[:8] == b"VST3\1\0\0\0"
    assert data[8:40] == ID.encode()
    listed = int.from_bytes(data[40:48], "little")
    assert data[listed : listed + 8] == b"List\2\0\0\0"
    preset = plugpen.read_vstpreset(str(file))
    assert preset == VstPreset(ID, b"component", b"controller")
    assert (preset.class_id, preset.component_state) == (ID, b"component")
    plugpen.write_vstpreset(path=file, class_id=ID, component_state=b"")
    assert plugpen.read_vstpreset(path=file) == VstPreset(ID, b"", None)
    with pytest.raises(ValueError, match="32 printable"):
        plugpen.write_vstpreset(file, "short", b"")
    with pytest.raises(OSError, match="No such file"):
        plugpen.write_vstpreset(tmp_path / "no" / "a.vstpreset", ID, b"")


@pytest.mark.contract("9/presets: missing")
@pytest.mark.parametrize("function", [plugpen.read_vstpreset, plugpen.read_vst2preset])
def test_a_missing_file(tmp_path: Path, function: Any) -> None:
    with pytest.raises(FileNotFoundError, match=r"Preset file not found: .*missing"):
        function(tmp_path / "missing")


@pytest.mark.contract(
    "9/presets: too small",
    "9/presets: bad magic",
    "9/presets: version",
    "9/presets: list offset and magic",
    "9/presets: truncated entries",
    "9/presets: more than 128 entries",
    "9/presets: chunk past the end",
    "9/presets: non-printable class id",
)
@pytest.mark.parametrize(
    ("at", "bytes_there", "message"),
    [
        (None, 47, "the header alone"),
        (0, b"VST2", "VST3"),
        (4, b"\2", "version"),
        (8, b"\1", "printable"),
        (40, b"\xff" * 8, "at -1"),
        (40, b"\xff\xff\xff\xff\0\0\0\0", "beyond its end"),
        (67, b"Lost", "List"),
        (None, -1, "beyond its end"),
        (71, b"\x81", "129 chunks"),
        (71, b"\3", "beyond its end"),
        (79, b"\xff\xff", "beyond its end"),
        (87, b"\xff\xff", "beyond its end"),
    ],
)
def test_broken_files(file: Path, at: int | None, bytes_there: Any, message: str) -> None:
    data = file.read_bytes()
    if at is None:
        data = data[:bytes_there]
    else:
        data = data[:at] + bytes_there + data[at + len(bytes_there) :]
    file.write_bytes(data)
    for function in (plugpen.read_vstpreset, lambda path: plugpen.load_vstpreset(path, Other())):
        with pytest.raises(ValueError, match=message):
            function(file)


@pytest.mark.contract(
    "9/presets: load: another object gets the raw chunk",
    "0/7 decided: load_vstpreset hands others the raw chunk",
)
def test_another_object_gets_the_raw_chunk(file: Path) -> None:
    other = Other()
    assert plugpen.load_vstpreset(file, other) is None
    assert other.state == b"component"


@pytest.mark.contract("9/presets: load: no Comp")
def test_a_file_without_a_processor_s_state(file: Path, zamverb: plugpen.Plugin) -> None:
    # The first entry of the list is the processor's.
    file.write_bytes(file.read_bytes().replace(b"Comp", b"Info"))
    for plugin in (Other(), zamverb):
        with pytest.raises(ValueError, match=r"no component state \('Comp' chunk\): .*some"):
            plugpen.load_vstpreset(file, plugin)


@pytest.mark.contract(
    "9/presets: load: both chunks into ours",
    "9/presets: save",
    "0/7 decided: VST3 state is a .vstpreset",
    "1/signatures: read_vstpreset, load_vstpreset",
)
def test_a_plugin_s_sound_goes_through_a_file(tmp_path: Path, zamverb: plugpen.Plugin) -> None:
    path = tmp_path / "verb.vstpreset"
    zamverb.set_param(LEVEL, 0.25)
    plugpen.save_vstpreset(path, zamverb)
    assert path.read_bytes() == zamverb.get_state()
    zamverb.set_param(LEVEL, 0.75)
    plugpen.load_vstpreset(path, zamverb)
    assert zamverb.get_param(LEVEL) == pytest.approx(0.25, abs=1e-6)
    class_id = plugpen.read_vstpreset(path).class_id
    assert class_id == plugpen.probe(ZAMVERB)["identifier"]
    plugpen.save_vstpreset(path, zamverb, class_id=ID)
    assert plugpen.read_vstpreset(path).class_id == ID
    with pytest.raises(ValueError, match="class"):
        plugpen.load_vstpreset(path, zamverb)


@pytest.mark.contract(
    "0/7 decided: set_state takes a raw chunk", "0/7 decided: set_state takes VC2!"
)
def test_states_of_all_kinds_are_taken(tmp_path: Path, zamverb: plugpen.Plugin) -> None:
    zamverb.set_param(LEVEL, 0.25)
    path = tmp_path / "verb.vstpreset"
    plugpen.save_vstpreset(path, zamverb)
    preset = plugpen.read_vstpreset(path)
    assert preset.component_state is not None
    juce = juce_blob(preset.component_state)
    old = tmp_path / "old.vstpreset"
    plugpen.write_vstpreset(old, preset.class_id, juce)
    for restore in (
        lambda: zamverb.set_state(preset.component_state),
        lambda: zamverb.set_state(juce),
        # As older versions of minihost wrote them.
        lambda: plugpen.load_vstpreset(old, zamverb),
    ):
        zamverb.set_param(LEVEL, 0.75)
        restore()
        assert zamverb.get_param(LEVEL) == pytest.approx(0.25, abs=1e-6)


def juce_blob(component: bytes) -> bytes:
    """A JUCE host's state of a VST3 plugin."""
    digits = ".ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+"
    number = int.from_bytes(component, "little")
    count = -(-len(component) * 8 // 6)
    text = "".join(digits[number >> 6 * at & 63] for at in range(count))
    xml = f"<VST3PluginState><IComponent>{len(component)}.{text}</IComponent></VST3PluginState>"
    return b"VC2!" + len(xml).to_bytes(4, "little") + xml.encode() + b"\0"


@pytest.mark.contract("9/presets: not VST3")
def test_a_plugin_of_another_format(file: Path, delay: plugpen.Plugin, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="MDA Delay is a LV2 plugin"):
        plugpen.load_vstpreset(file, delay)
    with pytest.raises(ValueError, match="MDA Delay is a LV2 plugin"):
        plugpen.save_vstpreset(tmp_path / "out.vstpreset", delay)
    assert not (tmp_path / "out.vstpreset").exists()


@pytest.mark.contract("9/presets: save")
def test_another_object_is_saved(tmp_path: Path) -> None:
    path = tmp_path / "other.vstpreset"
    plugpen.save_vstpreset(path, Other(b"raw"), class_id=ID)
    assert plugpen.read_vstpreset(path) == VstPreset(ID, b"raw", None)
    plugpen.save_vstpreset(path, Other(juce_blob(b"from juce")), ID)
    assert plugpen.read_vstpreset(path) == VstPreset(ID, b"from juce", None)
    # A container knows its class.
    plugpen.save_vstpreset(path, Other(path.read_bytes()))
    assert plugpen.read_vstpreset(path) == VstPreset(ID, b"from juce", None)
    plugpen.save_vstpreset(path, Other(b"raw", bundle(tmp_path)))
    assert plugpen.read_vstpreset(path) == VstPreset(ID, b"raw", None)
    with pytest.raises(ValueError, match="class_id is needed"):
        plugpen.save_vstpreset(path, Other(b"raw"))
    with pytest.raises(ValueError, match="no state"):
        plugpen.save_vstpreset(path, Other(), ID)


def bundle(folder: Path) -> Path:
    """A VST3 bundle that says what it holds, with a comma too many as they have."""
    resources = folder / "some.vst3" / "Contents" / "Resources"
    resources.mkdir(parents=True, exist_ok=True)
    (resources / "moduleinfo.json").write_text(
        '{"Classes": [{"CID": "' + "F" * 32 + '", "Category": "Component Controller Class"},'
        ' {"CID": "' + ID.lower() + '", "Category": "Audio Module Class",},],}'
    )
    return folder / "some.vst3"


@pytest.mark.contract("9/presets: read_class_id_from_bundle")
def test_a_bundle_says_its_class(tmp_path: Path) -> None:
    path = bundle(tmp_path)
    assert vstpreset.read_class_id_from_bundle(path) == ID
    assert vstpreset.read_class_id_from_bundle(vst3_path=str(path)) == ID
    shutil.rmtree(path / "Contents" / "Resources")
    for missing in (path, tmp_path / "none.vst3"):
        with pytest.raises(ValueError, match=r"class id of .* is not known"):
            vstpreset.read_class_id_from_bundle(missing)


def test_wrong_types(file: Path) -> None:
    for call in (
        lambda: plugpen.read_vstpreset(3.5),  # type: ignore[arg-type]
        lambda: plugpen.write_vstpreset(file, 3, b""),  # type: ignore[arg-type]
        lambda: plugpen.write_vstpreset(file, ID, "text"),  # type: ignore[arg-type]
        lambda: plugpen.read_vstpreset(None),  # type: ignore[arg-type]
    ):
        with pytest.raises(TypeError):
            call()
