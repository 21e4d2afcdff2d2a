"""Nothing that a caller passes can crash or hang the client: contract, decision 6."""

import inspect
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import plugpen

# What a mistaken program passes for an argument of any name.
NONSENSE = [
    None,
    True,
    -1,
    2**31,
    10**30,
    0.5,
    float("nan"),
    float("-inf"),
    "",
    "\0",
    "text\udcff",
    b"",
    b"\xff" * 100,
    [],
    [[]],
    [None],
    [(0,)],
    [(2**70, 144, 60, 100)],
    [(0, 10**30, 0.5)],
    (1, 2, 3),
    {},
    {"a": 1},
    object(),
    print,
    np.zeros(0, np.float32),
    np.zeros((0, 0), np.float32),
    np.zeros((2, 64), np.float32),
    np.full((2, 64), np.nan, np.float32),
    np.zeros((2, 2, 2), complex),
    np.zeros((1, 10**6), np.int8),
]
# What may be raised; anything else is a mistake of ours. A key error is one, a crash all the more.
ALLOWED = (
    TypeError,
    ValueError,
    RuntimeError,
    OSError,
    OverflowError,
    AttributeError,
    StopIteration,
)


def calls(function: Callable[..., object], required: int) -> Iterator[tuple[Any, ...]]:
    """Each nonsense for each argument, the others being sensible where that can be."""
    generator = np.random.default_rng(1)
    for count in range(required + 2):
        for value in NONSENSE:
            yield (value,) * count
    for _ in range(200):
        yield tuple(NONSENSE[i] for i in generator.integers(0, len(NONSENSE), required))


def required(function: Callable[..., object]) -> int:
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        return 1
    return sum(parameter.default is parameter.empty for parameter in parameters)


def methods(target: object) -> list[str]:
    names = (name for name in dir(target) if not name.startswith("_"))
    ending = {"close", "restart"}
    # Asked of the class: some properties can only be had of plugins that were opened for them.
    return [n for n in names if n not in ending and callable(getattr(type(target), n))]


@pytest.fixture
def targets(delay: plugpen.Plugin, mverb: plugpen.Plugin) -> list[object]:
    return [delay, plugpen.PluginChain([delay, mverb]), plugpen.MidiFile()]


@pytest.mark.contract("0/6 traps: nothing a caller passes crashes or hangs the client")
def test_nonsense_is_refused_or_harmless(
    targets: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where a path is taken for a name, the file lands here.
    monkeypatch.chdir(tmp_path)
    for target in targets:
        for name in methods(target):
            method = getattr(target, name)
            for arguments in calls(method, required(method)):
                try:
                    method(*arguments)
                except ALLOWED:
                    continue
    plugin = targets[0]
    assert isinstance(plugin, plugpen.Plugin)
    assert plugin.is_alive
    block = np.zeros((2, 64), np.float32)
    plugin.process(block, block.copy())


@pytest.mark.contract("0/6 traps: nothing a caller passes crashes or hangs the client")
def test_nonsense_for_properties_and_functions(
    targets: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for target in targets:
        names = [name for name in dir(target) if not name.startswith("_")]
        for name, value in itertools.product(names, NONSENSE):
            try:
                setattr(target, name, value)
            except ALLOWED:
                continue
    functions = [
        plugpen.Plugin,
        plugpen.PluginChain,
        plugpen.probe,
        plugpen.read_vstpreset,
        plugpen.load_vstpreset,
        plugpen.save_vstpreset,
        plugpen.write_vstpreset,
        plugpen.read_vst2preset,
        plugpen.find_param_by_name,
        plugpen.parse_param_arg,
        plugpen.parse_automation_file,
        plugpen.read_audio,
        plugpen.get_audio_info,
    ]
    for function in functions:
        for value in NONSENSE:
            # 0 and 1 are files that are open: standard input and output.
            if type(value) in (bool, int):
                continue
            for count in (1, 2, required(function)):
                try:
                    function(*(value,) * count)
                except (*ALLOWED, KeyError):
                    continue
