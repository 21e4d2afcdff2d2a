"""The public face is a list one can read aloud."""

import importlib

import pytest

import plugpen


@pytest.mark.parametrize("module", ["plugpen", "plugpen.audio_io", "plugpen.render"])
def test_the_list_is_sorted_and_complete(module: str) -> None:
    listed = importlib.import_module(module).__all__
    assert listed == sorted(listed)
    assert all(hasattr(importlib.import_module(module), name) for name in listed)


def test_everything_public_is_listed() -> None:
    public = {name for name in vars(plugpen) if not name.startswith("_")}
    assert public <= set(plugpen.__all__)


def test_names_are_at_home_in_the_package() -> None:
    for name in plugpen.__all__:
        member = getattr(plugpen, name)
        if isinstance(member, type):
            assert member.__module__ == "plugpen", name


def test_everything_is_documented() -> None:
    undocumented = []
    for name in plugpen.__all__:
        member = getattr(plugpen, name)
        if isinstance(member, (int, str)):
            continue
        if not member.__doc__:
            undocumented.append(name)
        if isinstance(member, type) and not issubclass(member, Exception):
            undocumented += [
                f"{name}.{attribute}"
                for attribute, value in vars(member).items()
                if not attribute.startswith("_") and not value.__doc__
            ]
    assert undocumented == []


def test_constants_are_minihosts() -> None:
    assert plugpen.MH_CHANGE_LATENCY == 1
    assert plugpen.MH_CHANGE_PARAM_INFO == 2
    assert plugpen.MH_CHANGE_PROGRAM == 4
    assert plugpen.MH_CHANGE_NON_PARAM_STATE == 8
    assert plugpen.MH_PRECISION_SINGLE == 0
    assert plugpen.MH_PRECISION_DOUBLE == 1
    assert plugpen.MIDI_OUT_CAPACITY == 256
