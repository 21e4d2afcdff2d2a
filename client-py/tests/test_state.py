"""State: contract section 2."""

import pytest

import plugpen


@pytest.mark.contract(
    "2/state: get_state, set_state",
    "0/6 traps: a parameter set before get_state is in the state",
)
def test_a_state_holds_what_was_set_before_any_block(delay: plugpen.Plugin) -> None:
    delay.set_param(2, 0.125)
    state = delay.get_state()
    assert isinstance(state, bytes)
    assert state
    delay.set_param(2, 0.875)
    delay.set_state(state)
    assert delay.get_param(2) == pytest.approx(0.125, abs=1e-6)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_anything_of_bytes_is_taken(delay: plugpen.Plugin, kind: type) -> None:
    delay.set_state(kind(delay.get_state()))


@pytest.mark.contract("2/state: get_program_state, set_program_state")
def test_a_program_state(delay: plugpen.Plugin) -> None:
    delay.set_param(2, 0.125)
    state = delay.get_program_state()
    delay.set_param(2, 0.5)
    delay.set_program_state(state)
    assert delay.get_param(2) == pytest.approx(0.125, abs=1e-6)


@pytest.mark.contract('2/state: b""', "2/state: junk")
@pytest.mark.parametrize("data", [b"", b"junk", b"\x00" * 4096])
def test_what_is_no_state_is_refused(delay: plugpen.Plugin, data: bytes) -> None:
    before = delay.morph_capture()
    for setter in (delay.set_state, delay.set_program_state):
        with pytest.raises(RuntimeError):
            setter(data)
    assert delay.morph_capture() == before


@pytest.mark.contract("2/state: str")
@pytest.mark.parametrize("data", ["text", None, 3])
def test_wrong_types(delay: plugpen.Plugin, data: object) -> None:
    with pytest.raises(TypeError):
        delay.set_state(data)  # type: ignore[arg-type]


@pytest.mark.contract("2/state: LV2: Turtle")
def test_a_state_of_an_lv2_is_a_preset(delay: plugpen.Plugin) -> None:
    text = delay.get_state().decode()
    assert "pset:Preset" in text
    assert "http://drobilla.net/plugins/mda/Delay" in text
