"""Automation: contract section 8."""

import json
import math
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest
from conftest import Open

import plugpen
from plugpen import find_param_by_name, parse_automation_file, parse_param_arg

CASES = json.loads((Path(__file__).parents[2] / "tests/data/automation.json").read_text())


class Reverb:
    """An object with a plugin's methods, and no plugin."""

    names = ("Mix", "Decay Time", "Mode", "mix")
    num_params = 4

    def get_param_info(self, index: int) -> dict[str, Any]:
        return {"name": self.names[index]}

    def param_from_text(self, index: int, text: str) -> float:
        if not text.endswith("%"):
            raise RuntimeError("not a percentage")
        return float(text[:-1]) / 100


def parse(tmp_path: Path, text: str, plugin: Any, block_size: int = 512) -> list[Any]:
    path = tmp_path / "automation.json"
    path.write_text(text)
    return parse_automation_file(path, plugin, 48000, 1000, block_size)


@pytest.mark.contract(
    "8/automation: find_param_by_name: first, whatever the case",
    "8/automation: find_param_by_name: duck-typed",
    "1/signatures: find_param_by_name",
)
def test_names_are_found_whatever_their_case() -> None:
    assert find_param_by_name(Reverb(), "MIX") == 0
    assert find_param_by_name(plugin=Reverb(), name="decay time") == 1
    mock = MagicMock()
    mock.num_params = 2
    mock.get_param_info.side_effect = [{"name": "Cutoff"}, {"name": "Resonance"}]
    assert find_param_by_name(mock, "resonance") == 1


def test_an_object_with_find_param_alone_is_asked() -> None:
    plugin = MagicMock(spec=["find_param"])
    plugin.find_param.return_value = 7
    assert find_param_by_name(plugin, "Mix") == 7
    plugin.find_param.side_effect = RuntimeError("no such thing")
    with pytest.raises(ValueError, match="Parameter not found: 'Mix'"):
        find_param_by_name(plugin, "Mix")


@pytest.mark.contract("8/automation: find_param_by_name: not found")
def test_a_name_that_is_none(delay: plugpen.Plugin) -> None:
    message = r"Parameter not found: 'Organ'\..* Use '\w+ params <plugin>' to list"
    for plugin in (Reverb(), delay):
        with pytest.raises(ValueError, match=message):
            find_param_by_name(plugin, "Organ")


@pytest.mark.contract(
    "8/automation: parse_param_arg: a number is returned as it is",
    "8/automation: parse_param_arg: ':n' changes nothing",
    "8/automation: parse_param_arg: a text is the plugin's",
    "1/signatures: parse_param_arg",
)
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mix:0.5", (0, 0.5)),
        ("mix:7.5:n", (0, 7.5)),
        ("Decay Time:-1", (1, -1.0)),
        ("Mode:50 %", (2, 0.5)),
        ("Mode: 1e-3 ", (2, 0.001)),
    ],
)
def test_one_parameter_is_set_by_a_text(text: str, expected: tuple[int, float]) -> None:
    assert parse_param_arg(text, Reverb()) == expected
    assert parse_param_arg(arg_str=text, plugin=Reverb()) == expected


def test_not_a_number_is_a_number_here() -> None:
    assert math.isnan(parse_param_arg("Mix:nan", Reverb())[1])


@pytest.mark.contract(
    "8/automation: parse_param_arg: fewer than two parts",
    "8/automation: parse_param_arg: a text that cannot be read",
    "8/automation: parse_param_arg: a name with a colon",
)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Mix", r"Invalid parameter format: 'Mix'. Expected 'Name:value' or 'Name:value:n'\."),
        ("", "Invalid parameter format: ''"),
        ("Organ:1", "Parameter not found: 'Organ'"),
        ("Mix:loud", "Could not parse value 'loud' for parameter 'Mix': not a percentage"),
        ("Mix:Dry:0.5", "Could not parse value 'Dry:0.5' for parameter 'Mix'"),
    ],
)
def test_what_sets_nothing(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_param_arg(text, Reverb())


@pytest.mark.contract(
    "8/automation: parse_automation_file: a number",
    "8/automation: parse_automation_file: a text",
    "8/automation: parse_automation_file: keyframes sorted, with a line between",
    "8/automation: parse_automation_file: {} is nothing",
    "8/automation: parse_automation_file: key forms",
    "8/automation: parse_automation_file: negative or beyond the end is kept",
    "8/automation: parse_automation_file: sorted by offset only",
    "1/signatures: parse_automation_file",
    "1/signatures: automation file",
)
@pytest.mark.parametrize("case", CASES["good"], ids=lambda case: case["file"])
def test_files_mean_what_the_list_says(tmp_path: Path, case: Any) -> None:
    changes = parse(tmp_path, case["file"], Reverb(), case["block_size"])
    assert changes == [tuple(change) for change in case["changes"]]
    assert all(type(change) is tuple for change in changes)


@pytest.mark.contract(
    "8/automation: parse_automation_file: top level not an object",
    "8/automation: parse_automation_file: other types",
    "8/automation: parse_automation_file: bad key",
)
@pytest.mark.parametrize("case", CASES["bad"], ids=lambda case: case["file"])
def test_what_is_wrong_in_a_file_is_said(tmp_path: Path, case: Any) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the list has the messages
        parse(tmp_path, case["file"], Reverb(), case["block_size"])
    assert case["says"] in str(raised.value)


@pytest.mark.contract(
    "8/automation: parse_automation_file: FileNotFoundError",
    "8/automation: parse_automation_file: JSONDecodeError",
)
def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="Automation file not found"):
        parse_automation_file(tmp_path / "missing.json", Reverb(), 48000, 1000)
    with pytest.raises(json.JSONDecodeError):
        parse(tmp_path, "{", Reverb())
    with pytest.raises(ValueError, match="nested"):
        parse(tmp_path, '{"Mix": ' + "[" * 100_000 + "]" * 100_000 + "}", Reverb())


def test_changes_go_into_a_block(tmp_path: Path, amp: plugpen.Plugin) -> None:
    text = '{"Gain": {"0": "0", "100": "6", "200": "-6"}}'
    changes = parse(tmp_path, text, amp)
    steady, out = np.ones((1, 300), np.float32), np.zeros((1, 300), np.float32)
    amp.process_auto(steady, out, [], changes)
    expected = np.repeat([1.0, 10 ** (6 / 20), 10 ** (-6 / 20)], 100)
    assert np.allclose(out[0], expected, atol=1e-5)


def test_a_dead_plugin_is_not_a_wrong_value(open_test_plugin: Open, tmp_path: Path) -> None:
    plugin = open_test_plugin("gain")
    name = plugin.get_param_info(0)["name"]
    plugin.close()
    with pytest.raises(plugpen.WrongState):
        parse_param_arg(f"{name}:loud", plugin)
