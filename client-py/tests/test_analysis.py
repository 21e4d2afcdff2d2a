"""plugpen.analysis against closed forms, on plugins whose output can be computed by hand."""

import os
from pathlib import Path

import numpy as np
import pytest
from conftest import LV2, Open, missing

import plugpen
from plugpen import analysis
from plugpen.analysis._distortion import harmonics_of

RATE = 48000.0
HALF_DB = 20 * np.log10(0.5)


@pytest.fixture
def half(open_test_plugin: Open) -> plugpen.Plugin:
    """Two channels, half as high."""
    plugin = open_test_plugin("gain")
    plugin.set_param(0, 0.125)  # of 4
    return plugin


@pytest.fixture
def late(open_test_plugin: Open) -> plugpen.Plugin:
    """A delay of 480 frames that is reported as latency."""
    return open_test_plugin("latency")


@pytest.fixture
def double(open_plugin: Open) -> plugpen.Plugin:
    """The same as VST2, which computes in double precision."""
    folder = os.environ.get("PLUGPEN_TEST_PLUGINS") or missing("no test plugins")
    return open_plugin(Path(folder) / "vst2/plugpen-test-latency.so")


@pytest.fixture
def equaliser(open_plugin: Open) -> plugpen.Plugin:
    """One channel, linear; a bell at 500 Hz and a shelf."""
    plugin = open_plugin(LV2 / "ZamEQ2.lv2")
    for name, text in {"Boost/Cut 1": "12", "Boost/Cut H": "-6"}.items():
        index = plugin.find_param(name)
        plugin.set_param(index, plugin.param_from_text(index, text))
    return plugin


# --- the sweep -------------------------------------------------------------------------------


def test_a_sweep_goes_up_on_the_left_and_down_on_the_right(half: plugpen.Plugin) -> None:
    sweep = analysis.sine_sweep(half, duration_seconds=1.0, level_dbfs=-12.0)
    assert sweep.inputs.shape == sweep.outputs.shape == (2, 48000)
    np.testing.assert_array_equal(sweep.inputs[1], sweep.inputs[0, ::-1])
    assert np.abs(sweep.inputs).max() == pytest.approx(10 ** (-12 / 20), rel=1e-3)
    np.testing.assert_allclose(sweep.outputs, sweep.inputs / 2, atol=1e-7)
    for spectrogram in sweep.spectrograms():
        strongest = spectrogram.frequencies_hz[np.argmax(spectrogram.levels_dbfs, axis=1)]
        expected = spectrogram.times_seconds * RATE / 2
        bin_hz = spectrogram.frequencies_hz[1]
        np.testing.assert_allclose(strongest[0], expected, atol=2 * bin_hz)
        np.testing.assert_allclose(strongest[1], RATE / 2 - expected, atol=2 * bin_hz)


def test_a_sweep_is_in_64_bits_where_the_plugin_is(double: plugpen.Plugin) -> None:
    sweep = analysis.sine_sweep(double, duration_seconds=0.2)
    assert sweep.bits == 64
    np.testing.assert_array_equal(sweep.outputs[:, 480:], sweep.inputs[:, :-480])
    # Single precision would not bring these back.
    assert not np.array_equal(sweep.inputs, sweep.inputs.astype(np.float32))
    assert double.processing_precision == plugpen.MH_PRECISION_SINGLE


def test_plugins_are_left_as_they_were(half: plugpen.Plugin, late: plugpen.Plugin) -> None:
    analysis.sine_sweep(late, duration_seconds=0.1)
    output = np.zeros((2, 512), np.float32)
    late.process(np.zeros_like(output), output)
    assert not output.any()
    analysis.sine_sweep(half, duration_seconds=0.1)
    assert half.get_param(0) == 0.125


# --- responses -------------------------------------------------------------------------------


def test_a_gain_is_flat(half: plugpen.Plugin) -> None:
    response = analysis.frequency_response(half)
    assert response.frequencies_hz[0] == pytest.approx(20.0, abs=1.0)
    assert response.frequencies_hz[-1] == pytest.approx(20_000.0, abs=1.0)
    np.testing.assert_allclose(response.magnitude_db, HALF_DB, atol=1e-3)
    np.testing.assert_allclose(response.phase_radians, 0.0, atol=1e-3)
    assert response.magnitude_db_at(1000.0) == pytest.approx([HALF_DB, HALF_DB], abs=1e-3)
    impulse = analysis.impulse_response(half)
    assert impulse.samples[:, 0].tolist() == [0.5, 0.5]
    assert not impulse.samples[:, 1:].any()


