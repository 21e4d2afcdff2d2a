"""MidiFile: contract section 5."""

import copy
from pathlib import Path
from typing import Any

import pytest

from plugpen import IndexOutOfRange, MidiFile


def events(midi: MidiFile, track: int = 0) -> list[dict[str, Any]]:
    return [event for event in midi.get_events(track) if event["type"] != "meta"]


@pytest.mark.contract(
    "5/MidiFile: a new file",
    "5/MidiFile: add_track",
    "5/MidiFile: get_events: bad track",
    "1/signatures: MidiFile",
)
def test_a_new_file() -> None:
    midi = MidiFile()
    assert (midi.num_tracks, midi.ticks_per_quarter, midi.duration_seconds) == (1, 120, 0.0)
    assert midi.get_events(0) == []
    assert midi.get_events(7) == midi.get_events(-1) == []
    assert midi.add_track() == 1


@pytest.mark.contract("5/MidiFile: events in stored order", "5/MidiFile: seconds")
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


@pytest.mark.contract("5/MidiFile: pitch bend", "0/5 corrections: pitch bend 0..16383")
@pytest.mark.parametrize("value", [0, 8192, 16383])
def test_pitch_bends_keep_their_value(value: int) -> None:
    midi = MidiFile()
    midi.add_pitch_bend(0, 0, 0, value)
    assert midi.get_events(0)[0]["value"] == value


@pytest.mark.contract("5/MidiFile: note_on with velocity 0")
def test_a_note_on_without_velocity_is_a_note_off() -> None:
    midi = MidiFile()
    midi.add_note_on(0, 0, 0, 60, 0)
    assert midi.get_events(0)[0]["type"] == "note_off"


@pytest.mark.contract("5/MidiFile: ranges", "0/5 corrections: argument checks name the range")
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


@pytest.mark.contract("5/MidiFile: adders: bad track")
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


@pytest.mark.contract(
    "5/MidiFile: save keeps the tracks",
    "5/MidiFile: seconds",
    "5/MidiFile: meta",
)
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


@pytest.mark.contract("5/MidiFile: load: False", "5/MidiFile: save: False")
def test_failures_of_load_and_save_are_false(tmp_path: Path) -> None:
    midi = MidiFile()
    midi.add_note_on(0, 0, 0, 60, 100)
    junk = tmp_path / "junk.mid"
    junk.write_bytes(b"MThd, or so it says")
    assert midi.load(junk) is False
    assert midi.load(tmp_path / "missing.mid") is False
    assert midi.save(tmp_path / "no" / "folder.mid") is False
    assert len(midi.get_events(0)) == 1


@pytest.mark.contract(
    "0/6 traps: duration_seconds never changes the file",
    "5/MidiFile: several tracks survive duration_seconds and split_tracks",
)
def test_duration_never_changes_the_file() -> None:
    midi = MidiFile()
    midi.add_track()
    midi.add_note_on(1, 120, 0, 60, 100)
    assert midi.duration_seconds == pytest.approx(0.5)
    assert midi.num_tracks == 2


@pytest.mark.contract("0/7 decided: split_tracks undoes join_tracks")
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


@pytest.mark.contract("5/MidiFile: make_delta_ticks, make_absolute_ticks")
def test_delta_ticks() -> None:
    midi = MidiFile()
    midi.add_note_on(0, 20, 0, 60, 100)
    midi.add_note_on(0, 50, 0, 62, 100)
    midi.make_delta_ticks()
    assert [event["tick"] for event in midi.get_events(0)] == [20, 30]
    midi.make_absolute_ticks()
    assert [event["tick"] for event in midi.get_events(0)] == [20, 50]


