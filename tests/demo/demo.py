"""The tour that `./dev demo` gives: scan, render, process, crash, recover."""

import os
import pathlib
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import plugpen

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
PRELUDE = REPOSITORY / "tests/data/prelude.mid"
OUT = REPOSITORY / "out"
RATE = 48000


@dataclass
class Cast:
    """Which plugins play."""

    folder: pathlib.Path
    synth: dict
    effects: list[dict]
    victim: dict
    # A parameter of the victim that the demo sets.
    setting: int


def choose() -> Cast:
    """Debian's plugins if they are installed, else the repository's own."""
    lv2 = pathlib.Path("/usr/lib/lv2")
    mda, reverb = lv2 / "mda.lv2", lv2 / "MVerb.lv2"
    if mda.is_dir() and reverb.is_dir():
        return Cast(
            folder=lv2,
            synth={"path": mda, "plugin": "http://drobilla.net/plugins/mda/EPiano"},
            effects=[
                {"path": mda, "plugin": "http://drobilla.net/plugins/mda/Delay"},
                {"path": reverb},
            ],
            victim={"path": reverb},
            setting=1,
        )
    print("mda-lv2 and dpf-plugins-lv2 are not installed: the repository's test plugins play.\n")
    bundle = TARGET / "test-plugins/plugpen-test.lv2"
    return Cast(
        folder=bundle.parent,
        synth={"path": bundle, "plugin": "urn:plugpen:test:beep"},
        effects=[
            {"path": bundle, "plugin": "urn:plugpen:test:latency"},
            {"path": bundle, "plugin": "urn:plugpen:test:gain"},
        ],
        victim={"path": bundle, "plugin": "urn:plugpen:test:latency"},
        setting=0,
    )


