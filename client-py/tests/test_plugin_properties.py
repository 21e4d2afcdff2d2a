"""Properties: contract section 2."""

import numpy as np
import pytest
from conftest import LV2, Open, peak

import plugpen


@pytest.mark.contract("2/properties: path, max_block_size, midi_out_dropped")
def test_an_effect(mverb: plugpen.Plugin) -> None:
    assert (mverb.num_input_channels, mverb.num_output_channels) == (2, 2)
    assert (mverb.num_input_buses, mverb.num_output_buses) == (1, 1)
    assert (mverb.num_params, mverb.num_programs, mverb.sidechain_channels) == (9, 5, 0)
    assert mverb.format == "LV2"
    assert mverb.unique_id == "6BD0509D"
    assert mverb.vendor == "Martin Eastwood, falkTX"
    assert mverb.max_block_size == 512
    assert mverb.sample_rate == 48000.0
    assert mverb.latency_samples == 0
    assert mverb.tail_seconds >= 0.0
    for flag in ("accepts_midi", "produces_midi", "is_midi_effect", "supports_mpe"):
        assert getattr(mverb, flag) is False


@pytest.mark.contract(
    "2/constructor: num_input_channels of a synth is 0",
    "0/5 corrections: honest channel counts",
)
def test_an_instrument(epiano: plugpen.Plugin) -> None:
    assert (epiano.num_input_channels, epiano.num_output_channels) == (0, 2)
    assert epiano.num_params == 12
    assert epiano.accepts_midi is True


@pytest.mark.contract("0/6 traps: latency before the first block")
def test_latency_is_right_before_the_first_block(open_plugin: Open) -> None:
    assert open_plugin(LV2 / "ZaMaximX2.lv2").latency_samples == 480


@pytest.mark.contract(
    "2/properties: sample_rate: out of range",
    "2/properties: sample_rate: parameters are kept",
)
def test_a_new_sample_rate_keeps_the_parameters(amp: plugpen.Plugin) -> None:
    amp.set_param(0, 0.25)
    amp.sample_rate = 44100
    assert amp.sample_rate == 44100.0
    assert amp.get_param(0) == pytest.approx(0.25, abs=1e-6)
    for rate in (0, -1, float("nan")):
        with pytest.raises(RuntimeError, match="sample_rate must be"):
            amp.sample_rate = rate
    with pytest.raises(TypeError):
        amp.sample_rate = "48000"  # type: ignore[assignment]
    assert amp.sample_rate == 44100.0


@pytest.mark.contract(
    "2/properties: program: out of range",
    "2/state: get_program_name: out of range",
)
def test_programs(mverb: plugpen.Plugin) -> None:
    before = mverb.morph_capture()
    names = [mverb.get_program_name(index) for index in range(mverb.num_programs)]
    assert len(set(names)) == 5
    mverb.program = 3
    assert mverb.program == 3
    assert mverb.morph_capture() != before
    for index in (5, -1):
        with pytest.raises(RuntimeError):
            mverb.program = index
        with pytest.raises(ValueError, match=r"\[0, 4\]"):
            mverb.get_program_name(index)


@pytest.mark.contract(
    "2/properties: program: without programs",
    "2/properties: program: reads 0 without programs",
)
def test_no_programs(amp: plugpen.Plugin) -> None:
    assert (amp.num_programs, amp.program) == (0, 0)
    with pytest.raises(RuntimeError):
        amp.program = 0


@pytest.mark.contract(
    "2/properties: bypass",
    "0/6 traps: bypass without a bypass parameter is the host's",
)
def test_bypass_is_done_by_the_host(delay: plugpen.Plugin, noise: np.ndarray) -> None:
    out = np.zeros_like(noise)
    assert delay.bypass is False
    delay.bypass = True
    assert delay.bypass is True
    # The host may fade into it.
    for _ in range(20):
        delay.process(noise, out)
    assert np.array_equal(out, noise)
    delay.bypass = False
    for _ in range(20):
        delay.process(noise, out)
    assert peak(out - noise) > 0.01


@pytest.mark.contract("2/properties: non_realtime")
def test_non_realtime(amp: plugpen.Plugin) -> None:
    assert amp.non_realtime is False
    amp.non_realtime = True
    assert amp.non_realtime is True
    with pytest.raises(TypeError):
        amp.non_realtime = "yes"  # type: ignore[assignment]


@pytest.mark.contract(
    "2/properties: processing_precision: unsupported",
    "2/properties: processing_precision: another value",
)
def test_precision(amp: plugpen.Plugin) -> None:
    assert amp.supports_double is False
    assert amp.processing_precision == plugpen.MH_PRECISION_SINGLE
    amp.processing_precision = plugpen.MH_PRECISION_SINGLE
    with pytest.raises(plugpen.Unsupported):
        amp.processing_precision = plugpen.MH_PRECISION_DOUBLE
    with pytest.raises(ValueError, match="processing precision"):
        amp.processing_precision = 2


TYPES = {
    bool: "accepts_midi produces_midi is_midi_effect supports_mpe supports_double bypass "
    "non_realtime is_alive",
    int: "num_params num_input_channels num_output_channels latency_samples sidechain_channels "
    "num_input_buses num_output_buses num_programs program processing_precision max_block_size "
    "midi_out_dropped generation worker_pid",
    float: "tail_seconds sample_rate",
    str: "path name vendor format unique_id handle",
}
WRITABLE = {"sample_rate", "program", "bypass", "non_realtime", "processing_precision"}


@pytest.mark.contract("2/properties: types", "2/properties: read-only")
def test_properties_have_their_types(mverb: plugpen.Plugin) -> None:
    for kind, names in TYPES.items():
        for name in names.split():
            value = getattr(mverb, name)
            assert type(value) is kind, name
            if name in WRITABLE:
                setattr(mverb, name, value)
            else:
                with pytest.raises(AttributeError):
                    setattr(mverb, name, value)
