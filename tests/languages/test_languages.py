"""The example clients of other languages, against a real plugpend, on every transport."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

HERE = pathlib.Path(__file__).parent
REPOSITORY = HERE.parents[1]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
BINARIES = pathlib.Path(os.environ.get("PLUGPEN_BIN_DIR", TARGET / "release"))
MVERB = "/usr/lib/lv2/MVerb.lv2"


def run(*command: object, **options: object) -> str:
    texts = [str(part) for part in command]
    done = subprocess.run(texts, capture_output=True, text=True, timeout=120, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[str]]]:
    """A daemon that listens everywhere, and the arguments to reach it by."""
    folder = tmp_path_factory.mktemp("daemon")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    run(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        *("-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", names),
        *("-keyout", key, "-out", certificate),
    )
    socket = folder / "plugpend.sock"
    listen = [f"unix:{socket}", "https://127.0.0.1:0", "http://127.0.0.1:0"]
    command = [
        *(BINARIES / "plugpend", "--runtime-dir", folder / "run", "--log-format", "json"),
        *("--tls-cert", certificate, "--tls-key", key, "--insecure-loopback"),
        *(part for address in listen for part in ("--listen", address)),
    ]
    with subprocess.Popen(
        [str(part) for part in command], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            said = json.loads(line)
            if said.get("message") == "ready":
                break
        else:
            pytest.fail("plugpend ended before it was ready")
        addresses = (
            json.loads(said["listen"]) if isinstance(said["listen"], str) else said["listen"]
        )
        tls, plain = (address.split("//")[1] for address in addresses[1:])
        # The one of whoever runs the daemon; others are given tokens of their own.
        with_token = ["--token-file", str(folder / "run/token")]
        try:
            yield {
                "unix": [f"unix:{socket}", *with_token],
                "tls": [tls, "--ca", str(certificate), *with_token],
                "tcp": [plain, *with_token],
            }
        finally:
            process.terminate()
            process.stderr.close()


@pytest.fixture(scope="module")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """What protoc makes of the .proto files for Python."""
    folder = tmp_path_factory.mktemp("stubs")
    protos = sorted((REPOSITORY / "proto/plugpen/v1").glob("*.proto"))
    run(
        *(sys.executable, "-m", "grpc_tools.protoc", "-I", REPOSITORY / "proto"),
        *(f"--python_out={folder}", f"--grpc_python_out={folder}", *protos),
    )
    # Else the installed package of that name would be found first.
    for package in ("plugpen", "plugpen/v1"):
        (folder / package / "__init__.py").touch()
    return folder


@pytest.fixture(scope="module")
def node() -> pathlib.Path:
    """The example with its packages."""
    folder = TARGET / "node"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "client.mjs"):
        shutil.copy(HERE / "node" / name, folder)
    if not (folder / "node_modules").is_dir():
        run("npm", "install", "--no-package-lock", "--no-audit", "--no-fund", cwd=folder)
    return folder / "client.mjs"


def check(output: str, reasons: set[str]) -> None:
    told = json.loads(output.splitlines()[-1])
    assert told["plugin"] == "MVerb" and "MVerb" in told["plugins"]
    assert told["energy"] > 1.0
    assert told["said"] in reasons
    assert told["events"][0] == "snapshot" and "died" in told["events"]
    # A fresh reverb, told the same, does the same.
    assert told["energy_after_restart"] == pytest.approx(told["energy"], rel=1e-6)


@pytest.mark.parametrize("transport", ["unix", "tls", "tcp"])
def test_python_with_plain_grpcio(
    daemon: dict[str, list[str]], stubs: pathlib.Path, transport: str
) -> None:
    client = HERE / "python/client.py"
    environment = os.environ | {"PYTHONPATH": str(stubs)}
    output = run(sys.executable, client, *daemon[transport], "--plugin", MVERB, env=environment)
    check(output, {"PLUGIN_DEAD"})


@pytest.mark.parametrize("transport", ["unix", "tls", "tcp"])
def test_node_with_grpc_js(
    daemon: dict[str, list[str]], node: pathlib.Path, transport: str
) -> None:
    proto = REPOSITORY / "proto"
    output = run("node", node, *daemon[transport], "--plugin", MVERB, "--proto", proto)
    check(output, {"FAILED_PRECONDITION"})
