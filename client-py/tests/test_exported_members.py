"""The public face is a list one can read aloud."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from types import ModuleType

import pytest

import plugpen

PUBLIC_MODULES = [
    module.name
    for module in pkgutil.iter_modules(plugpen.__path__)
    if not module.name.startswith("_")
]


@pytest.mark.parametrize("module", ["plugpen", *(f"plugpen.{name}" for name in PUBLIC_MODULES)])
def test_the_list_is_sorted_and_complete(module: str) -> None:
    listed = importlib.import_module(module).__all__
    assert listed == sorted(listed)
    assert all(hasattr(importlib.import_module(module), name) for name in listed)


def test_everything_public_is_listed() -> None:
    public = {name for name in vars(plugpen) if not name.startswith("_")}
    assert public <= set(plugpen.__all__)


@pytest.mark.parametrize("module", [plugpen, plugpen.analysis])
def test_names_are_at_home_in_the_package(module: ModuleType) -> None:
    for name in module.__all__:
        member = getattr(module, name)
        if isinstance(member, type):
            assert member.__module__ == module.__name__, name


def undocumented(name: str, item: object) -> Iterator[str]:
    """What its docstring leaves out: a first sentence, or some of the arguments that it lists."""
    text = inspect.getdoc(item) or ""
    first = text.split("\n\n")[0]
    if len(first.split()) < 3 or not first.endswith("."):
        yield f"{name}: a sentence is missing"
    if "Args:" in text:
        arguments = set(inspect.signature(item).parameters) - {"self"}  # type: ignore[arg-type]
        listed = set(re.findall(r"^ +(\w+): ", text, re.MULTILINE))
        yield from (f"{name}: {argument} is not listed" for argument in arguments - listed)


@pytest.mark.contract("0/1 names: classes have docstrings")
@pytest.mark.parametrize("module", [plugpen, plugpen.analysis])
def test_everything_is_documented(module: ModuleType) -> None:
    missing = []
    for name in module.__all__:
        member = getattr(module, name)
        if isinstance(member, (int, str)):
            continue
        missing += undocumented(name, member)
        if isinstance(member, type) and not issubclass(member, Exception):
            for attribute in dir(member):
                value = inspect.getattr_static(member, attribute)
                if isinstance(value, staticmethod):
                    value = value.__func__
                is_field = attribute in getattr(member, "__dataclass_fields__", {})
                if is_field:
                    if f"{attribute}:" not in (member.__doc__ or ""):
                        missing.append(f"{name}.{attribute}: is not under Attributes")
                elif not attribute.startswith("_"):
                    missing += undocumented(f"{name}.{attribute}", value)
    assert missing == []


@pytest.mark.contract("1/signatures: constants")
def test_constants_are_minihosts() -> None:
    assert plugpen.MH_CHANGE_LATENCY == 1
    assert plugpen.MH_CHANGE_PARAM_INFO == 2
    assert plugpen.MH_CHANGE_PROGRAM == 4
    assert plugpen.MH_CHANGE_NON_PARAM_STATE == 8
    assert plugpen.MH_PRECISION_SINGLE == 0
    assert plugpen.MH_PRECISION_DOUBLE == 1
    assert plugpen.MIDI_OUT_CAPACITY == 256


# What minihost's own list has, and its submodules' public names.
MINIHOST = {
    "plugpen": """
        AudioDevice MidiFile MidiIn MidiRenderer Plugin PluginChain VstPreset find_param_by_name
        get_audio_info load_vstpreset midi_get_input_ports midi_get_output_ports
        parse_automation_file parse_param_arg probe read_audio read_vstpreset
        render_midi render_midi_stream render_midi_to_file resample scan_directory write_audio
        MH_CHANGE_LATENCY MH_CHANGE_NON_PARAM_STATE MH_CHANGE_PARAM_INFO MH_CHANGE_PROGRAM
        MH_PRECISION_DOUBLE MH_PRECISION_SINGLE
    """,
    "plugpen.audio_io": "get_audio_info read_audio resample write_audio",
    "plugpen.automation": "find_param_by_name parse_automation_file parse_param_arg",
    "plugpen.render": "MidiRenderer render_midi render_midi_stream render_midi_to_file",
    "plugpen.vstpreset": """
        VstPreset load_vstpreset read_class_id_from_bundle read_vstpreset save_vstpreset
        write_vstpreset
    """,
}


@pytest.mark.contract("0/1 names: minihost's __all__", "0/1 names: submodules")
@pytest.mark.parametrize("module", MINIHOST)
def test_minihosts_names_are_there(module: str) -> None:
    names = set(MINIHOST[module].split())
    assert names - set(importlib.import_module(module).__all__) == set()
