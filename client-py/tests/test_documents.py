"""Every example in README.md and docs/ runs, or says in the line above why it does not."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import missing

import plugpen

REPOSITORY = Path(__file__).parents[2]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
SHELLS = {"bash", "sh"}
REASON = re.compile(r"<!-- not run: (\S.*) -->")


@dataclass
class Block:
    """A fenced block of a page."""

    language: str
    code: str
    line: int
    reason: str


def blocks(page: Path) -> list[Block]:
    """All of a page, in order."""
    found = []
    lines = page.read_text().splitlines()
    start, language = -1, ""
    for number, line in enumerate(lines):
        if start < 0 and line.startswith("```"):
            start, language = number, line[3:].strip()
        elif start >= 0 and line == "```":
            above = REASON.fullmatch(lines[start - 1]) if start else None
            code = "\n".join(lines[start + 1 : number]) + "\n"
            found.append(Block(language, code, start + 1, above[1] if above else ""))
            start = -1
    assert start < 0, f"{page}:{start + 1}: a block without an end"
    return found


def name(page: Path) -> str:
    return page.name


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_block_runs_or_says_why_not(page: Path) -> None:
    silent = [
        f"{page.name}:{block.line}: {block.language or 'no language'}"
        for block in blocks(page)
        if not block.reason and block.language != "python" and block.language not in SHELLS
    ]
    assert silent == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_the_python_of_a_page_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, real_plugins: None
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": page.stem}
    for block in blocks(page):
        if block.language == "python" and not block.reason:
            # Tracebacks name the line of the page.
            code = "\n" * block.line + block.code
            exec(compile(code, str(page), "exec"), names)


@pytest.mark.usefixtures("real_plugins")
def test_the_wheel_brings_the_command() -> None:
    """As a user has it: no folder of programs is named."""
    program = Path(sys.executable).with_name("plugpen")
    environment = {name: value for name, value in os.environ.items() if name != "PLUGPEN_BIN_DIR"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, *arguments], env=environment, capture_output=True, text=True, check=False
        )

    assert run("--version").stdout.split() == ["plugpen", plugpen.__version__]
    described = run("info", "/usr/lib/lv2/MVerb.lv2", "--json")
    assert (json.loads(described.stdout)["name"], described.stderr) == ("MVerb", "")
    # The code of the program is the command's.
    assert run("info", "/nowhere.lv2").returncode == 3


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_the_shell_of_a_page_runs(page: Path, tmp_path: Path, real_plugins: None) -> None:
    programs = os.environ.get("PLUGPEN_BIN_DIR") or missing("PLUGPEN_BIN_DIR is not set")
    shutil.copy(REPOSITORY / "tests/data/prelude.mid", tmp_path / "song.mid")
    paths = [programs, str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    environment = {
        **os.environ,
        "PATH": os.pathsep.join(paths),
        "PLUGPEN_PYTHON": sys.executable,
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    for block in blocks(page):
        if block.language in SHELLS and not block.reason:
            ran = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block.code],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert ran.returncode == 0, f"{page.name}:{block.line}: {ran.stdout}{ran.stderr}"
