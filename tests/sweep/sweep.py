"""Opens every installed plugin of every format in a worker of its own and puts it through its
course (course.py); prints one table.

"strained" are those that go through the course and die of what comes after it: odd block lengths,
all parameters at half, their last program.

Exit codes: 0, every plugin did well or as known.json says; 1, some did not; 3, --stop-after came
first and the next run goes on from there; 130, interrupted, likewise.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import pathlib
import queue
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import plugpen
from candidates import find
from course import Candidate, Result, take
from daemon import Daemon, program
from known import Known, explanation, load, odd_explanation

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
OUTCOMES = {"ok": 8, "strained": 10, "refused": 9, "died": 7}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="sweep", description=__doc__.split("\n\n")[0])
    parser.add_argument("--small", action="store_true", help="some 40 plugins of all formats")
    parser.add_argument("--format", action="append", help="only this format; repeatable")
    parser.add_argument("--only", metavar="TEXT", help="only plugins with this in path or name")
    parser.add_argument("--folder", action="append", help="instead of the standard folders")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 2, metavar="N")
    parser.add_argument("--time-limit", type=float, default=120.0, metavar="SECONDS")
    parser.add_argument("--stop-after", type=float, metavar="SECONDS")
    parser.add_argument("--fresh", action="store_true", help="forget an interrupted sweep")
    parser.add_argument("--results", type=pathlib.Path, help="where results are kept meanwhile")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="all results, at the end")
    parser.add_argument("--worker", help="another worker program")
    parser.add_argument("--read-only", action="append", default=[], metavar="PATH")
    return parser.parse_args()


class Results:
    """Kept in a file, a line each, so that an interrupted sweep goes on where it stopped."""

    def __init__(self, file: pathlib.Path, about: dict[str, Any], fresh: bool) -> None:
        self.list: list[Result] = []
        self.file = file
        self._lock = threading.Lock()
        if fresh or not self._read(about):
            self.list.clear()
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(about) + "\n")

    def _read(self, about: dict[str, Any]) -> bool:
        """Whether the file holds the beginning of this very sweep."""
        with contextlib.suppress(OSError, ValueError, TypeError):
            text = self.file.read_text()
            first, *lines = text.splitlines()
            if json.loads(first) != about:
                return False
            if not text.endswith("\n"):
                with self.file.open("a") as file:
                    file.write("\n")
            for line in lines:
                # The last line of a killed sweep may be half a line.
                with contextlib.suppress(ValueError):
                    self.list.append(Result(**json.loads(line)))
            return True
        return False

    def add(self, result: Result) -> None:
        with self._lock:
            self.list.append(result)
            with self.file.open("a") as file:
                file.write(json.dumps(result.as_dict()) + "\n")


class Progress:
    """A bar on a terminal, a line at the end of everything elsewhere."""

    def __init__(self, total: int, done: int) -> None:
        self.total, self.done = total, done
        self.shown = sys.stderr.isatty()
        self.began = time.monotonic()
        self._lock = threading.Lock()

    def step(self, name: str) -> None:
        with self._lock:
            self.done += 1
            if self.shown:
                part = self.done / max(self.total, 1)
                bar = "#" * round(30 * part)
                text = f"\r  [{bar:.<30}] {self.done}/{self.total} {name[:40]}"
                print(f"{text:<90}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self.shown:
            print(f"\r{'':<90}\r", end="", file=sys.stderr, flush=True)


def sweep(
    server: plugpen.Server,
    todo: list[Candidate],
    results: Results,
    progress: Progress,
    options: argparse.Namespace,
) -> bool:
    """Runs all courses; False if the time was up first."""
    waiting: queue.SimpleQueue[Candidate] = queue.SimpleQueue()
    for candidate in todo:
        waiting.put(candidate)
    stop = threading.Event()
    failures: list[BaseException] = []
    deadline = time.monotonic() + options.stop_after if options.stop_after else None

    def work() -> None:
        while not stop.is_set() and (deadline is None or time.monotonic() < deadline):
            try:
                candidate = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                result = take(server, candidate, options.time_limit)
            except BaseException as error:
                if not stop.is_set():
                    failures.append(error)
                    stop.set()
                return
            if not stop.is_set():
                results.add(result)
                progress.step(result.name)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(max(options.jobs, 1))]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            while thread.is_alive():
                thread.join(0.2)
    finally:
        stop.set()
    if failures:
        raise failures[0]
    return waiting.empty()


def table(results: list[Result], known: list[Known]) -> Iterator[str]:
    """Counts a format, then what was odd or not ok, the unexplained last."""
    counts: dict[str, Counter[str]] = {}
    for result in results:
        counts.setdefault(result.format, Counter())[result.outcome] += 1
    heads = "".join(f"{outcome:>{width}}" for outcome, width in OUTCOMES.items())
    yield f"{'format':<10}{'plugins':>8}{heads}"
    for name, row in sorted(counts.items()):
        cells = "".join(f"{row[outcome]:>{width}}" for outcome, width in OUTCOMES.items())
        yield f"{name:<10}{row.total():>8}{cells}"
    yield ""
    odd = [result for result in results if result.notes]
    for result in sorted(odd, key=lambda r: (odd_explanation(r, known) is None, r.key)):
        entry = odd_explanation(result, known)
        why = f"known: {entry.evidence}" if entry else f"not known: {'; '.join(result.notes)}"
        yield f"{result.format} {result.identifier or result.path}: odd: {why}"
    for result in sorted(results, key=lambda r: (explanation(r, known) is None, r.key)):
        if result.outcome == "ok":
            continue
        how = result.signal or result.kind or "an error"
        end = (
            result.outcome
            if result.outcome == "refused"
            else f"{result.outcome} ({how}, {result.step})"
        )
        entry = explanation(result, known)
        why = f"known: {entry.evidence}" if entry else f"NOT KNOWN, {result.step}: {result.why}"
        yield f"{result.format} {result.identifier or result.path}: {end}: {why}"


def report(results: list[Result], known: list[Known], seconds: float) -> bool:
    """Prints everything; whether all is well."""
    for line in table(results, known):
        print(line)
    failed = [r for r in results if r.outcome != "ok" and explanation(r, known) is None]
    odd = [result for result in results if result.notes]
    unknown = sum(odd_explanation(result, known) is None for result in odd)
    peak = max((result.peak_mb for result in results), default=0)
    print(
        f"\n{len(results)} plugins, {len(odd)} with odd values or output, "
        f"{unknown} of them not known; largest worker {peak} MB."
    )
    verdict = "FAILED" if failed else "ok"
    # In cargo's words, which ./dev test adds up.
    print(
        f"test result: {verdict}. {len(results) - len(failed)} passed; {len(failed)} failed; "
        f"finished in {seconds:.2f}s"
    )
    return not failed


def about(options: argparse.Namespace) -> dict[str, Any]:
    """What a sweep is of: results of another worker or selection are no beginning of it."""
    worker = pathlib.Path(options.worker or pathlib.Path(program()).with_name("plugpen-worker"))
    stat = worker.stat()
    return {
        "worker": [str(worker.resolve()), stat.st_size, stat.st_mtime_ns],
        "small": options.small,
        "formats": options.format,
        "only": options.only,
        "folders": options.folder,
    }


def main() -> int:
    options = arguments()
    logging.getLogger("plugpen").setLevel(logging.CRITICAL)
    name = "small" if options.small else "full"
    file = options.results or REPOSITORY / f"out/sweep-{name}.jsonl"
    results = Results(file, about(options), options.fresh)
    began = time.monotonic()
    daemon = Daemon(options.worker, options.read_only, file.with_suffix(".log"), options.jobs)
    try:
        with daemon.connect() as server:
            found = find(server, options)
            done = {result.key for result in results.list}
            todo = [candidate for candidate in found if candidate.key not in done]
            if done:
                print(f"going on after {len(done)} of {len(found)} plugins", file=sys.stderr)
            progress = Progress(len(found), len(done))
            try:
                finished = sweep(server, todo, results, progress, options)
            finally:
                progress.clear()
    except KeyboardInterrupt:
        print(f"\ninterrupted; the same command goes on from {file}", file=sys.stderr)
        return 130
    finally:
        daemon.end()
    well = report(results.list, load(), time.monotonic() - began)
    if not found:
        print("no plugins found", file=sys.stderr)
        return 1
    if not finished:
        return 3
    if options.json:
        options.json.write_text(json.dumps([r.as_dict() for r in results.list], indent=1) + "\n")
    # The next sweep begins anew.
    file.rename(file.with_suffix(".last.jsonl"))
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
