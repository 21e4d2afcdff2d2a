"""AudioDevice on ALSA's null device: what the contract says of a device nobody configured."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import ALSA_NULL, Open

import plugpen


@pytest.fixture
def device(open_plugin: Open) -> Iterator[plugpen.AudioDevice]:
    epiano = open_plugin("/usr/lib/lv2/mda.lv2", 44100, plugin="MDA ePiano")
    device = plugpen.AudioDevice(epiano)
    yield device
    device.close()


@pytest.mark.contract(
    "4/audio device: defaults on a null device",
    "4/audio device: takes the device's rate",
    "4/audio device: context manager",
)
def test_defaults_are_those_of_the_contract(device: plugpen.AudioDevice) -> None:
    assert (device.sample_rate, device.buffer_frames, device.channels) == (48000.0, 512, 2)
    assert (device.midi_input_port, device.midi_output_port) == (-1, -1)
    assert not device.is_midi_input_virtual
    assert not device.is_midi_output_virtual
    assert (device.input_available, device.xrun_count) == (0, 0)
    assert (device.system, device.error) == ("ALSA", "")
    assert device.midi_dropped == (0, 0)
    assert not device.is_playing
    with device as entered:
        assert entered is device
        assert device.is_playing
    with pytest.raises(plugpen.WrongState):
        device.start()


def test_rates_and_periods_are_as_asked_for(open_plugin: Open) -> None:
    piano = open_plugin("/usr/lib/lv2/mda.lv2", 48000, plugin="MDA ePiano")
    device = plugpen.AudioDevice(piano, sample_rate=44100, buffer_frames=256, output_channels=1)
    assert (device.sample_rate, device.buffer_frames, device.channels) == (44100.0, 256, 1)
    assert piano.sample_rate == 44100.0
    device.close()


@pytest.mark.contract("4/audio device: max_block_size below the period")
def test_a_plugin_with_short_blocks_is_refused(open_plugin: Open) -> None:
    piano = open_plugin("/usr/lib/lv2/mda.lv2", 48000, 64, plugin="MDA ePiano")
    with pytest.raises(
        RuntimeError, match="max_block_size=64 but the audio device needs up to 512"
    ):
        plugpen.AudioDevice(piano)
    piano.process(np.zeros((0, 64), np.float32), np.zeros((2, 64), np.float32))


@pytest.mark.contract("4/audio device: no device")
def test_without_a_device_the_error_says_so(
    open_plugin: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    piano = open_plugin("/usr/lib/lv2/mda.lv2", plugin="MDA ePiano")
    configuration = Path(os.environ["ALSA_CONFIG_PATH"])
    configuration.write_text("")
    try:
        with pytest.raises(RuntimeError, match="Failed to open audio device: "):
            plugpen.AudioDevice(piano)
        with pytest.raises(RuntimeError, match="Failed to open audio device with chain: "):
            plugpen.AudioDevice(plugpen.PluginChain([piano]))
        assert plugpen.audio_get_capture_devices() == []
    finally:
        configuration.write_text(ALSA_NULL)
    with pytest.raises(ValueError, match="there is no audio device 99"):
        plugpen.AudioDevice(piano, playback_device_index=99)
    piano.process(np.zeros((0, 64), np.float32), np.zeros((2, 64), np.float32))


@pytest.mark.contract(
    "4/audio device: connect_midi_*: failure",
    "4/audio device: virtual ports: failure",
    "10/midi: MidiIn: no sequencer",
)
def test_midi_without_a_sequencer(device: plugpen.AudioDevice) -> None:
    """The kernel of a container has none; where one is, the port is made."""
    if Path("/dev/snd/seq").exists():
        device.create_virtual_midi_input("plugpen test")
        assert device.is_midi_input_virtual
        return
    assert plugpen.midi_get_input_ports() == plugpen.midi_get_output_ports() == []
    with pytest.raises(RuntimeError, match="Failed to create virtual MIDI input"):
        device.create_virtual_midi_input("plugpen test")
    with pytest.raises(RuntimeError, match="Failed to create virtual MIDI output"):
        device.create_virtual_midi_output("plugpen test")
    with pytest.raises(RuntimeError, match="Failed to connect MIDI input"):
        device.connect_midi_input(0)
    with pytest.raises(RuntimeError, match="Failed to open virtual MIDI input"):
        plugpen.MidiIn.open_virtual("plugpen test", print)


@pytest.mark.contract("4/audio device: send_midi: stopped, full, bad byte")
def test_the_midi_queue_is_bounded(device: plugpen.AudioDevice) -> None:
    def fill() -> None:
        for _ in range(100):
            device.send_midi_bytes(bytes([0xF0, *[1] * 10_000, 0xF7]))

    with pytest.raises(RuntimeError, match=r"Failed to send MIDI \(queue may be full\)"):
        fill()
    for wrong in [(127, 0, 0), (256, 0, 0), (0x90, 128, 0), (0x90, 0, -1)]:
        with pytest.raises(ValueError, match="must be in"):
            device.send_midi(*wrong)
    with pytest.raises(ValueError, match="status byte"):
        device.send_midi_bytes(b"")


@pytest.mark.contract("4/audio device: enable_input, write_input")
def test_the_input_buffer_is_half_a_second(open_plugin: Open) -> None:
    delay = open_plugin("/usr/lib/lv2/mda.lv2", plugin="MDA Delay")
    device = plugpen.AudioDevice(delay)
    data = np.zeros((2, 40_000), np.float32)
    assert device.write_input(data) == 0
    device.enable_input()
    assert device.write_input(data) == 32_767
    assert device.input_available == 32_767
    assert device.write_input(data[:1]) == 0
    device.disable_input()
    assert device.input_available == 0
    device.close()


def test_what_is_no_plugin_is_refused() -> None:
    for arguments in [{}, {"plugin": 3}, {"plugin": None, "chain": None}]:
        with pytest.raises(TypeError):
            plugpen.AudioDevice(**arguments)  # type: ignore[arg-type]


def test_a_daemon_by_its_address_lists_what_its_machine_has(target: str) -> None:
    with plugpen.connect(target) as server:
        assert server.audio_get_playback_devices() == plugpen.audio_get_playback_devices()
        assert server.audio_get_capture_devices() == plugpen.audio_get_capture_devices()
        assert server.midi_get_input_ports() == plugpen.midi_get_input_ports()
        assert server.midi_get_output_ports() == plugpen.midi_get_output_ports()
        with pytest.raises(RuntimeError, match="Failed to open MIDI input"):
            plugpen.MidiIn.open(1000, print, server=server)
        with pytest.raises(TypeError):
            plugpen.MidiIn.open(0, print, server=3)  # type: ignore[arg-type]