def test_latency_is_taken_out_of_the_phase(late: plugpen.Plugin) -> None:
    response = analysis.frequency_response(late)
    assert response.compensated_samples == 480
    np.testing.assert_allclose(response.phase_radians, 0.0, atol=1e-3)
    impulse = analysis.impulse_response(late, level_dbfs=-20.0)
    assert impulse.peak_samples.tolist() == [480, 480]
    assert impulse.samples[0, 480] == pytest.approx(1.0)


def test_a_comb_filter_is_as_computed(open_test_plugin: Open) -> None:
    echo = open_test_plugin("echo")  # half as high every 1,000 frames
    impulse = analysis.impulse_response(echo)
    assert impulse.samples[0, :4001:1000].tolist() == [1.0, 0.5, 0.25, 0.125, 0.0625]
    # A quarter of the energy is left after each: a millionth after ten.
    assert impulse.decay_seconds() == pytest.approx([9001 / RATE] * 2)
    response = analysis.frequency_response(echo)
    turns = 2 * np.pi * response.frequencies_hz * 1000 / RATE
    expected = 1 / (1 - 0.5 * np.exp(-1j * turns))
    np.testing.assert_allclose(response.response[0], expected, atol=2e-3)


def test_an_equaliser_is_what_its_knobs_say(equaliser: plugpen.Plugin) -> None:
    response = analysis.frequency_response(equaliser)
    gains = [float(response.magnitude_db_at(hz)[0]) for hz in (30.0, 500.0, 19_000.0)]
    assert gains == pytest.approx([0.0, 12.0, -6.0], abs=0.3)
    # A single sample, in another way, says the same.
    impulse = analysis.impulse_response(equaliser, tail_seconds=1.0)
    spectrum = np.fft.rfft(impulse.samples[0], 1 << 17)
    expected = np.interp(
        response.frequencies_hz, np.fft.rfftfreq(1 << 17, 1 / RATE), np.abs(spectrum)
    )
    np.testing.assert_allclose(np.abs(response.response[0]), expected, rtol=2e-3)


def test_one_channel_can_be_measured(half: plugpen.Plugin) -> None:
    response = analysis.frequency_response(half, input_channel=1)
    assert response.magnitude_db_at(1000.0)[1] == pytest.approx(HALF_DB, abs=1e-3)
    assert not response.response[0].any()
    assert not analysis.impulse_response(half, input_channel=0).samples[1].any()


def test_a_reverb_rings(mverb: plugpen.Plugin) -> None:
    impulse = analysis.impulse_response(mverb, tail_seconds=8.0)
    assert (impulse.decay_seconds() > 0.5).all()
    # What is cut off while it rings has no decay.
    assert np.isnan(analysis.impulse_response(mverb, tail_seconds=0.1).decay_seconds()).all()


# --- distortion ------------------------------------------------------------------------------


def test_harmonics_of_a_cube() -> None:
    # sin^3 = (3 sin x - sin 3x) / 4, so x + a x^3 has 1 + 3a/4 and a/4.
    size, turns, a = 1 << 16, 1365, 0.01
    sine = np.sin(2 * np.pi * turns * np.arange(size) / size)
    found = harmonics_of((sine + a * sine**3)[None], turns, 9, RATE, 0.0, "cube", 64)
    expected = (a / 4) / (1 + 3 * a / 4)
    assert found.thd[0] == pytest.approx(expected, rel=1e-9)
    assert found.thd_plus_noise[0] == pytest.approx(expected, rel=1e-9)
    assert found.fundamental_dbfs[0] == pytest.approx(20 * np.log10(1 + 3 * a / 4), abs=1e-9)
    assert found.harmonics_dbc[0, 1] == pytest.approx(20 * np.log10(expected), abs=1e-6)
    # The others are nothing but rounding: no leakage.
    assert (np.delete(found.harmonics_dbc[0], 1) < -280).all()


def test_noise_is_told_from_harmonics() -> None:
    size, turns = 1 << 16, 1365
    sine = np.sin(2 * np.pi * turns * np.arange(size) / size)
    noise = np.random.default_rng(3).normal(0.0, 1e-3, size)
    found = harmonics_of((sine + noise)[None], turns, 5, RATE, 0.0, "noise", 64)
    assert found.thd_plus_noise_db[0] == pytest.approx(20 * np.log10(1e-3 * 2**0.5), abs=0.2)
    assert found.thd_db[0] < found.thd_plus_noise_db[0] - 20


