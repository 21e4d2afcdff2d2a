"""The types that users see are those of the native module."""

import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent


@pytest.mark.parametrize(
    "command",
    [
        ["mypy", "--config-file", "pyproject.toml"],
        ["mypy.stubtest", "plugpen._plugpen", "--mypy-config-file", "pyproject.toml"],
    ],
)
def test_mypy_agrees(command: list[str]) -> None:
    checked = subprocess.run(
        [sys.executable, "-m", *command], cwd=PACKAGE, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
