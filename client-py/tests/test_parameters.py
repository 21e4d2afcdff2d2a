"""Parameters: contract section 2."""

import numpy as np
import pytest

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


def test_values_are_set_and_clamped(delay: plugpen.Plugin) -> None:
    for given, kept in ((0.25, 0.25), (2, 1.0), (-3.5, 0.0), (np.float32(0.5), 0.5)):
        delay.set_param(0, given)
        assert delay.get_param(0) == pytest.approx(kept, abs=1e-6)


@pytest.mark.parametrize("index", [-1, 6, 10**30])
def test_an_index_out_of_range(delay: plugpen.Plugin, index: int) -> None:
    for call in (
        lambda: delay.get_param(index),
        lambda: delay.set_param(index, 0.5),
        lambda: delay.get_param_info(index),
        lambda: delay.param_to_text(index, 0.5),
        lambda: delay.param_from_text(index, "1"),
        lambda: delay.begin_param_gesture(index),
        lambda: delay.end_param_gesture(index),
    ):
        with pytest.raises(RuntimeError, match=r"\[0, 5\]") as raised:
            call()
        assert isinstance(raised.value, ValueError)
        assert raised.value.reason == "INDEX_OUT_OF_RANGE"  # type: ignore[attr-defined]


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


def test_info(delay: plugpen.Plugin) -> None:
    info = delay.get_param_info(index=2)
    assert set(info) == INFO_KEYS
    assert info["name"] == "Feedback"
    assert info["id"] == "sym:feedback"
    assert info["default_value"] == info["default"] == pytest.approx(0.7, abs=1e-6)
    assert (info["min_value"], info["max_value"]) == (0.0, 1.0)
    assert info["is_boolean"] is False


def test_texts(amp: plugpen.Plugin) -> None:
    assert float(amp.param_to_text(0, 0.0).split()[0]) == -90
    assert float(amp.param_to_text(0, 7.0).split()[0]) == 24
    assert amp.param_from_text(0, "0") == pytest.approx(90 / 114, abs=1e-6)
    assert amp.param_from_text(0, "1000") == 1.0


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
