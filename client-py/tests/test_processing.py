"""process(), process_sidechain(), process_double(): contract section 2, "Processing"."""

import array
import os
import signal
import threading
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from conftest import LV2, Open, peak

import plugpen

GAIN = 10 ** (6 / 20)
Samples = npt.NDArray[np.float32]


@pytest.fixture
def loud(amp: plugpen.Plugin) -> plugpen.Plugin:
    """+6 dB on one channel."""
    amp.set_param(0, amp.param_from_text(0, "6"))
    return amp


@pytest.fixture
def mono(noise: Samples) -> Samples:
    return noise[:1].copy()


@pytest.mark.contract("0/2 arrays: numpy, (channels, frames), float32")
def test_the_plugin_is_heard(loud: plugpen.Plugin, mono: Samples) -> None:
    out = np.zeros_like(mono)
    assert loud.process(mono, out) is None
    assert np.allclose(out, mono * GAIN, atol=1e-5)
    loud.process(input=mono, output=out)


@pytest.mark.parametrize("frames", [1, 17, 511, 512])
def test_any_block_up_to_the_largest(loud: plugpen.Plugin, frames: int, mono: Samples) -> None:
    out = np.zeros((1, frames), np.float32)
    loud.process(mono[:, :frames], out)
    assert np.allclose(out, mono[:, :frames] * GAIN, atol=1e-5)


@pytest.mark.contract("2/process: 0 frames")
def test_no_frames(loud: plugpen.Plugin) -> None:
    empty = np.zeros((1, 0), np.float32)
    loud.process(empty, empty.copy())
    assert loud.process_midi(empty, empty.copy(), []) == []


INPUTS = {
    "float64": lambda a: a.astype(np.float64),
    "float16": lambda a: a.astype(np.float16).astype(np.float32).astype(np.float16),
    "swapped": lambda a: a.astype(">f4"),
    "fortran": lambda a: np.asfortranarray(np.vstack([a, a]))[:1],
    "strided": lambda a: np.repeat(a, 2, axis=1)[:, ::2],
    "backwards": lambda a: a[:, ::-1].copy()[:, ::-1],
    "unaligned": lambda a: np.frombuffer(b"x" + a.tobytes(), np.float32, offset=1).reshape(a.shape),
    "read-only": lambda a: np.frombuffer(a.tobytes(), np.float32).reshape(a.shape),
    "column slice": lambda a: np.hstack([a, a, a])[:, 512:1024],
    "list": lambda a: a.tolist(),
    "tuple": lambda a: tuple(map(tuple, a)),
    "memoryview": lambda a: memoryview(a),
    "more channels": lambda a: np.vstack([a, a, a]),
}


@pytest.mark.contract(
    "2/process: input float64, int, non-contiguous",
    "0/2 arrays: buffer protocol",
    "2/process: more channels",
)
@pytest.mark.parametrize("form", INPUTS)
def test_inputs_of_all_kinds(loud: plugpen.Plugin, form: str, mono: Samples) -> None:
    mono = mono.astype(np.float16).astype(np.float32)
    out = np.zeros_like(mono)
    loud.process(INPUTS[form](mono), out)
    assert np.allclose(out, mono * GAIN, atol=1e-5)


@pytest.mark.contract("2/process: input float64, int, non-contiguous")
def test_integers_are_numbers_too(loud: plugpen.Plugin) -> None:
    out = np.zeros((1, 4), np.float32)
    loud.process(np.array([[0, 1, -1, 0]], np.int16), out)
    assert np.allclose(out, [[0, GAIN, -GAIN, 0]], atol=1e-5)


@pytest.mark.contract("0/2 arrays: DLPack")
def test_dlpack_is_taken(loud: plugpen.Plugin, mono: Samples) -> None:
    class Foreign:
        def __init__(self, samples: Samples) -> None:
            self.samples = samples

        def __dlpack__(self, **options: object) -> object:
            return self.samples.__dlpack__(**options)  # type: ignore[call-arg]

        def __dlpack_device__(self) -> tuple[int, int]:
            return self.samples.__dlpack_device__()

    out = np.zeros_like(mono)
    loud.process(Foreign(mono), out)  # type: ignore[arg-type]
    assert np.allclose(out, mono * GAIN, atol=1e-5)


@pytest.mark.contract("0/2 arrays: __array__")
def test_what_can_make_an_array_is_taken(loud: plugpen.Plugin, mono: Samples) -> None:
    class Foreign:
        def __init__(self, samples: Samples) -> None:
            self.samples = samples

        def __array__(self, dtype: object = None, copy: object = None) -> Samples:
            return self.samples

    out = np.zeros_like(mono)
    loud.process(Foreign(mono), out)  # type: ignore[arg-type]
    assert np.allclose(out, mono * GAIN, atol=1e-5)


