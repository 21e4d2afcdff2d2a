"""What `./dev bench` measures: plugpen against minihost in process, in one run, taking turns.

Absolute times depend on the machine and on what else it does, so every figure is a median and
is quoted as a ratio of two medians measured side by side. `--json FILE` writes all of it.
"""

import argparse
import contextlib
import json
import math
import multiprocessing
import os
import pathlib
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import minihost
import numpy as np
import pedalboard
import plugpen
import samplerate
import soxr

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
PRELUDE = str(REPOSITORY / "tests/data/prelude.mid")
LV2 = pathlib.Path("/usr/lib/lv2")
VST3 = pathlib.Path("/usr/lib/vst3")
RATE = 48000.0
MDA = "http://drobilla.net/plugins/mda/"
# A bundle and a URI each.
PLUGINS = {
    "eg-amp": ("eg-amp.lv2", "http://lv2plug.in/plugins/eg-amp"),
    "Delay": ("mda.lv2", MDA + "Delay"),
    "MVerb": ("MVerb.lv2", "http://distrho.sf.net/plugins/MVerb"),
    "EPiano": ("mda.lv2", MDA + "EPiano"),
    "Piano": ("mda.lv2", MDA + "Piano"),
    "DX10": ("mda.lv2", MDA + "DX10"),
    "JX10": ("mda.lv2", MDA + "JX10"),
}


def ours(name: str, block: int, **options: Any) -> plugpen.Plugin:
    bundle, uri = PLUGINS[name]
    return plugpen.Plugin(LV2 / bundle, RATE, block, plugin=uri, **options)


def theirs(name: str, block: int) -> Any:
    _, uri = PLUGINS[name]
    # The only way to a chosen plugin of a bundle there.
    xml = f'<PLUGIN name="{name}" format="LV2" file="{uri}"/>'
    return minihost.Plugin.from_descriptor(xml, RATE, block)


