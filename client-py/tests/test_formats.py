"""One plugin in several formats sounds the same in all of them."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from conftest import LV2, missing

import plugpen

LIB = Path("/usr/lib")
FRAMES = 512
Samples = npt.NDArray[np.float32]


def play(path: Path, silent_frames: int = 0) -> Samples:
    if not path.exists():
        missing(f"{path} is not installed")
    noise = np.random.default_rng(3).uniform(-0.5, 0.5, (2, 64 * FRAMES)).astype(np.float32)
    with plugpen.Plugin(path, 48000.0, FRAMES) as plugin:
        if silent_frames:
            silence = np.zeros((2, silent_frames), np.float32)
            plugin.process(silence, np.zeros_like(silence))
        played = np.zeros((plugin.num_output_channels, noise.shape[1]), np.float32)
        for start in range(0, noise.shape[1], FRAMES):
            block = np.ascontiguousarray(noise[: plugin.num_input_channels, start : start + FRAMES])
            out = np.zeros((len(played), FRAMES), np.float32)
            plugin.process(block, out)
            played[:, start : start + FRAMES] = out
    assert np.abs(played).max() > 0.01
    return played


@pytest.mark.parametrize("name", ["ZaMaximX2", "ZaMultiComp", "ZamComp", "ZamDelay", "ZamVerb"])
def test_three_formats_give_the_same_samples(daemon: None, name: str) -> None:
    lv2 = play(LV2 / f"{name}.lv2")
    np.testing.assert_array_equal(play(LIB / f"vst3/{name}.vst3"), lv2)
    np.testing.assert_array_equal(play(LIB / f"vst/{name}-vst.so"), lv2)


def test_a_reverb_differs_by_the_frame_that_told_its_latency(daemon: None) -> None:
    # A VST2 made with DPF says its latency once it has run: a silent frame, by which its
    # modulation is ahead of the LV2's. Given that frame too, the LV2 is the same.
    lv2 = play(LV2 / "DragonflyHallReverb.lv2", silent_frames=1)
    vst2 = play(LIB / "lxvst/DragonflyHallReverb-vst.so")
    np.testing.assert_array_equal(vst2, lv2)
