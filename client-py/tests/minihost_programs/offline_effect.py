"""Runs a WAV file through a plugin: settings, automation from a file, state, presets, bypass."""

import json
import sys

import minihost
import numpy as np
from minihost.audio_io import read_audio, write_audio
from minihost.automation import find_param_by_name, parse_automation_file, parse_param_arg

path, folder = sys.argv[1:]
rate = 48000
time = np.arange(rate // 2) / rate
write_audio(f"{folder}/in.wav", 0.5 * np.vstack([np.sin(440 * time)] * 2), rate, bit_depth=16)
audio, sample_rate = read_audio(f"{folder}/in.wav")

plugin = minihost.Plugin(path, sample_rate, 512)
# The first parameters of a VST3 may be its host adapter's, the last of ours is one of steps.
name = plugin.get_param_info(plugin.num_params - 2)["name"]
index, value = parse_param_arg(f"{name}:0.25", plugin)
assert index == find_param_by_name(plugin, name.upper())
plugin.begin_param_gesture(index)
plugin.set_param(index, value)
plugin.end_param_gesture(index)
saved = plugin.get_state()
plugin.set_param(index, 0.75)
plugin.set_state(saved)
assert abs(plugin.get_param(index) - value) < 1e-3

with open(f"{folder}/automation.json", "w") as file:
    json.dump({name: {"0": 0.0, "50%": 1.0, "0.4s": 0.5}}, file)
total = audio.shape[1]
changes = parse_automation_file(f"{folder}/automation.json", plugin, sample_rate, total, 512)
plugin.set_transport(120.0, position_samples=0, is_playing=True)
out = np.zeros((plugin.num_output_channels, total), dtype=np.float32)
for start in range(0, total, 512):
    block = np.ascontiguousarray(audio[: plugin.num_input_channels, start : start + 512])
    frames = block.shape[1]
    played = np.zeros((plugin.num_output_channels, frames), dtype=np.float32)
    here = [(o - start, p, v) for o, p, v in changes if start <= o < start + frames]
    midi = plugin.process_auto(block, played, [], here)
    assert isinstance(midi, list)
    out[:, start : start + frames] = played
plugin.clear_transport()
assert np.isfinite(out).all()

plugin.reset()
plugin.bypass = True
plugin.bypass = False
plugin.non_realtime = True
write_audio(f"{folder}/out.wav", out, sample_rate)
print("peak:", np.abs(minihost.read_audio(f"{folder}/out.wav")[0]).max())
print("info:", minihost.get_audio_info(f"{folder}/out.wav"))

if minihost.probe(path)["format"] == "VST3":
    from minihost.vstpreset import load_vstpreset, read_vstpreset, save_vstpreset

    save_vstpreset(f"{folder}/a.vstpreset", plugin)
    assert len(read_vstpreset(f"{folder}/a.vstpreset").class_id) == 32
    load_vstpreset(f"{folder}/a.vstpreset", plugin)
print("done")
