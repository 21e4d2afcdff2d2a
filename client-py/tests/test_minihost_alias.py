"""Programs written for minihost run, unchanged, on a package of that name that is plugpen."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import LV2, missing

HERE = Path(__file__).parent
PROGRAMS = sorted((HERE / "minihost_programs").glob("*.py"))
PLUGINS = (LV2 / "MVerb.lv2", LV2 / "mda.lv2", Path("/usr/lib/vst3/ZamVerb.vst3"))


@pytest.mark.contract("0/1 names: a package named minihost stands in")
@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda path: path.name)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_a_program_for_minihost_runs(
    daemon: None, tmp_path: Path, program: Path, plugin: Path
) -> None:
    if not plugin.exists():
        missing(f"{plugin} is not installed")
    arguments = [plugin] if program.stem == "inspect_plugin" else [plugin, tmp_path]
    ended = subprocess.run(
        [sys.executable, "-W", "error", program, *arguments],
        env=os.environ | {"PYTHONPATH": str(HERE / "minihost_alias")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stderr == ""
    assert ended.returncode == 0
    assert ended.stdout.splitlines()[-1].startswith("done")
