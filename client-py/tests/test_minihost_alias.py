"""A program written for minihost runs on a package of that name that re-exports plugpen."""

import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import LV2

PROGRAM = """
import minihost
from minihost.render import MidiRenderer
from minihost.audio_io import write_audio

plugin = minihost.Plugin(path, sample_rate=48000.0, max_block_size=512)
left = np.zeros((2, 512), dtype=np.float32)
right = np.zeros((2, 512), dtype=np.float32)
plugin.process(left, right)
for index in range(plugin.num_params):
    info = plugin.get_param_info(index)
    plugin.set_param(index, info["default_value"])
try:
    plugin.set_param(999, 0.5)
except RuntimeError:
    refused = True
chain = minihost.PluginChain([plugin])
chain.process_midi(left, right, [(0, 0x90, 60, 100)])
midi = minihost.MidiFile()
midi.add_note_on(0, 0, 0, 60, 100)
midi.add_note_off(0, 480, 0, 60, 0)
renderer = MidiRenderer(plugin, midi, tail_seconds=0.1)
blocks = list(minihost.render_midi_stream(plugin, midi, tail_seconds=0.1))
"""


@pytest.mark.usefixtures("real_plugins")
def test_a_program_for_minihost_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent / "minihost_alias")
    for name in [name for name in sys.modules if name.split(".")[0] == "minihost"]:
        monkeypatch.delitem(sys.modules, name)
    names: dict[str, object] = {"np": np, "path": str(LV2 / "MVerb.lv2")}
    exec(PROGRAM, names)
    assert names["refused"] is True
    assert len(names["blocks"]) > 1  # type: ignore[arg-type]
    for name in [name for name in sys.modules if name.split(".")[0] == "minihost"]:
        monkeypatch.delitem(sys.modules, name)
