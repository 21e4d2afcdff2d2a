"""MIDI and automation in blocks: contract section 2, "Processing"."""

from typing import Any

import numpy as np
import pytest
from conftest import LV2, Open, peak

import plugpen

NOTE = (0, 0x90, 60, 100)


def silence(frames: int = 512) -> np.ndarray:
    return np.zeros((2, frames), np.float32)


@pytest.fixture
def fifths(open_plugin: Open) -> plugpen.Plugin:
    """Gives out every note and its fifth."""
    return open_plugin(LV2 / "eg-fifths.lv2")


def test_a_note_is_heard(epiano: plugpen.Plugin) -> None:
    out = silence()
    epiano.process_midi(silence(), out, [])
    assert peak(out) < 1e-4
    for _ in range(4):
        epiano.process_midi(silence(), out, [NOTE])
    assert peak(out) > 0.01


def test_a_note_begins_at_its_frame(epiano: plugpen.Plugin) -> None:
    out = silence()
    epiano.process_midi(silence(), out, [(300, 0x90, 60, 127)])
    assert peak(out[:, :300]) < 1e-4
    assert peak(out[:, 300:]) > 1e-4


@pytest.mark.contract(
    "2/process: midi: a list for a tuple",
    "2/process: midi_in: tuple, None",
    "0/7 decided: a tuple for a list, a Path for a str",
)
@pytest.mark.parametrize("make", [list, tuple, iter, lambda events: (e for e in events)])
def test_any_iterable_of_tuples(fifths: plugpen.Plugin, make: Any) -> None:
    empty = np.zeros((0, 64), np.float32)
    heard = fifths.process_midi(empty, empty.copy(), make([NOTE, [9, 0x80, 60, 0]]))
    assert heard == [
        (0, 0x90, 60, 100),
        (0, 0x90, 67, 100),
        (9, 0x80, 60, 0),
        (9, 0x80, 67, 0),
    ]


@pytest.mark.contract("2/process: midi: offset >= frames")
def test_offsets_beyond_the_block_mean_its_last_frame(fifths: plugpen.Plugin) -> None:
    empty = np.zeros((0, 64), np.float32)
    heard = fifths.process_midi(empty, empty.copy(), [(64, 0x90, 60, 1), (2**31 - 1, 0x90, 61, 1)])
    assert {event[0] for event in heard} == {63}


@pytest.mark.contract(
    "2/process: MIDI out: 256 events",
    "0/6 traps: MIDI output is never dropped without a count",
    "0/6 traps: the MIDI output cap is a keyword",
    "2/properties: path, max_block_size, midi_out_dropped",
)
def test_output_beyond_the_capacity_is_counted(fifths: plugpen.Plugin) -> None:
    empty = np.zeros((0, 64), np.float32)
    events = [(index % 64, 0x90, 40 + index % 40, 1) for index in range(200)]
    assert len(fifths.process_midi(empty, empty.copy(), events)) == 256
    assert fifths.midi_out_dropped == 144
    assert len(fifths.process_midi(empty, empty.copy(), events, midi_out_capacity=500)) == 400
    assert fifths.midi_out_dropped == 0
    assert fifths.process_midi(empty, empty.copy(), events, 0) == []
    assert fifths.midi_out_dropped == 400
    with pytest.raises(ValueError, match="midi_out_capacity"):
        fifths.process_midi(empty, empty.copy(), [], -1)


