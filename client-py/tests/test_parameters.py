"""Parameters: contract section 2."""

import numpy as np
import pytest
from conftest import Open

import plugpen

INFO_KEYS = {
    "name",
    "id",
    "label",
    "current_value_str",
    "min_value",
    "max_value",
    "default_value",
    "default",
    "num_steps",
    "is_automatable",
    "is_boolean",
    "category",
    "kind",
}


@pytest.mark.contract(
    "2/parameters: set_param: clamped",
    "2/parameters: set_param: ints and numpy scalars",
    "2/parameters: get_param",
)
def test_values_are_set_and_clamped(delay: plugpen.Plugin) -> None:
    for given, kept in ((0.25, 0.25), (2, 1.0), (-3.5, 0.0), (np.float32(0.5), 0.5)):
        delay.set_param(0, given)
        assert delay.get_param(0) == pytest.approx(kept, abs=1e-6)


@pytest.mark.contract(
    "0/7 decided: get_param out of range raises",
    "2/parameters: get_param",
    "2/parameters: set_param: out of range",
    "2/parameters: get_param_info: out of range",
    "2/parameters: param_to_text: out of range",
    "2/parameters: param_from_text: out of range",
    "2/parameters: gestures: out of range",
)
@pytest.mark.parametrize("index", [-1, 6, 10**30])
def test_an_index_out_of_range(delay: plugpen.Plugin, index: int) -> None:
    for call, failed in (
        (lambda: delay.get_param(index), "get parameter"),
        (lambda: delay.set_param(index, 0.5), "set parameter"),
        (lambda: delay.get_param_info(index), "get parameter info"),
        (lambda: delay.param_to_text(index, 0.5), "convert parameter to text"),
        (lambda: delay.param_from_text(index, "1"), "convert text to parameter value"),
        (lambda: delay.begin_param_gesture(index), "begin parameter gesture"),
        (lambda: delay.end_param_gesture(index), "end parameter gesture"),
    ):
        with pytest.raises(RuntimeError, match=rf"Failed to {failed}: .*\[0, 5\]") as raised:
            call()
        assert isinstance(raised.value, ValueError)
        assert raised.value.reason == "INDEX_OUT_OF_RANGE"  # type: ignore[attr-defined]


@pytest.mark.contract("2/parameters: set_param: not finite")
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_no_numbers(delay: plugpen.Plugin, value: float) -> None:
    before = delay.get_param(0)
    for call in (
        lambda: delay.set_param(0, value),
        lambda: delay.param_to_text(0, value),
        lambda: delay.set_param_by_name("L Delay", value),
    ):
        with pytest.raises(ValueError, match="finite"):
            call()
    assert delay.get_param(0) == before


def test_wrong_types(delay: plugpen.Plugin) -> None:
    for call in (
        lambda: delay.get_param("0"),  # type: ignore[arg-type]
        lambda: delay.get_param(0.0),  # type: ignore[arg-type]
        lambda: delay.set_param(0, "0.5"),  # type: ignore[arg-type]
        lambda: delay.set_param(0, None),  # type: ignore[arg-type]
        lambda: delay.param_from_text(0, b"1"),  # type: ignore[arg-type]
        lambda: delay.set_param(0),  # type: ignore[call-arg]
    ):
        with pytest.raises(TypeError):
            call()


@pytest.mark.contract(
    "2/parameters: get_param_info: keys",
    "0/3 both spellings: default and default_value",
)
def test_info(delay: plugpen.Plugin) -> None:
    info = delay.get_param_info(index=2)
    assert set(info) == INFO_KEYS
    assert info["name"] == "Feedback"
    assert info["id"] == "sym:feedback"
    assert info["default_value"] == info["default"] == pytest.approx(0.7, abs=1e-6)
    assert (info["min_value"], info["max_value"]) == (0.0, 1.0)
    assert info["is_boolean"] is False


@pytest.mark.contract(
    "2/parameters: param_to_text: clamped",
    "2/parameters: param_from_text: clamped",
)
def test_texts(amp: plugpen.Plugin) -> None:
    assert float(amp.param_to_text(0, 0.0).split()[0]) == -90
    assert float(amp.param_to_text(0, 7.0).split()[0]) == 24
    assert amp.param_from_text(0, "0") == pytest.approx(90 / 114, abs=1e-6)
    assert amp.param_from_text(0, "1000") == 1.0


@pytest.mark.contract("2/parameters: find_param, *_by_name")
def test_names(delay: plugpen.Plugin) -> None:
    assert delay.find_param("fx mix") == 4
    delay.set_param_by_name("FX MIX", 0.75)
    assert delay.get_param_by_name("FX Mix") == pytest.approx(0.75, abs=1e-6)
    for call in (
        lambda: delay.find_param("Wurlitzer"),
        lambda: delay.get_param_by_name("Wurlitzer"),
        lambda: delay.set_param_by_name("Wurlitzer", 0.0),
    ):
        with pytest.raises(RuntimeError, match="Parameter not found: 'Wurlitzer'"):
            call()


def test_gestures(delay: plugpen.Plugin) -> None:
    delay.begin_param_gesture(1)
    delay.set_param(1, 0.1)
    delay.end_param_gesture(1)


@pytest.mark.contract("2/parameters: morph")
def test_morphing(delay: plugpen.Plugin) -> None:
    a = delay.morph_capture()
    assert len(a) == delay.num_params
    b = [1.0] * 6
    delay.morph_apply(b)
    assert delay.morph_capture() == b
    mixed = delay.morph(a, b, 0.5)
    assert mixed == pytest.approx([(x + 1.0) / 2 for x in a])
    assert delay.morph_capture() == pytest.approx(mixed, abs=1e-6)
    assert delay.morph(a, b, -4) == pytest.approx(a)
    for values in ([0.5], [0.5] * 7, [float("nan")] * 6):
        with pytest.raises(ValueError, match="value"):
            delay.morph_apply(values)
    with pytest.raises(ValueError, match="one length"):
        delay.morph(a, b[:2], 0.5)


@pytest.mark.contract("2/parameters: LV2: id, text", "2/parameters: param_from_text: junk")
def test_an_lv2_says_plain_numbers(amp: plugpen.Plugin, delay: plugpen.Plugin) -> None:
    info = amp.get_param_info(0)
    assert (info["id"], info["name"], info["label"]) == ("sym:gain", "Gain", "dB")
    assert (info["num_steps"], info["category"], info["kind"]) == (0, 0, "number")
    assert float(info["current_value_str"]) == 0.0
    # Junk is 0 in the parameter's own unit, which is not its least value here.
    for junk in ("", "junk"):
        assert amp.param_from_text(0, junk) == pytest.approx(90 / 114, abs=1e-6)
        assert delay.param_from_text(2, junk) == 0.0


@pytest.mark.contract("2/parameters: LV2: enabled is Bypass")
def test_an_enabled_port_is_a_bypass(open_test_plugin: Open) -> None:
    plugin = open_test_plugin("gain")
    index = plugin.find_param("Bypass")
    assert plugin.get_param_info(index)["is_boolean"] is True
    assert (plugin.get_param(index), plugin.bypass) == (0.0, False)
    plugin.bypass = True
    assert (plugin.get_param(index), plugin.bypass) == (1.0, True)
    plugin.set_param(0, 1.0)
    ones, out = np.ones((2, 64), np.float32), np.zeros((2, 64), np.float32)
    plugin.process(ones, out)
    assert np.array_equal(out, ones)
