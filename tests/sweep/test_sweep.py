"""What the sweep makes of results; the sweep itself is run by `./dev test`."""

from __future__ import annotations

import json
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from course import Result
from known import Known, explanation, load, odd_explanation
from sweep import Results, report


def died(step: str = "open", signal: str = "SIGSEGV") -> Result:
    return Result("k", "VST2", "/x/a.so", "", "A", "died", step, "A died", "SIGNAL", signal)


def test_a_death_is_explained_by_format_name_end_and_step() -> None:
    entry = Known("VST2", "*/a.so", "died", "SIGSEGV", "a.so+0x12", ("open",))
    assert explanation(died(), [entry]) is entry
    assert explanation(died(step="close"), [entry]) is None
    assert explanation(died(signal="SIGABRT"), [entry]) is None
    refused = Result("k", "VST2", "/x/a.so", "", "A", "refused", "open", "no SIGSEGV here")
    assert explanation(refused, [entry]) is None
    other = Result("k", "LV2", "/x/a.so", "", "A", "died", "open", "", "SIGNAL", "SIGSEGV")
    assert explanation(other, [entry]) is None


def test_what_is_odd_is_explained_note_by_note(capsys: pytest.CaptureFixture[str]) -> None:
    result = Result("k", "LV2", "/x", "urn:a", "A", "ok", notes=["play: output that is no number"])
    entry = Known("LV2", "urn:a", "odd", "no number", "divides by zero")
    assert odd_explanation(result, [entry]) is entry
    assert report([result], [entry], 1.0)
    assert "odd: known: divides by zero" in capsys.readouterr().out
    result.notes.append("parameter 3 (Gain) is 1.5")
    assert odd_explanation(result, [entry]) is None
    assert report([result], [entry], 1.0)
    assert "1 with odd values or output, 1 of them not known" in capsys.readouterr().out


def test_an_unexplained_end_fails_and_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert not report([died()], [], 1.0)
    assert "NOT KNOWN, open: A died" in capsys.readouterr().out
    assert report([died()], [Known("VST2", "*", "died", "SIG*", "why")], 1.0)
    assert "1 passed; 0 failed" in capsys.readouterr().out


def test_an_interrupted_sweep_goes_on(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "sub/results.jsonl"
    Results(file, {"worker": 1}, fresh=False).add(died())
    with file.open("a") as half:
        half.write('{"key": "half a li')
    assert [r.name for r in Results(file, {"worker": 1}, fresh=False).list] == ["A"]
    assert Results(file, {"worker": 2}, fresh=False).list == []
    Results(file, {"worker": 2}, fresh=False).add(died())
    assert Results(file, {"worker": 2}, fresh=True).list == []


def test_every_known_end_has_its_evidence(tmp_path: pathlib.Path) -> None:
    assert load()
    file = tmp_path / "known.json"
    entry = {"format": "LV2", "plugin": "x", "outcome": "died", "how": "SIGSEGV", "evidence": ""}
    file.write_text(json.dumps([entry]))
    with pytest.raises(SystemExit, match="evidence"):
        load(file)