@pytest.mark.contract("5/MidiFile: other", "5/MidiFile: meta")
def test_events_of_all_kinds(tmp_path: Path) -> None:
    midi = MidiFile()
    midi.add_sysex(0, 5, b"\xf0\x7e\x7f\x09\x01\xf7")
    midi.add_meta(track=0, tick=6, meta_type=3, data=b"Strings")
    midi.add_meta(0, 7, 0x2F)
    path = tmp_path / "song.mid"
    # Pressure, a SysEx in packets and escaped bytes have no adder.
    further = b"\0\xa1\x3c\x10\0\xd2\x20\0\xf0\x01\x01\0\xf7\x01\xf7\0\xf7\x02\xf3\x01\0\xff\x2f\0"
    header = b"MThd\0\0\0\x06\0\0\0\x01\0\x60MTrk"
    path.write_bytes(header + len(further).to_bytes(4, "big") + further)
    assert [event | {"tick": 0} for event in midi.get_events(0)] == [
        {
            "tick": 0,
            "seconds": 0.0,
            "type": "other",
            "status": 0xF0,
            "data": b"\xf0\x7e\x7f\x09\x01\xf7",
        },
        {"tick": 0, "seconds": 0.0, "type": "meta", "meta_type": 3, "data": b"Strings"},
        {"tick": 0, "seconds": 0.0, "type": "meta", "meta_type": 0x2F, "data": b""},
    ]
    loaded = MidiFile()
    assert loaded.load(path)
    assert [(event["status"], event["data"]) for event in loaded.get_events(0)[:-1]] == [
        (0xA1, b"\xa1\x3c\x10"),
        (0xD2, b"\xd2\x20"),
        (0xF0, b"\xf0\x01"),
        (0xF7, b"\xf7"),
        (0xF7, b"\xf3\x01"),
    ]
    assert loaded.get_events(0)[-1]["meta_type"] == 0x2F
    for message in (b"", b"\xf0", b"\x01\xf7", b"\xf0\x90\xf7"):
        with pytest.raises(ValueError, match="SysEx"):
            midi.add_sysex(0, 0, message)
    with pytest.raises(ValueError, match="128"):
        midi.add_meta(0, 0, 128)


@pytest.mark.contract("0/7 decided: split_tracks by channel")
def test_one_track_splits_by_channel() -> None:
    midi = MidiFile()
    for channel in (3, 0, 3):
        midi.add_note_on(0, 0, channel, 60, 100)
    midi.split_tracks()
    assert midi.num_tracks == 2
    assert [[event["channel"] for event in events(midi, track)] for track in (0, 1)] == [
        [0],
        [3, 3],
    ]


@pytest.mark.contract("5/MidiFile: several tracks survive duration_seconds and split_tracks")
def test_tracks_that_were_never_joined_stay(tmp_path: Path) -> None:
    midi = MidiFile()
    for pitch in (60, 61, 62):
        track = midi.num_tracks - 1
        midi.add_note_on(track, 10 * pitch, 0, pitch, 100)
        midi.add_track()
    assert midi.duration_seconds > 0
    midi.split_tracks()
    assert midi.num_tracks == 4
    path = tmp_path / "song.mid"
    assert midi.save(path)
    loaded = MidiFile()
    assert loaded.load(path)
    assert loaded.num_tracks == 4
    assert [events(loaded, track)[0]["pitch"] for track in range(3)] == [60, 61, 62]


def smf(format: int, division: bytes, *tracks: bytes) -> bytes:
    chunks = [(b"MThd", bytes([0, format, 0, len(tracks)]) + division)]
    chunks += [(b"MTrk", track) for track in tracks]
    return b"".join(name + len(body).to_bytes(4, "big") + body for name, body in chunks)


def test_formats_and_smpte_time(tmp_path: Path) -> None:
    note = b"\x60\x90\x3c\x40\0\xff\x2f\0"
    path = tmp_path / "song.mid"
    midi = MidiFile()
    assert (midi.format, midi.smpte) == (0, None)
    midi.add_track()
    assert midi.format == 1
    for format in (0, 1, 2):
        path.write_bytes(smf(format, b"\xe7\x28", note))
        assert midi.load(path)
        assert (midi.format, midi.smpte, midi.duration_seconds) == (format, (25, 40), 0.096)
    midi.ticks_per_quarter = 96
    assert (midi.smpte, midi.duration_seconds) == (None, 0.5)


def test_what_was_not_changed_is_saved_byte_for_byte(tmp_path: Path) -> None:
    # Running status, a length with a zero too many, a late end, bytes behind it.
    odd = b"\0\x90\x3c\x40\x10\x3c\0\x80\x10\x3e\x40\x90\0\xff\x2f\0junk"
    stranger = b"XFIH\0\0\0\x03odd"
    whole = smf(1, b"\0\x60", odd, odd) + stranger
    path, again = tmp_path / "song.mid", tmp_path / "again.mid"
    path.write_bytes(whole)
    midi = MidiFile()
    assert midi.load(path)
    assert midi.duration_seconds > 0
    assert midi.save(again)
    assert again.read_bytes() == whole
    midi.add_note_on(1, 5, 0, 60, 100)
    assert midi.save(again)
    assert again.read_bytes().startswith(smf(1, b"\0\x60", odd, odd)[: 14 + 8 + len(odd)])
    assert again.read_bytes().endswith(stranger)