OUTPUTS = {
    "float64": lambda: np.zeros((1, 512), np.float64),
    "float16": lambda: np.zeros((1, 512), np.float16),
    "swapped": lambda: np.zeros((1, 512), ">f4"),
    "fortran": lambda: np.zeros((3, 512), np.float32, order="F")[:1],
    "strided": lambda: np.zeros((1, 1024), np.float32)[:, ::2],
    "backwards": lambda: np.zeros((1, 512), np.float32)[:, ::-1],
    "column slice": lambda: np.zeros((1, 2048), np.float32)[:, 512:1024],
    "unaligned": lambda: np.frombuffer(bytearray(2049), np.float32, offset=1).reshape(1, 512),
}


@pytest.mark.contract(
    "2/process: output float64, non-contiguous, Fortran",
    "0/6 traps: outputs of any dtype and layout are filled or refused",
)
@pytest.mark.parametrize("form", OUTPUTS)
def test_outputs_of_all_kinds_are_filled(loud: plugpen.Plugin, form: str, mono: Samples) -> None:
    out = OUTPUTS[form]()
    loud.process(mono, out)
    assert np.allclose(out, mono * GAIN, atol=1e-2 if out.itemsize == 2 else 1e-5)


def test_an_output_with_a_buffer_of_its_own(loud: plugpen.Plugin, mono: Samples) -> None:
    memory = array.array("f", bytes(512 * 4))
    view = memoryview(memory).cast("B").cast("f", (1, 512))
    loud.process(mono, view)  # type: ignore[arg-type]
    assert np.allclose(memory, mono[0] * GAIN, atol=1e-5)


@pytest.mark.contract("2/process: more channels")
def test_outputs_beyond_the_plugins_are_left_alone(loud: plugpen.Plugin, mono: Samples) -> None:
    for dtype in (np.float32, np.float64):
        out = np.full((3, 512), 7.0, dtype)
        loud.process(mono, out)
        assert np.allclose(out[0], mono[0] * GAIN, atol=1e-5)
        assert np.all(out[1:] == 7.0)


@pytest.mark.contract("2/process: in place")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_in_place(loud: plugpen.Plugin, mono: Samples, dtype: type) -> None:
    samples = mono.astype(dtype)
    loud.process(samples, samples)
    assert np.allclose(samples, mono * GAIN, atol=1e-5)


def test_overlapping_slices(loud: plugpen.Plugin, mono: Samples) -> None:
    memory = np.zeros((1, 600), np.float32)
    memory[:, :512] = mono
    loud.process(memory[:, :512], memory[:, 88:])
    assert np.allclose(memory[:, 88:], mono * GAIN, atol=1e-5)


def test_row_slices_of_one_array(delay: plugpen.Plugin, noise: Samples) -> None:
    memory = np.vstack([noise, np.zeros_like(noise)])
    delay.process(memory[:2], memory[2:])
    assert np.array_equal(memory[:2], noise)
    assert peak(memory[2:]) > 0.01


@pytest.mark.contract(
    "2/process: frames differ",
    "2/process: frames > max_block_size",
    "2/process: fewer channels",
)
@pytest.mark.parametrize(
    ("given", "wanted", "message"),
    [
        ((1, 100), (1, 101), r"frame counts must match \(input=100, output=101\)"),
        ((1, 513), (1, 513), "Frame count 513 exceeds max block size 512"),
        ((0, 64), (1, 64), r"Input has 0 channel\(s\) but plugin requires at least 1"),
        ((1, 64), (0, 64), r"Output has 0 channel\(s\) but plugin requires at least 1"),
    ],
)
def test_shapes_that_do_not_fit(
    amp: plugpen.Plugin, given: tuple[int, int], wanted: tuple[int, int], message: str
) -> None:
    out = np.full(wanted, 7.0, np.float32)
    with pytest.raises(RuntimeError, match=message) as raised:
        amp.process(np.zeros(given, np.float32), out)
    assert isinstance(raised.value, ValueError)
    assert np.all(out == 7.0)


BLOCK = np.zeros((1, 64), np.float32)
READ_ONLY = BLOCK.copy()
READ_ONLY.flags.writeable = False