class Table:
    """What was made, and how fast."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, str, str]] = []

    def add(self, what: str, frames: int, seconds: float, file: pathlib.Path) -> None:
        audio = frames / RATE
        name = str(file.relative_to(REPOSITORY))
        self.rows.append((what, f"{audio:.1f}", f"{audio / seconds:.0f}", name))

    def __str__(self) -> str:
        rows = [("what", "audio s", "x real time", "file"), *self.rows]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = []
        for row in rows:
            left, audio, speed, file = (
                text.rjust(width) if 0 < column < 3 else text.ljust(width)
                for column, (text, width) in enumerate(zip(row, widths, strict=True))
            )
            lines.append(f"{left}  {audio}  {speed}  {file}".rstrip())
        return "\n".join(lines)


def bar(fraction: float) -> None:
    """Draws progress over itself, on a terminal only."""
    if sys.stdout.isatty():
        done = round(40 * min(fraction, 1.0))
        print(f"\r  [{'#' * done}{'.' * (40 - done)}] {fraction:4.0%}", end="", flush=True)
        if fraction >= 1.0:
            print()


def scan(cast: Cast) -> None:
    print(f"1. Scanning {cast.folder}; everything is read in jailed probe workers.")
    began = time.perf_counter()
    found = plugpen.scan_directory(cast.folder)
    took = time.perf_counter() - began
    print(f"  {len(found)} plugins in {took:.2f} s, for instance:")
    for info in found[:: max(1, len(found) // 4)][:4]:
        print(f"    {info['name']} ({info['vendor'] or 'unknown'}), {info['format']}")


def render(cast: Cast, table: Table) -> None:
    with plugpen.Plugin(**cast.synth, sample_rate=RATE) as synth:
        print(f"\n2. Rendering {PRELUDE.name} through {synth.name}, worker {synth.worker_pid}.")
        began = time.perf_counter()
        renderer = plugpen.MidiRenderer(synth, str(PRELUDE), block_size=512)
        blocks, shown = [], 0.0
        while (block := renderer.render_block()) is not None:
            blocks.append(block)
            if renderer.progress >= shown + 0.02:
                shown = renderer.progress
                bar(shown)
        audio = np.concatenate(blocks, axis=1)
        took = time.perf_counter() - began
        bar(1.0)
        file = OUT / "prelude.wav"
        plugpen.write_audio(file, audio, RATE)
        table.add(f"MIDI through {synth.name}", audio.shape[1], took, file)


def plucked(seconds: float) -> np.ndarray:
    """A rising line of plucked strings, as (2, frames)."""
    frames = int(seconds * RATE)
    sound = np.zeros((2, frames), np.float32)
    for number in range(int(seconds * 4)):
        start = number * RATE // 4
        clock = np.arange(min(RATE, frames - start)) / RATE
        pitch = 220.0 * 2 ** ((0, 3, 7, 10, 12, 10, 7, 3)[number % 8] / 12)
        tone = sum(np.sin(2 * np.pi * pitch * k * clock) / k for k in range(1, 6))
        side = number % 2
        sound[side, start : start + len(clock)] += (0.15 * tone * np.exp(-5 * clock)).astype("f4")
    return sound


def chain(cast: Cast, table: Table) -> None:
    dry = plucked(20.0)
    wet = np.zeros_like(dry)
    first, second = (plugpen.Plugin(**effect, sample_rate=RATE) for effect in cast.effects)
    with first, second, plugpen.PluginChain([first, second]) as both:
        print(
            f"\n3. A chain of two processes: {first.name} in worker {first.worker_pid}, "
            f"{second.name} in worker {second.worker_pid}."
        )
        began = time.perf_counter()
        for block in blocks_of(dry.shape[1], 512):
            both.process(dry[:, block], out := np.zeros_like(dry[:, block]))
            wet[:, block] = out
        took = time.perf_counter() - began
        name = f"{first.name} + {second.name}"
    file = OUT / "chain.wav"
    plugpen.write_audio(file, wet, RATE)
    print("  done.")
    table.add(name, wet.shape[1], took, file)


def blocks_of(frames: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, frames)) for start in range(0, frames, size))


def crash(cast: Cast, table: Table) -> None:
    size = 1 << 18
    with plugpen.Plugin(**cast.victim, sample_rate=RATE, max_block_size=size) as victim:
        pid = victim.worker_pid
        print(f"\n4. Killing {victim.name}, worker {pid}, in the middle of a block.")
        victim.set_param(cast.setting, 0.125)
        setting = victim.get_param(cast.setting)
        victim.get_state()
        sound = plucked(size / RATE)
        out = np.zeros_like(sound)
        began = time.perf_counter()
        victim.process(sound, out)
        block = time.perf_counter() - began
        killed: list[float] = []

        def kill() -> None:
            killed.append(time.perf_counter())
            os.kill(pid, signal.SIGKILL)

        timer = threading.Timer(block / 4, kill)
        try:
            timer.start()
            while True:
                victim.process(sound, out)
        except plugpen.PluginCrashed as error:
            noticed = time.perf_counter() - killed[0]
            print(f"  raised {type(error).__name__}: {error}")
            print(f"  {noticed * 1e3:.2f} ms after the signal; the call was {error.death.call!r}")
        try:
            victim.get_param(cast.setting)
        except plugpen.PluginDead as error:
            print(f"  the next call raised {type(error).__name__}")
        began = time.perf_counter()
        victim.restart()
        took = time.perf_counter() - began
        kept = victim.get_param(cast.setting)
        assert abs(kept - setting) < 1e-6, f"{kept} is not {setting}"
        print(
            f"  reopened as worker {victim.worker_pid} in {took * 1e3:.1f} ms with its state: "
            f"parameter {victim.get_param_info(cast.setting)['name']!r} is still {kept:.3f}"
        )
        began = time.perf_counter()
        victim.process(sound, out)
        took = time.perf_counter() - began
        file = OUT / "after_crash.wav"
        plugpen.write_audio(file, out, RATE)
        table.add(f"{victim.name} after its crash", size, took, file)


def main() -> None:
    OUT.mkdir(exist_ok=True)
    cast, table = choose(), Table()
    began = time.perf_counter()
    scan(cast)
    render(cast, table)
    chain(cast, table)
    crash(cast, table)
    print(f"\n{table}\n\nAll of it took {time.perf_counter() - began:.1f} s.")


if __name__ == "__main__":
    main()
