"""What a call costs, beside minihost's in the same run.

Run it with a Python that has numpy, plugpen and, for the comparison, minihost:

    PLUGPEN_BIN_DIR=target/release python client-py/bench/against_minihost.py

Prints medians in microseconds, and ratios where minihost is there.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import plugpen

try:
    import minihost
except ImportError:
    minihost = None

LV2 = Path("/usr/lib/lv2")
# Bundle, the plugin's name for plugpen, its URI for minihost.
PLUGINS = [
    ("eg-amp.lv2", None, "http://lv2plug.in/plugins/eg-amp"),
    ("mda.lv2", "MDA Delay", "http://drobilla.net/plugins/mda/Delay"),
    ("MVerb.lv2", None, "http://distrho.sf.net/plugins/MVerb"),
    ("mda.lv2", "MDA ePiano", "http://drobilla.net/plugins/mda/EPiano"),
]
ROUNDS = 7
SECONDS = 0.15


def median_of(call: Callable[[], object]) -> float:
    """Microseconds a call: the median of several rounds' medians."""
    medians = []
    for _ in range(ROUNDS):
        times = []
        end = time.perf_counter() + SECONDS
        while time.perf_counter() < end:
            start = time.perf_counter_ns()
            call()
            times.append(time.perf_counter_ns() - start)
        medians.append(statistics.median(times))
    return statistics.median(medians) / 1000


def report(what: str, ours: float, theirs: float | None) -> None:
    line = f"{what:<36}{ours:>10.2f}"
    if theirs is not None:
        line += f"{theirs:>10.2f}{ours / theirs:>8.2f}x"
    print(line, flush=True)


def open_both(bundle: str, name: str | None, uri: str, frames: int) -> tuple[Any, Any]:
    ours = plugpen.Plugin(LV2 / bundle, max_block_size=frames, plugin=name)
    if minihost is None:
        return ours, None
    descriptor = f'<PLUGIN name="{ours.name}" format="LV2" file="{uri}"/>'
    return ours, minihost.Plugin.from_descriptor(descriptor, max_block_size=frames)


def compare(what: str, call: Callable[[Any], Callable[[], object]], both: tuple[Any, Any]) -> None:
    ours, theirs = both
    report(what, median_of(call(ours)), median_of(call(theirs)) if theirs else None)


def main() -> None:
    """Prints the table."""
    print(f"{'':<36}{'plugpen':>10}{'minihost':>10}{'ratio':>9}")
    for bundle, name, uri in PLUGINS:
        for frames in (64, 128, 512, 4096):
            both = open_both(bundle, name, uri, frames)
            noise = np.random.default_rng(1).uniform(-0.5, 0.5, (2, frames)).astype(np.float32)
            out = np.zeros((2, frames), np.float32)
            label = f"process {name or bundle} {frames}"
            compare(label, lambda plugin: lambda: plugin.process(noise, out), both)  # noqa: B023
            for plugin in filter(None, both):
                plugin.close()
    both = open_both("mda.lv2", "MDA Delay", "http://drobilla.net/plugins/mda/Delay", 512)
    calls: dict[str, Callable[[Any], Callable[[], object]]] = {
        "get_param": lambda plugin: lambda: plugin.get_param(0),
        "set_param": lambda plugin: lambda: plugin.set_param(0, 0.5),
        "get_param_info": lambda plugin: lambda: plugin.get_param_info(0),
        "param_to_text": lambda plugin: lambda: plugin.param_to_text(0, 0.5),
        "get_state": lambda plugin: plugin.get_state,
        "reset": lambda plugin: plugin.reset,
    }
    for what, call in calls.items():
        compare(what, call, both)
    both[0].close()

    def open_and_close() -> None:
        plugpen.Plugin(LV2 / "eg-amp.lv2").close()

    def theirs() -> None:
        minihost.Plugin(str(LV2 / "eg-amp.lv2")).close()

    report("open and close", median_of(open_and_close), minihost and median_of(theirs))


if __name__ == "__main__":
    main()