@pytest.mark.contract("2/process: 1-D, list, None, read-only", "2/process: output int")
@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (np.zeros(64, np.float32), BLOCK),
        (BLOCK, np.zeros(64, np.float32)),
        (np.zeros((1, 1, 64), np.float32), BLOCK),
        (None, BLOCK),
        (BLOCK, None),
        ("samples", BLOCK),
        (b"samples", BLOCK),
        (BLOCK.astype(complex), BLOCK),
        (BLOCK.astype(object), BLOCK),
        ([["a"]], BLOCK),
        (BLOCK, [[0.0] * 64]),
        (BLOCK, READ_ONLY),
        (BLOCK, READ_ONLY.astype(np.float64)[:, ::-1][:, ::-1].view()),
        (BLOCK, np.zeros((1, 64), np.int16)),
        (BLOCK, np.zeros((1, 64), complex)),
        (BLOCK, bytes(64)),
    ],
)
def test_what_is_no_audio(amp: plugpen.Plugin, given: object, wanted: object) -> None:
    if isinstance(wanted, np.ndarray) and wanted.dtype == np.float64:
        wanted.flags.writeable = False
    with pytest.raises(TypeError):
        amp.process(given, wanted)  # type: ignore[arg-type]


@pytest.mark.contract("2/process: frames differ: sidechain")
def test_a_sidechain_is_ignored_where_there_is_none(loud: plugpen.Plugin, mono: Samples) -> None:
    out = np.zeros_like(mono)
    loud.process_sidechain(mono, out, np.zeros((0, 512), np.float32))
    assert np.allclose(out, mono * GAIN, atol=1e-5)
    assert loud.process_sidechain_midi(mono, out, mono, []) == []
    with pytest.raises(RuntimeError, match="All buffer frame counts must match"):
        loud.process_sidechain(mono, out, mono[:, :100])


def test_a_sidechain_that_is_also_the_output(loud: plugpen.Plugin, mono: Samples) -> None:
    out = mono.copy()
    loud.process_sidechain(main_in=out, main_out=out, sidechain_in=out)
    assert np.allclose(out, mono * GAIN, atol=1e-5)


@pytest.mark.contract(
    "2/process: process_double with float32 output",
    "2/process: double precision without native support",
)
def test_double_precision_is_converted(loud: plugpen.Plugin, mono: Samples) -> None:
    out = np.zeros((1, 512))
    loud.process_double(mono.astype(np.float64), out)
    assert np.allclose(out, mono * GAIN, atol=1e-5)
    narrow = np.zeros_like(mono)
    loud.process_double(mono, narrow)
    assert np.allclose(narrow, mono * GAIN, atol=1e-5)


def test_large_blocks(open_plugin: Open) -> None:
    plugin = open_plugin(LV2 / "eg-amp.lv2", max_block_size=65536)
    samples = np.random.default_rng(1).uniform(-1, 1, (1, 65536)).astype(np.float32)
    out = np.zeros_like(samples)
    plugin.process(samples, out)
    assert np.allclose(out, samples, atol=1e-5)


@pytest.mark.contract("2/process: several threads")
def test_threads_take_turns(loud: plugpen.Plugin, mono: Samples) -> None:
    failures: list[str] = []

    def play() -> None:
        out = np.zeros_like(mono)
        for _ in range(50):
            loud.process(mono, out)
            if not np.allclose(out, mono * GAIN, atol=1e-5):
                failures.append("another thread's samples")

    threads = [threading.Thread(target=play) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.contract("2/process: the GIL is released")
@pytest.mark.parametrize("call", ["process", "get_state", "get_param"])
def test_python_runs_while_a_plugin_works(mverb: plugpen.Plugin, noise: Samples, call: str) -> None:
    arguments = {"process": (noise, np.zeros_like(noise)), "get_state": (), "get_param": (0,)}
    # It answers only once this thread has let it, which this thread must be able to do.
    os.kill(mverb.worker_pid, signal.SIGSTOP)
    began = threading.Event()
    failures: list[BaseException] = []

    def wait_for_the_plugin() -> None:
        began.set()
        try:
            getattr(mverb, call)(*arguments[call])
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=wait_for_the_plugin)
    thread.start()
    began.wait()
    os.kill(mverb.worker_pid, signal.SIGCONT)
    thread.join()
    assert failures == []


@pytest.mark.contract("2/process: several threads")
def test_one_plugin_serves_several_threads(mverb: plugpen.Plugin, noise: Samples) -> None:
    failures: list[BaseException] = []

    def play() -> None:
        out = np.zeros_like(noise)
        for _ in range(100):
            mverb.process_auto(noise, out, [], [(7, 0, 0.5)])

    def turn() -> None:
        for step in range(100):
            mverb.set_param(1, step / 100)
            assert mverb.get_param(1) == pytest.approx(step / 100, abs=1e-6)

    def keep() -> None:
        for _ in range(20):
            mverb.set_program_state(mverb.get_program_state())

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in (play, play, keep)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    guarded(turn)
    assert failures == []
    assert mverb.is_alive
