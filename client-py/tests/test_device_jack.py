"""AudioDevice and MidiIn on a JACK server with a clock and no sound card."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import Open, missing, peak
from jack_rig import PERIOD, RATE, Rig, server, until

import plugpen

NOTE = (0x90, 60, 100)
# A machine that is busy loses periods; a test that needs all of them tries again.
ATTEMPTS = 10


def need_jack() -> None:
    if not any(os.access(f"{folder}/jackd", os.X_OK) for folder in os.get_exec_path()):
        missing("jackd is not installed")


@pytest.fixture(scope="module")
def jack_server() -> Iterator[None]:
    need_jack()
    with server():
        yield


@pytest.fixture
def rig(jack_server: None, daemon: None) -> Iterator[Rig]:
    with Rig() as rig:
        yield rig


def clicks(audio: np.ndarray) -> list[tuple[int, float]]:
    """Frames and heights of what is not silent in the first channel."""
    return [(int(frame), float(audio[0, frame])) for frame in np.flatnonzero(audio[0])]


@pytest.mark.contract("10/midi: ports: name and index")
def test_the_server_is_the_device(rig: Rig) -> None:
    for devices in (plugpen.audio_get_playback_devices(), plugpen.audio_get_capture_devices()):
        assert devices == [{"name": "JACK (system)", "index": 0, "is_default": True}]
    assert {"name": "rig:midi_out", "index": 0} in [
        {**port, "index": 0} for port in plugpen.midi_get_input_ports()
    ]
    assert "rig:midi_in" in [port["name"] for port in plugpen.midi_get_output_ports()]


def test_an_instrument_is_heard_as_it_is_rendered(rig: Rig, open_plugin: Open) -> None:
    """What comes out of the sound card is, sample for sample, what process_midi gives."""
    heard_as_rendered(rig, open_plugin, PERIOD, 20)


def heard_as_rendered(rig: Rig, open_plugin: Open, period: int, blocks: int) -> None:
    mda = "/usr/lib/lv2/mda.lv2"
    offline = open_plugin(mda, RATE, period, plugin="MDA ePiano")
    wanted = np.zeros((2, blocks * period), np.float32)
    for block in range(blocks):
        span = wanted[:, block * period : (block + 1) * period]
        offline.process_midi(
            np.zeros((0, period), np.float32), span, [(0, *NOTE)] if block == 0 else []
        )
    assert peak(wanted) > 0.01
    for _ in range(ATTEMPTS):
        piano = open_plugin(mda, RATE, period, plugin="MDA ePiano")
        rig.recorded.clear()
        with plugpen.AudioDevice(piano) as device:
            assert (device.sample_rate, device.buffer_frames, device.channels) == (RATE, period, 2)
            rig.listen()
            before = device.xrun_count
            device.send_midi(*NOTE)
            until("the note", lambda: peak(rig.audio()) > 0)
            rig.wait_periods(blocks)
            lost = device.xrun_count - before
            load = device.cpu_load
        audio = rig.audio()
        start = int(np.flatnonzero(np.any(audio != 0, axis=0))[0])
        first = int(np.flatnonzero(np.any(wanted != 0, axis=0))[0])
        heard = audio[:, start - first :][:, : wanted.shape[1]]
        if lost == 0:
            np.testing.assert_array_equal(heard, wanted[:, : heard.shape[1]])
            assert heard.shape[1] >= (blocks - 2) * period
            assert load > 0
            return
    pytest.fail(f"periods were lost in each of {ATTEMPTS} attempts")


def test_midi_keeps_its_frames_both_ways(rig: Rig, open_test_plugin: Open) -> None:
    sysex = bytes([0xF0, 127, 1, 2, 3, 0xF7])
    sent = [
        (3, bytes([0x90, 127, 1])),
        (64, bytes([0x80, 64, 0])),
        (700, sysex),
        (1023, bytes([0xB0, 32, 9])),
    ]
    for _ in range(ATTEMPTS):
        plugin = open_test_plugin("midi", RATE, PERIOD)
        rig.recorded.clear()
        rig.heard.clear()
        with plugpen.AudioDevice(plugin) as device:
            device.create_virtual_midi_input("from the rig")
            device.create_virtual_midi_output("to the rig")
            assert device.is_midi_input_virtual
            assert device.is_midi_output_virtual
            assert device.midi_input_port == -1
            rig.listen()
            rig.client.connect("rig:midi_out", rig.port("from the rig"))
            rig.client.connect(rig.port("to the rig"), "rig:midi_in")
            rig.wait_periods(4)
            before = device.xrun_count
            rig.to_send.put(sent)

            def is_over(before: int = before) -> bool:
                return len(rig.heard) >= len(sent) or device.xrun_count > before

            until("all messages", is_over)
            rig.wait_periods(2)
            lost = device.xrun_count - before
            assert device.midi_dropped == (0, 0)
        if lost:
            continue
        assert [message for _, message in rig.heard] == [message for _, message in sent]
        frames = np.array([frame for frame, _ in rig.heard])
        offsets = np.array([offset for offset, _ in sent])
        np.testing.assert_array_equal(frames % PERIOD, offsets)
        found = clicks(rig.audio())
        np.testing.assert_array_equal(np.array([frame for frame, _ in found]) % PERIOD, offsets)
        heights = [height for _, height in found]
        np.testing.assert_allclose(heights, [1, 64 / 127, 1, 32 / 127], rtol=1e-6)
        return
    pytest.fail(f"periods were lost in each of {ATTEMPTS} attempts")


def test_ports_are_connected_by_index(rig: Rig, open_test_plugin: Open) -> None:
    plugin = open_test_plugin("midi", RATE, PERIOD)
    ports = plugpen.midi_get_input_ports()
    index = next(port["index"] for port in ports if port["name"] == "rig:midi_out")
    with plugpen.AudioDevice(plugin, midi_input_port=index) as device:
        assert device.midi_input_port == index
        assert not device.is_midi_input_virtual
        assert device.midi_output_port == -1
        rig.listen()
        rig.recorded.clear()
        rig.wait_periods(2)
        rig.to_send.put([(5, bytes([0x90, 127, 1]))])
        until("the click", lambda: bool(clicks(rig.audio())))
        device.disconnect_midi_input()
        assert device.midi_input_port == -1
        with pytest.raises(plugpen.InvalidInput, match="Failed to connect MIDI input"):
            device.connect_midi_input(1000)


def test_a_crash_is_silence_until_the_restart(rig: Rig, open_test_plugin: Open) -> None:
    plugin = open_test_plugin("midi", RATE, PERIOD)
    with plugpen.AudioDevice(plugin) as device:
        rig.listen()

        def click(height: int) -> bool:
            rig.recorded.clear()
            device.send_midi(0x90, height, 1)
            rig.wait_periods(4)
            return bool(clicks(rig.audio()))

        until("a click", lambda: click(100))
        before = device.xrun_count
        os.kill(plugin.worker_pid, signal.SIGKILL)
        until("missing periods", lambda: device.xrun_count > before + 3)
        rig.recorded.clear()
        rig.wait_periods(3)
        assert peak(rig.audio()) == 0
        assert device.is_playing
        with pytest.raises(plugpen.PluginDead):
            plugin.get_param(0)
        plugin.restart()
        until("a click after the restart", lambda: click(50))
        assert device.is_playing
        until("no missing periods", lambda: steady(rig, device))


def process_of_device() -> int:
    """The one process of a device that this process's daemon has."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            name, _, rest = (folder / "stat").read_text().rpartition(") ")
            parent = int(rest.split()[1])
            grandparent = Path(f"/proc/{parent}/stat").read_text().rpartition(") ")[2].split()[1]
            if name.endswith("(plugpen-device") and int(grandparent) == os.getpid():
                found.append(int(folder.name))
    assert len(found) == 1, found
    return found[0]


