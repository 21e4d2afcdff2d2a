"""Writes prelude.mid: J. S. Bach's Prelude in C (BWV 846, 1722), arranged for one keyboard.

The broken chords are on channel 1, the held bass notes on channel 2, the tempo breathes every
four bars and slows down at the end. `--check` only compares with the file that is there.
"""

import pathlib
import struct
import sys

TICKS_PER_QUARTER = 480
SIXTEENTH = TICKS_PER_QUARTER // 4
BAR = 4 * TICKS_PER_QUARTER

# One chord a bar, lowest note first.
CHORDS = """
C4 E4 G4 C5 E5;   C4 D4 A4 D5 F5;   B3 D4 G4 D5 F5;   C4 E4 G4 C5 E5
C4 E4 A4 E5 A5;   C4 D4 F#4 A4 D5;  B3 D4 G4 D5 G5;   B3 C4 E4 G4 C5
A3 C4 E4 G4 C5;   D3 A3 D4 F#4 C5;  G3 B3 D4 G4 B4;   G3 Bb3 E4 G4 C#5
F3 A3 D4 A4 D5;   F3 Ab3 D4 F4 B4;  E3 G3 C4 G4 C5;   E3 F3 A3 C4 F4
D3 F3 A3 C4 F4;   G2 D3 G3 B3 F4;   C3 E3 G3 C4 E4;   C3 G3 Bb3 C4 E4
F2 F3 A3 C4 E4;   F#2 C3 A3 C4 Eb4; Ab2 F3 B3 C4 D4;  G2 F3 G3 B3 D4
G2 E3 G3 C4 E4;   G2 D3 G3 C4 F4;   G2 D3 G3 B3 F4;   G2 Eb3 A3 C4 F#4
G2 E3 G3 C4 G4;   G2 D3 G3 C4 F4;   G2 D3 G3 B3 F4;   C2 C3 G3 Bb3 E4
"""
# The last bars leave the pattern.
ENDING = """
C2 C3 F3 A3 C4 F4 C4 A3 C4 A3 F3 A3 F3 D3 F3 D3
C2 B2 G4 B4 D5 F5 D5 B4 D5 B4 G4 B4 D4 F4 E4 D4
"""
FINAL = "C2 C3 E4 G4 C5"

STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


def key(name: str) -> int:
    accidental = name.count("#") - name.count("b")
    return 12 * (int(name[-1]) + 1) + STEPS[name[0]] + accidental


def notes() -> list[tuple[int, int, int, int, int]]:
    """All notes as (tick, length, channel, key, velocity)."""
    chords = [chord.split() for line in CHORDS.split("\n") for chord in line.split(";") if chord]
    made = []
    for bar, chord in enumerate(chords):
        for half in range(2):
            start = bar * BAR + half * BAR // 2
            made.append((start, BAR // 2, 1, key(chord[0]), 70))
            upper = chord[2:] * 2
            made.append((start + SIXTEENTH, BAR // 2 - SIXTEENTH, 1, key(chord[1]), 62))
            for number, name in enumerate(upper, start=2):
                velocity = 58 + 4 * number - 6 * half
                made.append((start + number * SIXTEENTH, SIXTEENTH, 0, key(name), velocity))
    ending = [bar.split() for bar in ENDING.strip().split("\n")]
    for number, bar_notes in enumerate(ending):
        start = (len(chords) + number) * BAR
        for place, name in enumerate(bar_notes):
            length = BAR - place * SIXTEENTH if place < 2 else SIXTEENTH
            made.append((start + place * SIXTEENTH, length, int(place < 2), key(name), 66 - place))
    start = (len(chords) + len(ending)) * BAR
    made += [
        (start, BAR, int(place < 2), key(name), 60) for place, name in enumerate(FINAL.split())
    ]
    return made


def tempos() -> list[tuple[int, float]]:
    """Tempo changes as (tick, quarter notes a minute)."""
    breathing = [(bar * BAR, 76.0 if bar % 8 == 0 else 72.0) for bar in range(0, 32, 4)]
    slowing = [(32 * BAR + step * BAR // 4, 70.0 - 3.5 * step) for step in range(12)]
    return breathing + slowing


def quantity(value: int) -> bytes:
    """A variable-length quantity."""
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(0x80 | value & 0x7F)
    return bytes(reversed(out))


def track(events: list[tuple[int, bytes]]) -> bytes:
    data, now = b"", 0
    for tick, message in sorted(events, key=lambda event: event[0]):
        data += quantity(tick - now) + message
        now = tick
    data += b"\x00\xff\x2f\x00"
    return b"MTrk" + struct.pack(">I", len(data)) + data


def midi_file() -> bytes:
    conductor = [(0, b"\xff\x03\x07Prelude"), (0, b"\xff\x58\x04\x04\x02\x18\x08")]
    for tick, bpm in tempos():
        conductor.append((tick, b"\xff\x51\x03" + round(60e6 / bpm).to_bytes(3, "big")))
    playing = []
    # A note ends before another begins at the same tick, so the ends come first.
    for tick, length, channel, pitch, _ in notes():
        playing.append((tick + length, bytes([0x80 | channel, pitch, 0])))
    for tick, _, channel, pitch, velocity in notes():
        playing.append((tick, bytes([0x90 | channel, pitch, velocity])))
    tracks = [track(conductor), track(playing)]
    header = struct.pack(">4sIHHH", b"MThd", 6, 1, len(tracks), TICKS_PER_QUARTER)
    return header + b"".join(tracks)


def main() -> None:
    path = pathlib.Path(__file__).with_name("prelude.mid")
    if "--check" not in sys.argv:
        path.write_bytes(midi_file())
    elif path.read_bytes() != midi_file():
        sys.exit(f"{path} is not what {__file__} writes; run the script and commit the file")


if __name__ == "__main__":
    main()
