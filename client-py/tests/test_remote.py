"""Daemons on a port: connect() with tokens and certificates, made as docs/remote.md says."""

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from conftest import LV2, missing
from test_documents import REPOSITORY, SHELLS, blocks

import plugpen
from plugpen.aio import AsyncServer


@dataclass
class Box:
    """A daemon that listens with TLS, and the folder with its certificates."""

    url: str
    folder: Path
    token: str

    @property
    def ca(self) -> Path:
        return self.folder / "authority.pem"


@pytest.fixture(scope="module")
def box(daemon: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    folder = tmp_path_factory.mktemp("box")
    programs = os.environ.get("PLUGPEN_BIN_DIR") or str(Path(plugpen.__file__).parent / "bin")
    path = os.pathsep.join([programs, os.environ.get("PATH", "")])
    program = shutil.which("plugpend", path=path)
    if program is None or shutil.which("openssl") is None:
        missing("no plugpend or no openssl")
    page = blocks(REPOSITORY / "docs/remote.md")
    for block in page:
        if block.language in SHELLS and not block.reason:
            subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block.code],
                cwd=folder,
                env={**os.environ, "PATH": path},
                check=True,
            )
    files = ["--tls-cert", "box.pem", "--tls-key", "box.key", "--tls-client-ca", "authority.pem"]
    files += ["--tokens", "tokens.toml", "--runtime-dir", "run"]
    process = subprocess.Popen(
        [program, "--listen", "https://127.0.0.1:0", "--log-format", "json", *files],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    with process.stderr:
        for line in process.stderr:
            said = json.loads(line)
            if said["message"] == "ready":
                break
        [url] = json.loads(said["listen"])
        yield Box(url, folder, (folder / "notebook.token").read_text().strip())
        process.terminate()
        process.wait(30)


@pytest.mark.usefixtures("real_plugins")
def test_a_plugin_elsewhere_plays_what_one_here_plays(
    box: Box, mverb: plugpen.Plugin, noise: npt.NDArray[np.float32]
) -> None:
    with plugpen.connect(box.url, token=box.token, ca=box.ca) as server:
        assert box.url in repr(server)
        far = server.Plugin(LV2 / "MVerb.lv2")
        outputs = []
        for plugin in (mverb, far):
            plugin.set_param(0, 0.75)
            heard = [np.zeros_like(noise) for _ in range(20)]
            for block in heard:
                plugin.process(noise, block)
            outputs.append(np.hstack(heard))
        assert np.any(outputs[0])
        np.testing.assert_array_equal(*outputs)
        assert far.get_state() == mverb.get_state()


def test_who_gets_in(box: Box) -> None:
    with pytest.raises(plugpen.NotAllowed, match="plugpen token"):
        plugpen.connect(box.url, token="a guess", ca=box.ca)
    with pytest.raises(plugpen.NotAllowed, match="ca="):
        plugpen.connect(box.url, token=box.token)
    with pytest.raises(plugpen.PluginNotFound, match="nowhere"):
        plugpen.connect(box.url, token=box.token, ca="/nowhere/ca.pem")
    with pytest.raises(plugpen.InvalidInput, match="client_key"):
        plugpen.connect(box.url, ca=box.ca, client_cert=box.ca)
    with pytest.raises(plugpen.InvalidInput, match="in the clear"):
        plugpen.connect("http://192.0.2.1:7380")
    with pytest.raises(TypeError):
        plugpen.connect(box.url, token=3)  # type: ignore[arg-type]
    # A certificate of its authority stands for a token.
    own = {"client_cert": box.folder / "box.pem", "client_key": box.folder / "box.key"}
    with plugpen.connect(box.url, ca=box.ca, **own) as server:
        assert server.info()["version"] == plugpen.__version__


def test_paths_are_those_of_the_other_machine(box: Box) -> None:
    with plugpen.connect(box.url, box.token, box.ca) as server:
        with pytest.raises(plugpen.InvalidInput, match="another machine"):
            server.Plugin("MVerb.lv2")
        with pytest.raises(plugpen.NotAllowed, match="plugin_folders"):
            server.Plugin("/etc/passwd")
        with pytest.raises(plugpen.NotAllowed):
            server.plugins(all_sessions=True)


def test_the_environment_says_it_all(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLUGPEN_TOKEN", box.token)
    monkeypatch.setenv("PLUGPEN_CA", str(box.ca))
    with plugpen.connect(box.url) as server:
        assert server.plugins() == []


def test_the_same_on_asyncio(box: Box) -> None:
    async def ask() -> list[dict[str, object]]:
        async with await AsyncServer.connect(box.url, box.token, ca=box.ca) as server:
            return await server.plugins()

    assert asyncio.run(ask()) == []