def test_a_device_that_dies_leaves_its_plugin_usable(rig: Rig, open_test_plugin: Open) -> None:
    gain = open_test_plugin("gain", RATE, PERIOD)
    device = plugpen.AudioDevice(gain)
    device.start()
    os.kill(process_of_device(), signal.SIGKILL)
    block = np.full((2, 64), 0.5, np.float32)
    out = np.zeros_like(block)

    def is_back() -> bool:
        try:
            gain.process(block, out)
        except plugpen.WrongState:
            return False
        return True

    until("the plugin", is_back)
    np.testing.assert_array_equal(out, block)
    for call in (device.start, lambda: device.xrun_count):
        with pytest.raises(plugpen.PluginDead, match="Close it and open it again"):
            call()
    gain.restart()
    gain.process(block, out)
    # Another one plays it, and the end of the first does not disturb that.
    with plugpen.AudioDevice(gain) as second:
        device.close()
        rig.listen()
        rig.recorded.clear()
        second.enable_input()
        second.write_input(block)
        rig.wait_periods(1)
        until("the input", lambda: peak(rig.audio()) == 0.5)
        with pytest.raises(plugpen.WrongState, match="device"):
            gain.process(block, out)
    gain.process(block, out)


def test_a_mix_is_heard_while_the_device_plays(rig: Rig, open_test_plugin: Open) -> None:
    plugin = open_test_plugin("gain", RATE, PERIOD)
    chain = plugpen.PluginChain([plugin])
    # Four times as loud.
    plugin.set_param(plugin.find_param("Gain"), 1.0)
    with plugpen.AudioDevice(chain) as device:
        rig.listen()
        device.enable_input(1 << 20)
        device.write_input(np.full((2, 1 << 19), 0.125, np.float32))
        for mix, height in [(1.0, 0.5), (0.0, 0.125), (0.5, 0.3125), (1.0, 0.5)]:
            chain.set_mix(0, mix)
            assert chain.get_mix(0) == mix

            def is_heard(height: float = height) -> bool:
                rig.recorded.clear()
                rig.wait_periods(2)
                return bool(np.all(rig.audio() == np.float32(height)))

            until(f"a mix of {mix}", is_heard)
        with pytest.raises(ValueError, match="mix must be in"):
            chain.set_mix(0, 1.5)
    chain.set_mix(0, 0.0)


