"""Notes with ids and note expressions, beside MIDI tuples in event lists."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from conftest import Open, missing

import plugpen
from plugpen import NoteExpression, NoteOff, NoteOn

FRAMES = 64
VOLUME, BEND = 0, 100_001


@pytest.fixture
def notes(open_plugin: Open) -> plugpen.Plugin:
    """A VST3 that sums up its notes, each with a volume of its own."""
    plugins = os.environ.get("PLUGPEN_TEST_PLUGINS")
    if not plugins:
        missing("no test plugins; set PLUGPEN_TEST_PLUGINS to the folder of plugpen-test.vst3")
    return open_plugin(Path(plugins) / "plugpen-test.vst3", plugin="Test Notes")


def play(
    plugin: plugpen.Plugin, events: list[Any], changes: list[tuple[int, int, float]] | None = None
) -> tuple[npt.NDArray[np.float32], list[Any]]:
    out = np.zeros((2, FRAMES), np.float32)
    said = plugin.process_auto(np.zeros((0, FRAMES), np.float32), out, events, changes or [])
    return out, said


def test_an_expression_shapes_one_note_from_its_frame_on(notes: plugpen.Plugin) -> None:
    events = [
        NoteOn(0, 1, 60, velocity=0.5),
        NoteOn(0, 2, 60, velocity=0.25, channel=3, tuning=-25),
        NoteExpression(10, 1, VOLUME, 0.5),
        (20, 0x90, 64, 127),
        NoteExpression(30, 2, BEND, 1.0),
        NoteOff(40, 2, 60, channel=3),
        NoteExpression(1000, 1, VOLUME, 0.0),
    ]
    out, said = play(notes, events, [(50, 0, 0.5)])
    left = np.full(FRAMES, 0.75)
    left[10:] = 0.5
    left[20:] = 1.5
    left[40:] = 1.25
    left[50:] *= 0.5
    left[63] = 0.5
    assert np.array_equal(out[0], left.astype(np.float32))
    assert (out[1, 29], out[1, 30], out[1, 40]) == (-25, 75, 0)
    last = events[-1]
    assert isinstance(last, NoteExpression)
    moved = NoteExpression(63, last.note_id, last.type_id, last.value)
    assert said == [*events[:-1], moved]
    assert notes.midi_out_dropped == 0


def test_a_note_can_be_read_like_a_midi_tuple(notes: plugpen.Plugin) -> None:
    _, said = play(notes, [NoteOn(3, 7, 60, 0.5), NoteOff(9, 7, 60)])
    offset, status, key, velocity = said[0]
    assert (offset, status, key, velocity) == (3, 0x90, 60, 64)
    assert tuple(said[1]) == (9, 0x80, 60, 0)
    assert (len(said[0]), said[0][1], said[0][1:3]) == (4, 0x90, (0x90, 60))
    with pytest.raises(IndexError):
        said[0][4]
    silence = np.zeros((2, FRAMES), np.float32)
    assert notes.process_midi(silence, silence.copy(), said, midi_out_capacity=1) == said[:1]
    assert notes.midi_out_dropped == 1


def test_the_classes_say_what_they_are() -> None:
    on = NoteOn(3, 7, 60, velocity=0.5, channel=2, tuning=12.5)
    assert (on.sample_offset, on.note_id, on.key) == (3, 7, 60)
    assert (on.velocity, on.channel, on.tuning) == (0.5, 2, 12.5)
    assert eval(repr(on)) == on != NoteOn(3, 8, 60)
    off = NoteOff(sample_offset=3, note_id=7, key=60)
    assert eval(repr(off)) == off != on
    shape = NoteExpression(0, 1, 2, 0.1)
    assert (shape.note_id, shape.type_id, shape.value) == (1, 2, 0.1)
    assert eval(repr(shape)) == shape != NoteExpression(0, 1, 2, 0.2)
    with pytest.raises(AttributeError):
        shape.value = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: NoteOn(-1, 0, 60), "sample_offset"),
        (lambda: NoteOn(0, -1, 60), "note_id"),
        (lambda: NoteOn(0, 2**30, 60), "note_id"),
        (lambda: NoteOn(0, 0, 128), "key"),
        (lambda: NoteOn(0, 0, 60, velocity=float("nan")), "velocity"),
        (lambda: NoteOff(0, 0, 60, velocity=1.01), "velocity"),
        (lambda: NoteOff(0, 0, 60, channel=16), "channel"),
        (lambda: NoteOff(0, 0, 60, tuning=float("inf")), "tuning"),
        (lambda: NoteExpression(0, 0, 2**32 - 1, 0), "type_id"),
        (lambda: NoteExpression(0, 0, 0, float("nan")), "value"),
        (lambda: NoteExpression(0, 10**30, 0, 0.5), "note_id"),
    ],
)
def test_what_is_no_note_is_a_value_error(make: Any, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        make()


def test_what_can_be_shaped_is_listed(notes: plugpen.Plugin, delay: plugpen.Plugin) -> None:
    volume, bend = notes.note_expressions()
    assert volume == {
        "type_id": VOLUME,
        "name": "Volume",
        "short_name": "Vol",
        "label": "",
        "default_value": 1.0,
        "min_value": 0.0,
        "max_value": 1.0,
        "num_steps": 0,
        "is_bipolar": False,
        "is_one_shot": False,
        "is_absolute": False,
        "param_index": 0,
    }
    assert (bend["type_id"], bend["is_bipolar"], bend["param_index"]) == (BEND, True, None)
    assert notes.note_expressions(bus_index=1) == []
    assert notes.supports_mpe
    assert not delay.supports_mpe
    assert delay.note_expressions(0, 15) == []
    with pytest.raises(ValueError, match="channel"):
        notes.note_expressions(0, 16)


def test_a_plugin_without_ids_hears_midi_and_takes_no_expression(open_test_plugin: Open) -> None:
    plugin = open_test_plugin("notes")
    out, said = play(plugin, [NoteOn(5, 1, 60, 0.5), NoteOff(9, 1, 60)])
    assert said == [(5, 0x90, 60, 64), (9, 0x80, 60, 0)]
    assert np.count_nonzero(out[0]) == 4
    with pytest.raises(plugpen.Unsupported, match="note expression"):
        play(plugin, [NoteExpression(0, 1, VOLUME, 0.5)])


def test_a_chain_carries_them_and_counts_what_ends_in_it(
    notes: plugpen.Plugin, open_test_plugin: Open
) -> None:
    events = [NoteOn(1, 1, 60, 0.5), NoteExpression(2, 1, VOLUME, 0.5)]
    silence, out = np.zeros((2, FRAMES), np.float32), np.zeros((2, FRAMES), np.float32)
    with plugpen.PluginChain([notes, open_test_plugin("notes")]) as chain:
        assert chain.process_midi(silence, out, events) == [(1, 0x90, 60, 64)]
        assert chain.midi_dropped == 1
