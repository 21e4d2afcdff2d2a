"""MidiFile: contract section 5."""

import copy
from pathlib import Path
from typing import Any

import pytest

from plugpen import IndexOutOfRange, MidiFile


def events(midi: MidiFile, track: int = 0) -> list[dict[str, Any]]:
    return [event for event in midi.get_events(track) if event["type"] != "meta"]


def test_a_new_file() -> None:
    midi = MidiFile()
    assert (midi.num_tracks, midi.ticks_per_quarter, midi.duration_seconds) == (1, 120, 0.0)
    assert midi.get_events(0) == []
    assert midi.get_events(7) == midi.get_events(-1) == []
    assert midi.add_track() == 1


def test_events_read_back_as_dicts() -> None:
    midi = MidiFile()
    midi.add_tempo(0, 0, 100.0)
    midi.add_note_on(0, 10, 1, 60, 100)
    midi.add_note_off(track=0, tick=130, channel=1, pitch=60)
    midi.add_control_change(0, 5, 2, 7, 90)
    midi.add_program_change(0, 5, 3, 17)
    midi.add_pitch_bend(0, 5, 4, 8192)
    base = {"seconds": 0.0}
    assert midi.get_events(0) == [
        base | {"tick": 0, "type": "tempo", "bpm": 100.0},
        base | {"tick": 10, "type": "note_on", "channel": 1, "pitch": 60, "velocity": 100},
        base | {"tick": 130, "type": "note_off", "channel": 1, "pitch": 60, "velocity": 0},
        base | {"tick": 5, "type": "control_change", "channel": 2, "controller": 7, "value": 90},
        base | {"tick": 5, "type": "program_change", "channel": 3, "program": 17},
        base | {"tick": 5, "type": "pitch_bend", "channel": 4, "value": 8192},
    ]
    assert midi.duration_seconds == pytest.approx(130 / 120 * 0.6)
    assert midi.get_events(0)[2]["seconds"] == pytest.approx(130 / 120 * 0.6)


@pytest.mark.parametrize("value", [0, 8192, 16383])
def test_pitch_bends_keep_their_value(value: int) -> None:
    midi = MidiFile()
    midi.add_pitch_bend(0, 0, 0, value)
    assert midi.get_events(0)[0]["value"] == value


def test_a_note_on_without_velocity_is_a_note_off() -> None:
    midi = MidiFile()
    midi.add_note_on(0, 0, 0, 60, 0)
    assert midi.get_events(0)[0]["type"] == "note_off"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda midi: midi.add_note_on(0, 0, 16, 60, 1), r"channel must be in \[0, 15\], got 16"),
        (lambda midi: midi.add_note_on(0, 0, 0, 128, 1), "pitch must be in"),
        (lambda midi: midi.add_note_on(0, 0, 0, 60, -1), "velocity must be in"),
        (lambda midi: midi.add_note_on(0, -1, 0, 60, 1), "tick must be in"),
        (lambda midi: midi.add_note_on(0, 2**80, 0, 60, 1), "tick must be in"),
        (lambda midi: midi.add_control_change(0, 0, 0, 128, 1), "controller must be in"),
        (lambda midi: midi.add_pitch_bend(0, 0, 0, 16384), r"\[0, 16383\]"),
        (lambda midi: midi.add_tempo(0, 0, 0.0), "bpm must be"),
        (lambda midi: midi.add_tempo(0, 0, float("nan")), "bpm must be"),
        (lambda midi: setattr(midi, "ticks_per_quarter", 0), "ticks_per_quarter must be in"),
    ],
)
def test_values_out_of_range_name_the_range(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(MidiFile())


def test_a_bad_track_is_an_index_error() -> None:
    with pytest.raises(IndexError, match=r"track 5 out of range \[0, 1\)") as raised:
        MidiFile().add_note_on(5, 0, 0, 60, 100)
    assert isinstance(raised.value, IndexOutOfRange)


def test_wrong_types_are_type_errors() -> None:
    midi = MidiFile()
    with pytest.raises(TypeError):
        midi.add_note_on(0, 0.5, 0, 60, 100)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        midi.load(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        MidiFile("song.mid")  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        copy.copy(midi)
    with pytest.raises(AttributeError):
        midi.title = "no"  # type: ignore[attr-defined]


def test_a_saved_file_loads(tmp_path: Path) -> None:
    midi = MidiFile()
    midi.ticks_per_quarter = 480
    midi.add_track()
    midi.add_tempo(0, 0, 90.0)
    midi.add_note_on(1, 960, 0, 60, 100)
    path = tmp_path / "song.mid"
    assert midi.save(path) is True
    loaded = MidiFile()
    assert loaded.load(str(path)) is True
    assert (loaded.num_tracks, loaded.ticks_per_quarter) == (2, 480)
    assert events(loaded, 1)[0]["tick"] == 960
    assert events(loaded, 1)[0]["seconds"] == pytest.approx(2 * 60 / 90)
    assert "meta_type" in loaded.get_events(1)[-1]


def test_failures_of_load_and_save_are_false(tmp_path: Path) -> None:
    midi = MidiFile()
    midi.add_note_on(0, 0, 0, 60, 100)
    junk = tmp_path / "junk.mid"
    junk.write_bytes(b"MThd, or so it says")
    assert midi.load(junk) is False
    assert midi.load(tmp_path / "missing.mid") is False
    assert midi.save(tmp_path / "no" / "folder.mid") is False
    assert len(midi.get_events(0)) == 1


def test_duration_never_changes_the_file() -> None:
    midi = MidiFile()
    midi.add_track()
    midi.add_note_on(1, 120, 0, 60, 100)
    assert midi.duration_seconds == pytest.approx(0.5)
    assert midi.num_tracks == 2


def test_joined_tracks_can_be_split() -> None:
    midi = MidiFile()
    midi.add_track()
    midi.add_note_on(0, 20, 0, 60, 100)
    midi.add_note_on(1, 10, 0, 62, 100)
    midi.join_tracks()
    assert midi.num_tracks == 1
    assert [event["pitch"] for event in events(midi)] == [62, 60]
    midi.split_tracks()
    assert midi.num_tracks == 2
    assert events(midi, 1)[0]["pitch"] == 62


def test_delta_ticks() -> None:
    midi = MidiFile()
    midi.add_note_on(0, 20, 0, 60, 100)
    midi.add_note_on(0, 50, 0, 62, 100)
    midi.make_delta_ticks()
    assert [event["tick"] for event in midi.get_events(0)] == [20, 30]
    midi.make_absolute_ticks()
    assert [event["tick"] for event in midi.get_events(0)] == [20, 50]