def test_what_is_recorded_goes_through_the_plugin(rig: Rig, open_test_plugin: Open) -> None:
    plugin = open_test_plugin("gain", RATE, PERIOD)
    plugin.set_param(plugin.find_param("Gain"), 0.5)
    blocks = 8
    ramp = np.arange(1, blocks * PERIOD + 1, dtype=np.float32) / np.float32(1 << 15)
    sound = np.stack([ramp, -ramp])
    for _ in range(ATTEMPTS):
        rig.recorded.clear()
        with plugpen.AudioDevice(plugin, capture=True) as device:
            rig.listen()
            rig.speak()
            rig.wait_periods(4)
            before = device.xrun_count
            for block in range(blocks):
                rig.to_play.put(sound[:, block * PERIOD : (block + 1) * PERIOD])
            until("the end", lambda: rig.to_play.empty())
            rig.wait_periods(4)
            lost = device.xrun_count - before
        audio = rig.audio()
        start = int(np.flatnonzero(audio[0])[0])
        heard = audio[:, start : start + blocks * PERIOD]
        if lost == 0:
            np.testing.assert_array_equal(heard, 2 * sound)
            assert not audio[:, start + blocks * PERIOD :].any()
            return
    pytest.fail(f"periods were lost in each of {ATTEMPTS} attempts")


def steady(rig: Rig, device: plugpen.AudioDevice) -> bool:
    """Whether some periods pass without a loss."""
    before = device.xrun_count
    rig.wait_periods(5)
    return device.xrun_count == before


def test_a_late_plugin_is_not_waited_for(rig: Rig, open_test_plugin: Open) -> None:
    villain = open_test_plugin("villain", RATE, PERIOD)
    in_run = villain.find_param("In run")
    with plugpen.AudioDevice(villain) as device:
        rig.listen()
        until("a quiet start", lambda: steady(rig, device))
        before = device.xrun_count
        # Two seconds for a block; the blocks after it do it no more.
        villain.set_param(in_run, 11 / 12)
        until("late periods", lambda: device.xrun_count > before + 3)
        villain.set_param(in_run, 0.0)
        assert device.is_playing
        until("the plugin to catch up", lambda: steady(rig, device))
    villain.get_param(in_run)


