"""Writes a MIDI file, reads it back and renders it, through a plugin and through a chain."""

import sys

import minihost
import numpy as np
from minihost.render import MidiRenderer, render_midi_stream

path, folder = sys.argv[1:]
song = minihost.MidiFile()
song.ticks_per_quarter = 480
song.add_tempo(0, 0, 90.0)
lead = song.add_track()
for beat, pitch in enumerate((60, 64, 67, 72)):
    song.add_note_on(lead, beat * 480, 0, pitch, 100)
    song.add_note_off(lead, beat * 480 + 400, 0, pitch, 0)
song.add_control_change(lead, 0, 0, 64, 127)
song.add_program_change(lead, 0, 0, 0)
song.add_pitch_bend(lead, 0, 0, 8192)
assert song.save(f"{folder}/song.mid")

loaded = minihost.MidiFile()
assert loaded.load(f"{folder}/song.mid")
assert not minihost.MidiFile().load(f"{folder}/missing.mid")
kinds = [event["type"] for event in loaded.get_events(1)]
assert kinds.count("note_on") == kinds.count("note_off") == 4
print("tracks:", loaded.num_tracks, "seconds:", round(loaded.duration_seconds, 3))
loaded.join_tracks()
loaded.split_tracks()
assert loaded.num_tracks == 2

plugin = minihost.Plugin(path, sample_rate=48000)
heard = []
plugin.set_change_callback(heard.append)
plugin.set_param_value_callback(lambda index, value: heard.append((index, value)))
plugin.set_param_gesture_callback(lambda index, begins: heard.append((index, begins)))
audio = minihost.render_midi(plugin, song, block_size=256, tail_seconds=0.5)
assert audio.dtype == np.float32
assert audio.shape[1] == int((3 * 60 / 90 + 400 / 480 * 60 / 90 + 0.5) * 48000)
blocks = list(render_midi_stream(plugin, f"{folder}/song.mid", tail_seconds="auto"))
assert all(block.shape[0] == audio.shape[0] for block in blocks)
written = minihost.render_midi_to_file(plugin, song, f"{folder}/song.wav", tail_seconds=0.25)
assert minihost.get_audio_info(f"{folder}/song.wav")["frames"] == written

renderer = MidiRenderer(plugin, song, tail_seconds=0.0)
while not renderer.is_finished:
    renderer.render_block()
assert renderer.progress == 1.0
renderer.reset()
print("rendered:", renderer.total_samples, renderer.channels, round(renderer.duration_seconds, 3))

other = minihost.Plugin(path, sample_rate=48000)
chain = minihost.PluginChain([plugin, other])
assert chain.get_plugin(0) is plugin
assert (chain.num_plugins, chain.sample_rate) == (2, 48000.0)
silence = np.zeros((2, 512), dtype=np.float32)
out = np.zeros((2, 512), dtype=np.float32)
chain.process(silence, out)
chain.process_midi(silence, out, [(0, 0x90, 60, 100)])
last = plugin.num_params - 1
chain.process_auto(silence, out, [(10, 0x80, 60, 0)], [(100, 1, last, 0.5)])
assert abs(other.get_param(last) - 0.5) < 0.02
chain.set_non_realtime(True)
chain.reset()
for bad in (lambda: plugin.set_param(999, 0.5), lambda: minihost.PluginChain([])):
    try:
        bad()
    except RuntimeError as error:
        print("refused:", error)
    else:
        raise SystemExit("not refused")
print("done:", chain.latency_samples, chain.tail_seconds >= 0)