def test_a_clean_plugin_is_clean(half: plugpen.Plugin, double: plugpen.Plugin) -> None:
    single = analysis.harmonic_distortion(half)
    assert single.frequency_hz == pytest.approx(1000.0, abs=1.0)
    assert single.fundamental_dbfs == pytest.approx([-6.0 + HALF_DB] * 2, abs=1e-3)
    assert (single.thd_plus_noise_db < -140).all()
    assert (analysis.harmonic_distortion(double).thd_plus_noise_db < -270).all()


def test_a_saturator_is_measured_as_fourier_would(open_plugin: Open) -> None:
    saturator = open_plugin(LV2 / "SoulForce.lv2")
    found = analysis.harmonic_distortion(saturator, level_dbfs=-20.0, harmonics=5)
    size, turns = 1 << 16, round(found.frequency_hz * (1 << 16) / RATE)
    sine = 0.1 * np.sin(2 * np.pi * turns * np.arange(4 * size) / size)
    saturator.reset()
    given = np.tile(sine, (2, 1)).astype(np.float32)
    taken = np.zeros_like(given)
    for start in range(0, given.shape[1], 512):
        saturator.process(given[:, start : start + 512], taken[:, start : start + 512])
    heard = taken[0, -size:]
    heights = [
        abs(np.mean(heard * np.exp(-2j * np.pi * order * turns * np.arange(size) / size)))
        for order in range(1, 6)
    ]
    expected = np.sqrt(np.sum(np.square(heights[1:]))) / heights[0]
    assert expected > 0.01
    assert found.thd[0] == pytest.approx(expected, rel=0.01)


# --- latency ---------------------------------------------------------------------------------


def test_latency_is_found(half: plugpen.Plugin, late: plugpen.Plugin) -> None:
    found = analysis.latency(late)
    assert (found.reported_samples, found.measured_samples) == (480, 480)
    assert found.is_as_reported
    assert analysis.latency(half).measured_samples == 0


@pytest.mark.parametrize(
    ("mode", "reported"), [("Delay and report latency", 100), ("Delay, do not report latency", 0)]
)
def test_a_wrong_latency_is_found_out(open_plugin: Open, mode: str, reported: int) -> None:
    delay = open_plugin(LV2 / "nodelay.lv2")
    for name, text in {"Delay Time": "100", "Operation Mode": mode}.items():
        index = delay.find_param(name)
        delay.set_param(index, delay.param_from_text(index, text))
    found = analysis.latency(delay)
    assert (found.reported_samples, found.measured_samples) == (reported, 100)
    assert found.is_as_reported is (reported == 100)


def test_silence_has_no_latency(half: plugpen.Plugin) -> None:
    half.set_param(0, 0.0)
    found = analysis.latency(half)
    assert found.measured_samples is None
    assert not found.is_as_reported
    assert found.to_dict()["measured_samples"] is None


# --- levels ----------------------------------------------------------------------------------


def sine(hertz: float, rate: float, seconds: float = 4.0) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def test_levels_of_a_sine() -> None:
    found = analysis.level(np.stack([sine(1000, RATE), 0.1 * sine(1000, RATE)]), RATE)
    assert found.times_seconds[:2].tolist() == pytest.approx([0.025, 0.075])
    assert found.rms_dbfs[0] == pytest.approx(-3.0103, abs=1e-3)
    assert found.rms_dbfs[1] == pytest.approx(-23.0103, abs=1e-3)
    assert found.peak_dbfs[0] == pytest.approx(0.0, abs=1e-3)
    silence = analysis.level(np.zeros(100), RATE)
    assert silence.rms_dbfs.tolist() == [[-np.inf]]
    assert silence.loudness_lufs == -np.inf


@pytest.mark.parametrize("rate", [32000.0, 44100.0, 48000.0, 96000.0])
def test_loudness_is_that_of_the_standard(rate: float) -> None:
    # ITU-R BS.1770: 997 Hz at 0 dBFS on one channel reads -3.01.
    assert analysis.level(sine(997, rate), rate).loudness_lufs == pytest.approx(-3.01, abs=0.02)
    both = np.stack([sine(997, rate)] * 2)
    assert analysis.level(both, rate).loudness_lufs == pytest.approx(0.0, abs=0.02)
    # Pauses are gated out.
    pause = np.concatenate([both, np.zeros_like(both), 0.01 * both], axis=1)
    assert analysis.level(pause, rate).loudness_lufs == pytest.approx(0.0, abs=0.4)


def test_a_spectrogram_has_the_level_of_a_sine() -> None:
    found = analysis.spectrogram(sine(3000, RATE), RATE)  # in the middle of a bin
    assert found.levels_dbfs.shape == (1, 513, len(found.times_seconds))
    assert found.levels_dbfs[0].max(axis=0) == pytest.approx(0.0, abs=1e-6)
    assert found.frequencies_hz[found.levels_dbfs[0, :, 0].argmax()] == 3000.0
    assert found.times_seconds[0] == 512 / RATE
    assert analysis.spectrogram(np.zeros(10), RATE).levels_dbfs.shape == (1, 513, 1)