@pytest.mark.contract(
    "2/process: midi: short tuple",
    "2/process: midi: offset < 0",
    "2/process: midi: status and data",
)
@pytest.mark.parametrize(
    ("event", "message"),
    [
        ((0, 144, 60), "MIDI event must be a tuple"),
        (("x", "y", "z", "w", "v"), "MIDI event must be a tuple"),
        (7, "MIDI event must be a tuple"),
        ("note", "MIDI event must be a tuple"),
        ((-1, 144, 60, 100), r"sample_offset must be an integer in \[0, 2147483647\]"),
        ((2**31, 144, 60, 100), "sample_offset must be an integer"),
        ((0.5, 144, 60, 100), "sample_offset must be an integer"),
        ((0, 127, 60, 100), r"status must be an integer in \[128, 255\]"),
        ((0, 256, 60, 100), "status must be an integer"),
        ((0, 144, 128, 100), r"data1 must be an integer in \[0, 127\]"),
        ((0, 144, 60, -1), r"data2 must be an integer in \[0, 127\]"),
        ((0, 0xF0, 1, 2), "SysEx"),
        ((0, b""), "one whole message"),
        ((0, b"\xf0\x01\x02"), "one whole message"),
        ((0, b"\x90\x40"), "one whole message"),
        ((0, b"\xf0\x90\xf7"), "one whole message"),
        ((0, 17), "MIDI event must be a tuple"),
    ],
)
def test_malformed_events(epiano: plugpen.Plugin, event: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        epiano.process_midi(silence(), silence(), [NOTE, event])
    assert isinstance(raised.value, RuntimeError)


@pytest.mark.contract("2/process: midi_in: tuple, None")
@pytest.mark.parametrize("events", [None, 3, "notes", b"\x90", {0: NOTE}])
def test_what_is_no_list_of_events(epiano: plugpen.Plugin, events: Any) -> None:
    with pytest.raises(TypeError, match="midi_in"):
        epiano.process_midi(silence(), silence(), events)
    with pytest.raises(TypeError, match="param_changes"):
        epiano.process_auto(silence(), silence(), [], events)


@pytest.mark.contract("0/8 more than minihost: SysEx and events of any length")
def test_sysex_of_any_length_passes(epiano: plugpen.Plugin) -> None:
    long = b"\xf0" + bytes(range(100)) * 10 + b"\xf7"
    events: list[Any] = [(0, long), (1, bytearray(b"\x90\x3c\x64")), (2, b"\xf8")]
    assert epiano.process_midi(silence(), silence(), events) == []


def test_more_events_than_fit_are_an_error(epiano: plugpen.Plugin) -> None:
    flood = [(0, b"\xf0" + bytes(60_000) + b"\xf7")] * 500
    with pytest.raises(plugpen.LimitReached):
        epiano.process_midi(silence(), silence(), flood)
    epiano.process_midi(silence(), silence(), [NOTE])


@pytest.mark.contract(
    "2/process: param_changes: split at the offsets",
    "2/process: param_changes: sorted",
)
def test_changes_happen_at_their_frames(amp: plugpen.Plugin) -> None:
    steady = np.ones((1, 400), np.float32)
    out = np.zeros_like(steady)
    loud, quiet = amp.param_from_text(0, "6"), amp.param_from_text(0, "-6")
    amp.process_auto(steady, out, [], [(300, 0, quiet), (100, 0, loud)])
    expected = np.ones(400)
    expected[100:300] = 10 ** (6 / 20)
    expected[300:] = 10 ** (-6 / 20)
    assert np.allclose(out[0], expected, atol=1e-5)
    assert amp.get_param(0) == pytest.approx(quiet, abs=1e-6)


@pytest.mark.contract(
    "2/process: param_changes: several in one block",
    "0/5 corrections: no parameter change is lost",
)
def test_no_change_is_lost(delay: plugpen.Plugin) -> None:
    changes = [(offset, index, 0.25 + index / 20) for offset in (0, 5) for index in range(6)]
    delay.process_auto(silence(), silence(), [], changes)
    expected = [0.25 + index / 20 for index in range(6)]
    assert delay.morph_capture() == pytest.approx(expected, abs=1e-6)


@pytest.mark.contract("2/process: param_changes: malformed")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((0, 6, 0.5), r"param_index must be an integer in \[0, 5\]"),
        ((0, -1, 0.5), "param_index must be an integer"),
        ((512, 0, 0.5), r"sample_offset must be an integer in \[0, 511\]"),
        ((-1, 0, 0.5), "sample_offset must be an integer"),
        ((0, 0, float("nan")), "value must be a finite number"),
        ((0, 0, "loud"), "value must be a finite number"),
        ((0, 0), "automation entry must be a tuple"),
        ((0, 0, 0, 0.5), "automation entry must be a tuple"),
    ],
)
def test_malformed_changes(delay: plugpen.Plugin, change: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        delay.process_auto(silence(), silence(), [], [change])


@pytest.mark.contract("2/process: param_changes: clamped")
def test_values_of_changes_are_clamped(delay: plugpen.Plugin) -> None:
    delay.process_auto(silence(), silence(), [], [(0, 0, 7), (0, 1, -7)])
    assert delay.get_param(0) == 1.0
    assert delay.get_param(1) == 0.0
