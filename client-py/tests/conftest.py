"""Plugins to play, on the daemon that PLUGPEN_BIN_DIR or the installed package holds."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np
import numpy.typing as npt
import pytest

import plugpen

LV2 = Path("/usr/lib/lv2")
# No test meets this machine's sound system: ALSA has a null device, and JACK a server that the
# tests of devices start. Daemons inherit it, so it is set before the first one runs.
ALSA_NULL = "pcm.!default { type null }\n"
_folder = tempfile.TemporaryDirectory(prefix="plugpen-tests-")
os.environ["ALSA_CONFIG_PATH"] = f"{_folder.name}/asound.conf"
Path(os.environ["ALSA_CONFIG_PATH"]).write_text(ALSA_NULL)
os.environ["JACK_DEFAULT_SERVER"] = f"plugpen-tests-{os.getpid()}"
os.environ["JACK_NO_START_SERVER"] = "1"
EPIANO = "http://drobilla.net/plugins/mda/EPiano"
DELAY = "http://drobilla.net/plugins/mda/Delay"

Open = Callable[..., plugpen.Plugin]


def missing(what: str) -> NoReturn:
    """Ends a test that cannot run: a skip, or a failure where `./dev test` set everything up."""
    if "PLUGPEN_REAL_PLUGINS" in os.environ:
        pytest.fail(f"{what}, and PLUGPEN_REAL_PLUGINS demands it: run ./dev setup")
    pytest.skip(what)


def daemon_is_there() -> bool:
    folders = [
        os.environ.get("PLUGPEN_BIN_DIR"),
        str(Path(plugpen.__file__).parent / "bin"),
    ]
    paths = os.pathsep.join(filter(None, folders))
    return bool(
        shutil.which("plugpend", path=paths)
        or shutil.which("plugpend")
        or os.environ.get("PLUGPEN_SERVER")
    )


@pytest.fixture(scope="session")
def daemon() -> None:
    if not daemon_is_there():
        missing("no plugpend; set PLUGPEN_BIN_DIR to the folder that holds it")


@pytest.fixture
def real_plugins(daemon: None) -> None:
    """Debian's small set is installed."""
    for bundle in ("mda.lv2", "MVerb.lv2", "eg-amp.lv2"):
        if not (LV2 / bundle).exists():
            missing(f"{bundle} is not installed")


@pytest.fixture
def open_plugin(daemon: None) -> Iterator[Open]:
    """`plugpen.Plugin`, closed after the test; skips where the plugin is not installed."""
    opened = []

    def open_plugin(path: str | Path, *args: object, **options: object) -> plugpen.Plugin:
        if not Path(path).exists():
            missing(f"{path} is not installed")
        plugin = plugpen.Plugin(path, *args, **options)  # type: ignore[arg-type]
        opened.append(plugin)
        return plugin

    yield open_plugin
    for plugin in opened:
        plugin.close()


@pytest.fixture
def test_bundles(daemon: None) -> Path:
    """The folder of the repository's own plugins, in every format."""
    plugins = os.environ.get("PLUGPEN_TEST_PLUGINS")
    if not plugins:
        missing("no test plugins; set PLUGPEN_TEST_PLUGINS to the folder of plugpen-test.lv2")
    return Path(plugins)


@pytest.fixture
def open_test_plugin(test_bundles: Path, open_plugin: Open) -> Open:
    """Opens one of the repository's own plugins, by the last part of its URI."""
    bundle = test_bundles / "plugpen-test.lv2"

    def open_test_plugin(name: str, *args: object, **options: object) -> plugpen.Plugin:
        return open_plugin(bundle, *args, plugin=f"urn:plugpen:test:{name}", **options)

    return open_test_plugin


@pytest.fixture
def target(daemon: None, tmp_path: Path) -> Iterator[str]:
    """A daemon of its own."""
    folders = [os.environ.get("PLUGPEN_BIN_DIR"), str(Path(plugpen.__file__).parent / "bin")]
    program = shutil.which("plugpend", path=os.pathsep.join(filter(None, folders)))
    if program is None:
        missing("no plugpend that could be started")
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    # The daemon says "ready" on the pair, and ends when the other end closes.
    lifeline, other = socket.socketpair()
    command = [program, "--private", "--lifeline-fd", str(other.fileno())]
    process = subprocess.Popen(
        [*command, "--runtime-dir", str(runtime)],
        pass_fds=[other.fileno()],
        stderr=subprocess.DEVNULL,
    )
    other.close()
    lifeline.settimeout(30)
    assert lifeline.recv(6) == b"ready\n"
    yield f"unix:{runtime / 'plugpend.sock'}"
    lifeline.close()
    process.wait(30)


@pytest.fixture
def amp(open_plugin: Open) -> plugpen.Plugin:
    """One channel, one parameter (gain, -90 to 24 dB)."""
    return open_plugin(LV2 / "eg-amp.lv2")


@pytest.fixture
def delay(open_plugin: Open) -> plugpen.Plugin:
    """Two channels, six parameters."""
    return open_plugin(LV2 / "mda.lv2", plugin="MDA Delay")


@pytest.fixture
def mverb(open_plugin: Open) -> plugpen.Plugin:
    """Two channels, nine parameters, five programs."""
    return open_plugin(LV2 / "MVerb.lv2")


@pytest.fixture
def epiano(open_plugin: Open) -> plugpen.Plugin:
    """An instrument: no input, two outputs, twelve parameters, five programs."""
    return open_plugin(LV2 / "mda.lv2", plugin="MDA ePiano")


@pytest.fixture
def noise() -> npt.NDArray[np.float32]:
    """Two channels of 512 frames."""
    generator = np.random.default_rng(7)
    return generator.uniform(-0.5, 0.5, (2, 512)).astype(np.float32)


def peak(samples: npt.NDArray[np.floating]) -> float:
    return float(np.max(np.abs(samples), initial=0.0))