# --- instruments and chains --------------------------------------------------------------------


def test_instruments_play_a_note_instead(open_test_plugin: Open) -> None:
    beep = open_test_plugin("beep")
    for measure in (
        analysis.sine_sweep,
        analysis.frequency_response,
        analysis.impulse_response,
        analysis.harmonic_distortion,
        analysis.latency,
    ):
        with pytest.raises(plugpen.Unsupported, match=r"no audio input.*play_note"):
            measure(beep)
    note = analysis.play_note(beep, pitch=69, velocity=127, hold_seconds=0.5, release_seconds=0.5)
    assert note.samples.shape == (2, 48000)
    spectrum = np.abs(np.fft.rfft(note.samples[0, :24000]))
    assert np.argmax(spectrum) * 2 == 440
    assert note.level().rms_dbfs[0, 2] > -40 > note.level().rms_dbfs[0, -1]
    assert isinstance(analysis.analyze(beep), analysis.Note)


def test_what_makes_no_sound_is_refused(open_plugin: Open, half: plugpen.Plugin) -> None:
    fifths = open_plugin(LV2 / "eg-fifths.lv2")
    with pytest.raises(plugpen.Unsupported, match="no audio output"):
        analysis.play_note(fifths)
    with pytest.raises(plugpen.Unsupported, match="takes no MIDI"):
        analysis.play_note(half)


def test_chains_are_measured_as_a_whole(half: plugpen.Plugin, late: plugpen.Plugin) -> None:
    with plugpen.PluginChain([half, late]) as chain:
        found = analysis.analyze(chain)
    assert isinstance(found, analysis.Analysis)
    assert found.plugin_name == "Test Gain + Test Latency"
    assert found.latency.measured_samples == found.latency.reported_samples == 480
    assert found.frequency_response.magnitude_db == pytest.approx(HALF_DB, abs=1e-3)


# --- what goes wrong ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        ("sine_sweep", {"duration_seconds": 0.0}, "duration_seconds"),
        ("sine_sweep", {"end_hz": 30_000.0}, "end_hz"),
        ("sine_sweep", {"level_dbfs": float("nan")}, "level_dbfs"),
        ("frequency_response", {"start_hz": 15_000.0}, "start_hz"),
        ("frequency_response", {"start_hz": 1000.0, "end_hz": 1500.0}, "an octave above"),
        ("frequency_response", {"input_channel": 2}, "input_channel must be between 0 and 1"),
        ("impulse_response", {"tail_seconds": -1.0}, "tail_seconds"),
        ("harmonic_distortion", {"harmonics": 1}, "harmonics must be at least 2"),
        ("harmonic_distortion", {"frequency_hz": 20_000.0}, "frequency_hz"),
        ("latency", {"longest_seconds": 0.0}, "longest_seconds"),
    ],
)
def test_values_out_of_range(
    half: plugpen.Plugin, function: str, options: dict[str, float], message: str
) -> None:
    with pytest.raises(plugpen.InvalidInput, match=message):
        getattr(analysis, function)(half, **options)


def test_a_frequency_that_was_not_measured(half: plugpen.Plugin) -> None:
    response = analysis.frequency_response(half, start_hz=100.0)
    with pytest.raises(plugpen.InvalidInput, match="frequency_hz must be between"):
        response.magnitude_db_at(50.0)


@pytest.mark.parametrize("audio", [np.zeros((0, 10)), np.zeros((1, 2, 3)), [np.nan, 0.0]])
def test_audio_that_is_none(audio: np.ndarray) -> None:
    for measure in (analysis.level, analysis.spectrogram):
        with pytest.raises(plugpen.InvalidInput, match="audio must be"):
            measure(audio, RATE)


def test_a_plugin_that_gives_out_nan(open_test_plugin: Open) -> None:
    villain = open_test_plugin("villain")
    villain.set_param(villain.find_param("In run"), 12 / 12)
    with pytest.raises(plugpen.PluginError, match="NaN or infinity, first in frame 0"):
        analysis.sine_sweep(villain, duration_seconds=0.1)


def test_a_plugin_that_dies(open_test_plugin: Open) -> None:
    villain = open_test_plugin("villain")
    villain.set_param(villain.find_param("In run"), 1 / 12)
    with pytest.raises(plugpen.PluginCrashed):
        analysis.analyze(villain)
