"""Which plugins there are, and which of them make up the small set."""

from __future__ import annotations

import argparse
import pathlib
from typing import Any

import plugpen
from course import Candidate

FOLDERS = (
    "/usr/lib/lv2",
    "/usr/lib/vst",
    "/usr/lib/lxvst",
    "/usr/lib/x86_64-linux-gnu/iem-plugin-suite/vst",
    "/usr/lib/vst3",
)

# Parts of identifiers and paths: the standard set of plugins, then some of every sort.
SMALL = (
    "mda/EPiano",
    "mda/DX10",
    "mda/Delay",
    "mda/Vocoder",
    "MVerb",
    "Nekobi",
    "Kars",
    "DragonflyHallReverb",
    "DragonflyRoomReverb",
    "ZaMaximX2",
    "ZamCompX2",
    "ZamComp",
    "ZamDelay",
    "ZamVerb",
    "ZamHeadX2",
    "ZynAddSubFX",
    "amsynth",
    "eg-params",
    "eg-sampler",
    "eg-fifths",
    "eg-metro",
    "eg-scope",
    "eg-amp",
    "midifilter#passthru",
    "midifilter#quantize",
    "lv2/fat1",
    "lv2/darc",
    "lv2/stepseq",
    "lv2/zeroconvolv",
    "lv2/convo",
)


def find(server: plugpen.Server, options: argparse.Namespace) -> list[Candidate]:
    """Everything below the folders, in a fixed order, that the options select."""
    hosted = {name for name, available in server.info()["formats"].items() if available}
    folders = options.folder or [folder for folder in FOLDERS if pathlib.Path(folder).is_dir()]
    found: dict[str, Candidate] = {}
    for folder in folders:
        for candidate in scan(server, folder):
            if candidate.format in hosted:
                found.setdefault(candidate.key, candidate)
    return [c for c in sorted(found.values(), key=lambda c: c.key) if selects(c, options)]


def scan(server: plugpen.Server, folder: str) -> list[Candidate]:
    """The plugins that a scan describes, and the files that look like plugins and that it does
    not."""
    plugins = [candidate(info) for info in server.scan_directory(folder)]
    described = {str(pathlib.Path(plugin.path).resolve()) for plugin in plugins}
    for path in files(pathlib.Path(folder)):
        if str(path.resolve()) in described:
            continue
        try:
            # What one file needed too long for on a busy machine gets a second chance.
            plugins.append(candidate(server.probe(path)))
        except plugpen.PluginError as error:
            plugins.append(Candidate(kind(path), str(path), "", path.name, unreadable=str(error)))
    return plugins


def candidate(info: dict[str, Any]) -> Candidate:
    return Candidate(info["format"], info["path"], info["identifier"], info["name"], info["index"])


def files(folder: pathlib.Path) -> list[pathlib.Path]:
    """Files that are VST plugins by their names."""
    found = [path for path in folder.rglob("*.vst3") if not inside_vst3(path)]
    found += [path for path in folder.rglob("*.so") if not inside_vst3(path) and not is_lv2(path)]
    return found


def inside_vst3(path: pathlib.Path) -> bool:
    return any(parent.suffix == ".vst3" for parent in path.parents)


def is_lv2(path: pathlib.Path) -> bool:
    return any((parent / "manifest.ttl").is_file() for parent in path.parents)


def kind(path: pathlib.Path) -> str:
    return "VST3" if path.suffix == ".vst3" else "VST2"


def selects(candidate: Candidate, options: argparse.Namespace) -> bool:
    text = f"{candidate.path} {candidate.identifier} {candidate.name}"
    if options.format and candidate.format.lower() not in {f.lower() for f in options.format}:
        return False
    if options.only and options.only.lower() not in text.lower():
        return False
    return not options.small or any(part in text for part in SMALL)