class Report:
    """Rows of results; printed as they come."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def add(
        self,
        name: str,
        value: float,
        unit: str,
        peer: float | None = None,
        target: str = "",
        met: bool | None = None,
        **more: Any,
    ) -> None:
        ratio = None if peer is None else value / peer
        row = {"name": name, "value": value, "unit": unit, "peer": peer, "ratio": ratio}
        self.rows.append({**row, "target": target, "met": met, **more})
        text = f"{name:<44} {value:>10.4g} {unit:<6}"
        text += " " * 24 if peer is None else f" peer {peer:>9.4g}  {ratio:>5.2f}x"
        if target:
            verdict = {True: "met", False: "NOT MET", None: ""}[met]
            text += f"  target {target}  {verdict}"
        print(text, flush=True)


def median(values: list[float]) -> float:
    return statistics.median(values)


def percentile(values: list[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def take_turns(
    rounds: int, mine: Callable[[], float], other: Callable[[], float]
) -> tuple[float, float]:
    """Medians of two measurements that alternate."""
    pairs = [(mine(), other()) for _ in range(rounds)]
    return median([pair[0] for pair in pairs]), median([pair[1] for pair in pairs])


# --- blocks ----------------------------------------------------------------------------------


def block_times(plugin: Any, frames: int, count: int, pause: float) -> list[float]:
    """Microseconds of each of `count` calls of process()."""
    channels = max(plugin.num_input_channels, 1), max(plugin.num_output_channels, 1)
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, (channels[0], frames)).astype(np.float32)
    out = np.zeros((channels[1], frames), np.float32)
    times = []
    for _ in range(count):
        if pause:
            resume = time.perf_counter() + pause
            while time.perf_counter() < resume:
                pass
        began = time.perf_counter()
        plugin.process(noise, out)
        times.append((time.perf_counter() - began) * 1e6)
    return times


def blocks(report: Report, quick: bool) -> None:
    for name in ("eg-amp", "Delay", "EPiano", "MVerb"):
        for frames in (64, 128, 512, 4096):
            for pause in (0.0, 40e-6) if frames == 512 else (0.0,):
                count = 200 if quick else 400
                rounds = []
                for _ in range(3 if quick else 9):
                    # Opened each time: where a plugin's memory comes to lie makes up to a tenth
                    # of what it costs.
                    with (
                        ours(name, frames) as mine,
                        contextlib.closing(theirs(name, frames)) as other,
                    ):
                        for plugin in (mine, other):
                            block_times(plugin, frames, 100, pause)
                        rounds.append(
                            (
                                block_times(mine, frames, count, pause),
                                block_times(other, frames, count, pause),
                            )
                        )
                mine_times = [time for pair in rounds for time in pair[0]]
                value = median([median(pair[0]) for pair in rounds])
                peer = median([median(pair[1]) for pair in rounds])
                target, met = "", None
                if name == "MVerb" and frames == 512 and not pause:
                    target, met = "<= 1.15x", value / peer <= 1.15
                if name == "eg-amp" and frames == 512 and not pause:
                    target, met = "hop <= 6 us", value - peer <= 6.0
                paced = ", paced 40 us" if pause else ""
                report.add(
                    f"process {name} {frames}{paced}",
                    value,
                    "us",
                    peer,
                    target,
                    met,
                    p99=percentile(mine_times, 99),
                )


def blocks_from_rust(report: Report, quick: bool) -> None:
    """The same calls without Python; the peer is the one above, from Python."""
    program = TARGET / "release/examples/block_time"
    for name in ("eg-amp", "MVerb"):
        for frames in (64, 512):
            bundle, uri = PLUGINS[name]
            command = [program, LV2 / bundle, uri, str(frames), "2000" if quick else "5000"]
            environment = {**os.environ, "PLUGPEN_BIN_DIR": str(TARGET / "release")}
            with contextlib.closing(theirs(name, frames)) as other:
                block_times(other, frames, 100, 0.0)
                runs = [
                    subprocess.run(
                        command, capture_output=True, text=True, check=True, env=environment
                    )
                    for _ in range(3 if quick else 9)
                ]
                peer = median(block_times(other, frames, 2000, 0.0))
            value, p99 = (
                median([float(run.stdout.split()[column]) for run in runs]) for column in (0, 1)
            )
            report.add(f"process {name} {frames}, from Rust", value, "us", peer, p99=p99)


# --- whole files -----------------------------------------------------------------------------


def rendering(report: Report, quick: bool) -> None:
    def speed(library: Any, plugin: Any, block: int) -> float:
        more = {"as_": np.ndarray} if library is minihost else {}
        plugin.reset()
        began = time.perf_counter()
        audio = library.render_midi(plugin, PRELUDE, block_size=block, **more)
        return np.asarray(audio).shape[1] / RATE / (time.perf_counter() - began)

    for name in ("EPiano", "Piano", "DX10", "JX10"):
        for block in (128, 512):
            with ours(name, block) as mine, contextlib.closing(theirs(name, block)) as other:
                value, peer = take_turns(
                    3 if quick else 7,
                    lambda mine=mine, block=block: speed(plugpen, mine, block),
                    lambda other=other, block=block: speed(minihost, other, block),
                )
            report.add(
                f"render MIDI through {name}, block {block}",
                value,
                "x rt",
                peer,
                ">= 1x",
                value >= peer,
            )


def chain(report: Report, quick: bool) -> None:
    """A synth and two reverbs: the reverbs are what costs."""
    names = ("EPiano", "MVerb", "MVerb")

    def speed(library: Any, make: Callable[[str, int], Any]) -> float:
        more = {"as_": np.ndarray} if library is minihost else {}
        with contextlib.ExitStack() as stack:
            plugins = [stack.enter_context(contextlib.closing(make(name, 512))) for name in names]
            both = stack.enter_context(contextlib.closing(library.PluginChain(plugins)))
            began = time.perf_counter()
            audio = library.render_midi(both, PRELUDE, block_size=512, **more)
            return np.asarray(audio).shape[1] / RATE / (time.perf_counter() - began)

    value, peer = take_turns(
        3 if quick else 9, lambda: speed(plugpen, ours), lambda: speed(minihost, theirs)
    )
    report.add(
        "render a chain with two MVerbs, block 512",
        value,
        "x rt",
        peer,
        ">= 1.7x",
        value / peer >= 1.7,
    )


# --- lives -----------------------------------------------------------------------------------


def opening(report: Report, quick: bool) -> None:
    def time_of(make: Callable[[], Any]) -> float:
        began = time.perf_counter()
        plugin = make()
        took = (time.perf_counter() - began) * 1e3
        plugin.close()
        return took

    value, peer = take_turns(
        5 if quick else 15,
        lambda: time_of(lambda: ours("eg-amp", 512)),
        lambda: time_of(lambda: theirs("eg-amp", 512)),
    )
    report.add("open eg-amp", value, "ms", peer, "<= 15 ms", value <= 15)


def scanning(report: Report, quick: bool) -> None:
    def time_of(work: Callable[[], Any]) -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    def ours_of(folders: list[pathlib.Path]) -> float:
        return time_of(lambda: [plugpen.scan_directory(at, refresh=True) for at in folders])

    def theirs_of(folders: list[pathlib.Path]) -> float:
        """In a process of its own: here the plugins are loaded already, which helps it."""
        script = (
            "import sys, time, minihost; began = time.perf_counter(); "
            "[minihost.scan_directory(at) for at in sys.argv[1:]]; "
            "print('took', time.perf_counter() - began)"
        )
        command = [sys.executable, "-c", script, *map(str, folders)]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return float(printed.rsplit("took", 1)[1])

    for folders in ([LV2], [VST3], [LV2, VST3]):
        value, peer = take_turns(
            1 if quick else 3,
            lambda folders=folders: ours_of(folders),
            lambda folders=folders: theirs_of(folders),
        )
        what = " and ".join(folder.name for folder in folders)
        report.add(f"scan {what}, cold", value * 1e3, "ms", peer * 1e3, "<= 2x", value <= 2 * peer)
    again = median([time_of(lambda: plugpen.scan_directory(LV2)) for _ in range(5)])
    report.add("scan, repeated", again * 1e3, "ms", None, "<= 50 ms", again <= 0.05)


@contextlib.contextmanager
def killed_soon(pid: int, delay: float) -> Iterator[list[float]]:
    """SIGKILLs a process after a while; the list receives when."""
    when: list[float] = []

    def kill() -> None:
        time.sleep(delay)
        when.append(time.perf_counter())
        os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield when
    finally:
        killer.join()


def dying(report: Report, quick: bool) -> None:
    # The kernel frees a worker's memory, 0.07 ms a MiB, before it tells anyone of the death: of
    # these, Delay leaves 6 MiB and MVerb 13.
    for name in ("Delay", "MVerb"):
        dying_in(report, name, quick)


def dying_in(report: Report, name: str, quick: bool) -> None:
    frames = 1 << 13
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, (2, frames)).astype(np.float32)
    out = np.zeros_like(noise)
    noticed, restarted = [], []
    with ours(name, frames) as plugin:
        plugin.get_state()
        for _ in range(10 if quick else 60):
            plugin.process(noise, out)
            try:
                with killed_soon(plugin.worker_pid, 0.002) as when:
                    try:
                        while True:
                            plugin.process(noise, out)
                    finally:
                        seen = time.perf_counter()
            except plugpen.PluginCrashed:
                noticed.append((seen - when[0]) * 1e3)
            except plugpen.PluginDead:
                pass  # it died between two blocks
            began = time.perf_counter()
            plugin.restart()
            restarted.append((time.perf_counter() - began) * 1e3)
    value = median(noticed)
    report.add(f"death of {name} noticed, p50", value, "ms", None, "<= 1 ms", value <= 1.0)
    worst = percentile(noticed, 99)
    report.add(f"death of {name} noticed, p99", worst, "ms", None, "<= 5 ms", worst <= 5.0)
    opened = []
    for _ in range(len(restarted) // 2 + 1):
        began = time.perf_counter()
        with ours(name, frames):
            opened.append((time.perf_counter() - began) * 1e3)
    value, plain = median(restarted), median(opened)
    report.add(
        f"restart {name} with state (peer: a plain open)",
        value,
        "ms",
        plain,
        "<= 2x",
        value <= 2 * plain,
    )


def recording(report: Report, quick: bool) -> None:
    """What the flight recorder costs a block: 128 frames, and as many as cost 50 us."""
    for frames in (128, 512):
        pairs = []
        for _ in range(5 if quick else 15):
            with (
                ours("MVerb", frames, recording="full") as recorded,
                ours("MVerb", frames, recording="off") as not_recorded,
            ):
                for plugin in (recorded, not_recorded):
                    block_times(plugin, frames, 100, 0.0)
                pairs.append(
                    (
                        median(block_times(recorded, frames, 400, 0.0)),
                        median(block_times(not_recorded, frames, 400, 0.0)),
                    )
                )
        value, peer = median([pair[0] for pair in pairs]), median([pair[1] for pair in pairs])
        report.add(
            f"process MVerb {frames}, recorded (peer: not)",
            value,
            "us",
            peer,
            "<= 1.03x",
            value <= 1.03 * peer,
        )


def recovering(report: Report, quick: bool) -> None:
    """From a death to a block of the plugin that the policy brought back, with its state."""
    noise = np.zeros((2, 512), np.float32)
    back, opened = [], []
    # Each of them once: a plugin that dies again soon is brought back after a delay.
    names = ("Ambience", "Combo", "Degrade", "Delay", "Detune", "DubDelay", "Dynamics", "Image")
    for name in names[:3] if quick else names:
        began = time.perf_counter()
        plugin = plugpen.Plugin(LV2 / "mda.lv2", RATE, 512, plugin=MDA + name, restart="always")
        opened.append((time.perf_counter() - began) * 1e3)
        with plugin:
            plugin.get_state()
            os.kill(plugin.worker_pid, signal.SIGKILL)
            while plugin.is_alive:
                time.sleep(0.0001)
            began = time.perf_counter()
            plugin.process(noise, noise.copy())
            back.append((time.perf_counter() - began) * 1e3)
    value, plain = median(back), median(opened)
    report.add(
        "a plugin back by its policy (peer: a plain open)",
        value,
        "ms",
        plain,
        "<= 2x",
        value <= 2 * plain,
    )


def memory(report: Report, _quick: bool) -> None:
    with ours("eg-amp", 512) as plugin:
        fields = {}
        for line in pathlib.Path(f"/proc/{plugin.worker_pid}/smaps_rollup").read_text().split("\n"):
            if line.endswith("kB"):
                name, amount = line.removesuffix("kB").split(":")
                fields[name] = int(amount) / 1024
        report.add("memory of a worker with eg-amp, resident", fields["Rss"], "MiB")
        report.add("memory of a worker with eg-amp, its own", fields["Pss"], "MiB")


# --- the same samples ------------------------------------------------------------------------


def identity(report: Report, _quick: bool) -> None:
    frames, count = 512, 100
    noise = np.random.default_rng(7).uniform(-0.5, 0.5, (2, frames * count)).astype(np.float32)
    notes = {5: [(3, 0x90, 60, 100), (200, 0x90, 67, 90)], 60: [(0, 0x80, 60, 0)]}

    def play(plugin: Any) -> np.ndarray:
        inputs, outputs = plugin.num_input_channels, plugin.num_output_channels
        played = np.zeros((outputs, frames * count), np.float32)
        for block in range(count):
            place = slice(block * frames, (block + 1) * frames)
            fed = np.ascontiguousarray(noise[: max(inputs, 1), place])
            out = np.zeros((outputs, frames), np.float32)
            plugin.process_midi(fed, out, notes.get(block, []))
            played[:, place] = out
        return played

    for name in ("EPiano", "Delay", "MVerb", "eg-amp"):
        with ours(name, frames) as mine, contextlib.closing(theirs(name, frames)) as other:
            difference = float(np.abs(play(mine) - play(other)).max())
        # EPiano crossfades its one wave table a little further each time it is instantiated; the
        # peer does so more than once in its process, a worker exactly once.
        allowed = 1 / 32768 if name == "EPiano" else 0.0
        report.add(
            f"largest difference of samples, {name}",
            difference,
            "",
            None,
            "<= 1/32768" if allowed else "0",
            difference <= allowed,
        )


def vst3_blocks(frames: int, count: int) -> list[np.ndarray]:
    noise = np.random.default_rng(7).uniform(-0.5, 0.5, (2, frames * count)).astype(np.float32)
    return [noise[:, at : at + frames] for at in range(0, frames * count, frames)]


def play_vst3(host: str, path: str, frames: int, count: int) -> np.ndarray:
    """Noise through a VST3, hosted by plugpen, minihost or pedalboard."""
    blocks = vst3_blocks(frames, count)
    hosts = {"plugpen": plugpen.Plugin, "minihost": minihost.Plugin}
    if host not in hosts:
        other = pedalboard.load_plugin(path)
        channels = len(play_vst3("plugpen", path, frames, 1))
        played = [
            other.process(block[:channels], RATE, buffer_size=frames, reset=False)
            for block in blocks
        ]
        return np.concatenate(played, axis=1)
    with contextlib.closing(hosts[host](path, RATE, frames)) as plugin:
        # What has a sidechain finds silence in it.
        fed = np.zeros((max(plugin.num_input_channels, 2), frames), np.float32)
        played = []
        for block in blocks:
            fed[:2] = block
            out = np.zeros((plugin.num_output_channels, frames), np.float32)
            plugin.process(np.ascontiguousarray(fed[: plugin.num_input_channels]), out)
            played.append(out)
        return np.concatenate(played, axis=1)


def identity_of_vst3(report: Report, _quick: bool) -> None:
    """Every VST3 installed, against both peers."""
    fresh = multiprocessing.get_context("spawn")
    for path in sorted(map(str, VST3.glob("*.vst3"))):
        expected = play_vst3("plugpen", path, 512, 100)
        difference = 0.0
        for host in ("minihost", "pedalboard"):
            # Each in a process of its own: plugins that an in-process host had before leave the
            # thread's floating point modes changed, which ZamTube's samples show.
            with fresh.Pool(1) as process:
                other = process.apply(play_vst3, (host, path, 512, 100))
            difference = max(difference, float(np.abs(other - expected).max()))
        name = f"largest difference of samples, VST3 {pathlib.Path(path).stem}"
        report.add(name, difference, "", None, "0", difference == 0)


# --- resampling ------------------------------------------------------------------------------

RESAMPLERS: dict[str, Callable[[np.ndarray, int, int], np.ndarray]] = {
    "best": lambda data, a, b: plugpen.resample(data, a, b),
    "medium": lambda data, a, b: plugpen.resample(data, a, b, "medium"),
    "fastest": lambda data, a, b: plugpen.resample(data, a, b, "fastest"),
    "minihost best": lambda data, a, b: minihost.resample(data, a, b),
    "soxr VHQ": lambda data, a, b: soxr.resample(data.T, a, b, "VHQ").T,
    "libsamplerate best": lambda data, a, b: samplerate.resample(data.T, b / a, "sinc_best").T,
}


def tone(frequency: float, rate: int) -> np.ndarray:
    turns = frequency / rate * np.arange(2 * rate)
    return (0.9 * np.sin(2 * np.pi * turns)).astype(np.float32)[np.newaxis]


def tone_quality(out: np.ndarray, frequency: float, rate: int) -> tuple[float, float]:
    """Signal to everything else, and level, of a tone; in dB."""
    inner = slice(out.shape[1] // 4, -(out.shape[1] // 4))
    angle = 2 * np.pi * frequency / rate * np.arange(out.shape[1])[inner]
    basis = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    samples = out[0, inner].astype(np.float64)
    parts, *_ = np.linalg.lstsq(basis, samples, rcond=None)
    fitted = basis @ parts
    noise = np.mean((samples - fitted) ** 2)
    level = 20 * np.log10(np.hypot(*parts) / 0.9)
    return float(10 * np.log10(np.mean(fitted**2) / noise)), float(level)


def resample_quality(
    resample: Callable[[np.ndarray, int, int], np.ndarray], a: int, b: int
) -> dict[str, float]:
    """The least SINAD up to 90 % of the lower Nyquist frequency, where the level has fallen by
    0.1 dB, and the loudest alias of tones that the lower rate cannot hold."""
    nyquist = min(a, b) / 2
    figures = {"sinad": math.inf, "passband": 0.0, "alias": -math.inf}
    for percent in (5, 20, 40, 60, 80, 90, *range(91, 100)):
        frequency = nyquist * percent / 100
        ratio, level = tone_quality(resample(tone(frequency, a), a, b), frequency, b)
        if percent <= 90:
            figures["sinad"] = min(figures["sinad"], ratio)
        if level > -0.1:
            figures["passband"] = float(percent)
    for frequency in np.linspace(b / 2, a / 2, 8)[1:-1] if b < a else ():
        out = resample(tone(float(frequency), a), a, b)
        inner = out[0, out.shape[1] // 4 : -(out.shape[1] // 4)].astype(np.float64)
        alias = float(10 * np.log10(np.mean(inner**2) / 0.405 + 1e-30))
        figures["alias"] = max(figures["alias"], alias)
    return figures


def resampling(report: Report, quick: bool) -> None:
    seconds = 2 if quick else 10
    for a, b in ((44100, 48000), (48000, 44100), (96000, 44100)):
        noise = np.random.default_rng(1).uniform(-0.5, 0.5, (2, a * seconds)).astype(np.float32)
        rounds: dict[str, list[float]] = {name: [] for name in RESAMPLERS}
        for _ in range(3):
            for name, resample in RESAMPLERS.items():
                began = time.perf_counter()
                resample(noise, a, b)
                rounds[name].append(seconds / (time.perf_counter() - began))
        speeds = {name: median(values) for name, values in rounds.items()}
        figures = {name: resample_quality(resample, a, b) for name, resample in RESAMPLERS.items()}
        mine, peer = figures["best"], figures["minihost best"]
        report.add(
            f"resample {a} to {b}, times real time",
            speeds["best"],
            "x",
            speeds["minihost best"],
            "> 1",
            speeds["best"] > speeds["minihost best"],
        )
        better = (
            mine["sinad"] >= peer["sinad"]
            and mine["passband"] >= peer["passband"]
            and (mine["alias"] <= peer["alias"] or mine["alias"] < -150.0)
        )
        report.add(
            f"resample {a} to {b}, SINAD up to 90 %",
            mine["sinad"],
            "dB",
            peer["sinad"],
            "as good, passband and alias too",
            better,
        )
        for name, found in figures.items():
            print(
                f"    {name:<20} SINAD {found['sinad']:6.1f} dB, flat to {found['passband']:.0f} %,"
                " "
                f"alias {found['alias']:7.1f} dB, {speeds[name]:6.0f} times real time"
            )


def quiet_stderr() -> None:
    """minihost prints on standard error; it goes to a file."""
    log = os.open(
        pathlib.Path(tempfile.gettempdir()) / "bench-stderr.log", os.O_CREAT | os.O_WRONLY
    )
    ours_stderr = os.dup(2)
    os.dup2(log, 2)
    sys.stderr = os.fdopen(ours_stderr, "w")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--json", type=pathlib.Path, help="write the results there")
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--only", action="append", help="only this part; repeatable")
    arguments = parser.parse_args()
    parts = (
        identity,
        identity_of_vst3,
        blocks,
        blocks_from_rust,
        rendering,
        chain,
        opening,
        scanning,
        dying,
        recording,
        recovering,
        memory,
        resampling,
    )
    quiet_stderr()
    report = Report()
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, {platform.platform()}")
    for part in parts:
        if not arguments.only or part.__name__ in arguments.only:
            part(report, arguments.quick)
    if arguments.json:
        machine = {"cpus": os.cpu_count(), "platform": platform.platform()}
        versions = {"plugpen": plugpen.__version__, "minihost": "0.11.0"}
        text = json.dumps({"machine": machine, "versions": versions, "rows": report.rows}, indent=1)
        arguments.json.write_text(text + "\n")
    missed = [row["name"] for row in report.rows if row["met"] is False]
    print(f"\n{len(missed)} targets missed" + (": " + "; ".join(missed) if missed else ""))


if __name__ == "__main__":
    main()
