"""Prints what a plugin is: properties, buses, programs, parameters."""

import sys

import minihost

info = minihost.probe(sys.argv[1])
print(f"{info['name']} by {info['vendor']} ({info['format']}, {info['unique_id']})")
print("in/out:", info["num_inputs"], info["num_outputs"], "midi:", info["accepts_midi"])

plugin = minihost.Plugin(sys.argv[1], sample_rate=44100.0, max_block_size=256)
print("channels:", plugin.num_input_channels, plugin.num_output_channels)
print("buses:", plugin.num_input_buses, plugin.num_output_buses, plugin.sidechain_channels)
print("latency:", plugin.latency_samples, "tail:", plugin.tail_seconds)
print(
    "midi:", plugin.accepts_midi, plugin.produces_midi, plugin.is_midi_effect, plugin.supports_mpe
)
print(
    "double:", plugin.supports_double, plugin.processing_precision == minihost.MH_PRECISION_SINGLE
)
for bus in range(plugin.num_output_buses):
    found = plugin.get_bus_info(False, bus)
    print("output bus:", found["name"], found["num_channels"], found["is_main"])
print("stereo in and out:", plugin.check_buses_layout([2], [2]))

for index in range(plugin.num_programs):
    print("program", index, plugin.get_program_name(index))
for index in range(plugin.num_params):
    param = plugin.get_param_info(index)
    text = plugin.param_to_text(index, param["default_value"])
    value = plugin.param_from_text(index, text)
    assert 0.0 <= value <= 1.0
    print(index, param["name"], plugin.get_param(index), text, param["label"], param["num_steps"])
    print("   ", param["id"], param["category"], param["is_automatable"], param["is_boolean"])

plugin.sample_rate = 48000.0
assert plugin.sample_rate == 48000.0
print("done:", plugin.num_params, "parameters")