@pytest.mark.contract("4/audio device: start and stop twice")
def test_the_plugin_belongs_to_its_device(rig: Rig, open_plugin: Open) -> None:
    delay = open_plugin("/usr/lib/lv2/mda.lv2", 44100, PERIOD, plugin="MDA Delay")
    delay.set_param(0, 0.25)
    silence = np.zeros((2, 64), np.float32)
    device = plugpen.AudioDevice(delay)
    assert delay.sample_rate == RATE
    assert delay.get_param(0) == pytest.approx(0.25)
    for forbidden in (
        lambda: delay.process(silence, silence.copy()),
        lambda: plugpen.AudioDevice(delay),
        lambda: setattr(delay, "sample_rate", 44100.0),
    ):
        with pytest.raises(plugpen.WrongState, match="device"):
            forbidden()
    delay.set_param(0, 0.75)
    state = delay.get_state()
    assert not device.is_playing
    device.start()
    device.start()
    assert device.is_playing
    delay.set_state(state)
    device.stop()
    device.stop()
    assert not device.is_playing
    device.close()
    device.close()
    with pytest.raises(plugpen.WrongState, match="closed"):
        device.start()
    delay.process(silence, silence.copy())
    assert delay.get_param(0) == pytest.approx(0.75)


@pytest.mark.contract("4/audio device: a chain, by either keyword")
def test_written_input_goes_through_a_chain(rig: Rig, open_test_plugin: Open) -> None:
    first = open_test_plugin("gain", RATE, 256)
    second = open_test_plugin("gain", RATE, PERIOD)
    ramp = np.arange(1, 3001, dtype=np.float32)[np.newaxis, :].repeat(2, axis=0) / 4096
    offline = plugpen.PluginChain([first, second])
    wanted = np.zeros_like(ramp[:, :256])
    offline.process(ramp[:, :256].copy(), wanted)
    gain = wanted[0, 255] / ramp[0, 255]
    with pytest.raises(plugpen.WrongState, match="max_block_size=256"):
        plugpen.AudioDevice(chain=offline)
    first.close()
    offline = plugpen.PluginChain([open_test_plugin("gain", RATE, PERIOD), second])
    for _ in range(ATTEMPTS):
        rig.recorded.clear()
        with plugpen.AudioDevice(offline) as device:
            rig.listen()
            assert device.write_input(ramp) == 0
            assert device.input_available == 0
            device.enable_input(4096)
            before = device.xrun_count
            assert device.write_input(ramp) == 3000
            until("the ramp's end", lambda: device.input_available == 0)
            rig.wait_periods(2)
            lost = device.xrun_count - before
            device.disable_input()
        if lost:
            continue
        audio = rig.audio()
        start = int(np.flatnonzero(audio[0])[0])
        np.testing.assert_allclose(audio[:, start : start + 3000], ramp * gain, rtol=1e-6)
        return
    pytest.fail(f"periods were lost in each of {ATTEMPTS} attempts")


@pytest.mark.contract(
    "10/midi: MidiIn: bad port",
    "10/midi: MidiIn: not by itself",
    "10/midi: MidiIn: the callback gets bytes",
    "10/midi: MidiIn: closed twice, context manager",
)
def test_a_midi_input_hears_messages_whole(rig: Rig) -> None:
    heard: list[bytes] = []
    sent = [bytes([0x90, 60, 100]), bytes([0xF0, *range(100), 0xF7]), bytes([0xF8])]
    with plugpen.MidiIn.open_virtual("ears", heard.append) as ears:
        rig.client.connect("rig:midi_out", rig.port("ears"))
        rig.wait_periods(2)
        rig.to_send.put([(offset, message) for offset, message in enumerate(sent)])
        until("three messages", lambda: len(heard) >= 3)
        assert heard == sent
        ears.close()
        ears.close()
    with pytest.raises(RuntimeError, match="Failed to open MIDI input: Invalid port index: 1000"):
        plugpen.MidiIn.open(1000, heard.append)
    with pytest.raises(TypeError):
        plugpen.MidiIn()
    with pytest.raises(TypeError):
        plugpen.MidiIn.open(0, None)  # type: ignore[arg-type]
