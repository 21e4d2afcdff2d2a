"""Plots, notebook faces and the command line of plugpen.analysis."""

import dataclasses
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import LV2, Open, missing
from test_repr_html import checked

import plugpen
from plugpen import analysis
from plugpen.analysis.__main__ import main

HOSTILE = "<script>alert(1)</script> $\\frac{1}{$ \n\x1b[2J " + "x" * 500


@pytest.fixture
def found(open_test_plugin: Open) -> analysis.Analysis:
    found = analysis.analyze(open_test_plugin("gain"))
    assert isinstance(found, analysis.Analysis)
    return found


@pytest.fixture
def note(open_test_plugin: Open) -> analysis.Note:
    return analysis.play_note(open_test_plugin("beep"), release_seconds=0.1)


def test_a_sweep_shows_inputs_over_outputs(found: analysis.Analysis) -> None:
    axes = found.sweep.plot().axes
    titles = [place.get_title() for place in axes if place.get_title()]
    assert titles == ["input, left", "input, right", "output, left", "output, right"]


def test_everything_can_be_drawn(found: analysis.Analysis, note: analysis.Note) -> None:
    for result in (*_parts(found), found, note, note.level()):
        file = io.BytesIO()
        result.plot().savefig(file, format="png", dpi=40)
        assert file.getvalue().startswith(b"\x89PNG")
        json.dumps(result.to_dict(), allow_nan=False)


def test_faces_in_notebooks(found: analysis.Analysis, note: analysis.Note) -> None:
    for result in (*_parts(found), note):
        hostile = dataclasses.replace(result, plugin_name=HOSTILE)
        html = hostile._repr_html_()
        assert len(html) < 1_000_000
        assert checked(html).tags["img"] == 1
        assert "alert(1)" in html
        assert "xxxxx…" in html
        assert len(repr(hostile)) < 1000


@pytest.mark.parametrize("rate", [8000.0, 192000.0])
def test_silence_at_any_rate_can_be_drawn_too(open_test_plugin: Open, rate: float) -> None:
    muted = open_test_plugin("gain", sample_rate=rate)
    muted.set_param(0, 0.0)
    found = analysis.analyze(muted)
    assert found.plot().axes
    assert found.to_dict()["distortion"]["thd_db"] == [None, None]
    json.dumps(found.to_dict(), allow_nan=False)


def test_more_channels_than_fit(found: analysis.Analysis) -> None:
    rows = found.sweep.inputs.repeat(10, axis=0)
    sweep = dataclasses.replace(found.sweep, inputs=rows, outputs=rows)
    titles = [place.get_title() for place in sweep.plot().axes]
    assert "output, channel 8 (of 20)" in titles


def test_without_matplotlib(found: analysis.Analysis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'plugpen\[plot\]'"):
        found.plot()
    assert "pip install" in found._repr_html_()


def test_the_command_prints_and_draws(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], real_plugins: None
) -> None:
    plot = tmp_path / "out.png"
    assert main([str(LV2 / "MVerb.lv2"), "--plot", str(plot)]) == 0
    assert plot.read_bytes().startswith(b"\x89PNG")
    text = capsys.readouterr().out
    assert text.startswith("MVerb\n")
    assert "latency, measured" in text
    arguments = ["--json", "--program", "1", "--param", "Gain:0.5", "--param", "Mix:25 %"]
    assert main([str(LV2 / "MVerb.lv2"), *arguments]) == 0
    numbers = json.loads(capsys.readouterr().out)
    assert numbers["plugin"] == "MVerb"
    assert set(numbers) >= {"sweep", "frequency_response", "distortion", "latency", "level"}


def test_the_command_plays_instruments(
    capsys: pytest.CaptureFixture[str], real_plugins: None
) -> None:
    assert main([str(LV2 / "mda.lv2"), "-p", "MDA ePiano", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pitch"] == 60


def test_plugpen_analyze_does_the_same(tmp_path: Path, real_plugins: None) -> None:
    programs = os.environ.get("PLUGPEN_BIN_DIR") or missing("PLUGPEN_BIN_DIR is not set")
    plot = tmp_path / "out.png"
    ran = subprocess.run(
        [Path(programs) / "plugpen", "analyze", LV2 / "MVerb.lv2", "--plot", plot, "--json"],
        env={**os.environ, "PLUGPEN_PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["latency"]["measured_samples"] == 0
    assert plot.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["/nowhere.lv2"], 3, "nowhere"),
        ([str(LV2 / "MVerb.lv2"), "--plot", "x.nothing"], 1, "nothing"),
        ([str(LV2 / "MVerb.lv2"), "--param", "Foo:1"], 1, "Foo"),
        ([str(LV2 / "MVerb.lv2"), "--param", "Mix"], 2, "NAME:VALUE"),
        ([], 2, "PLUGIN"),
    ],
)
def test_the_command_says_what_is_wrong(
    arguments: list[str],
    code: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
    real_plugins: None,
) -> None:
    try:
        left = main(arguments)
    except SystemExit as exit_:
        left = int(str(exit_.code))
    assert left == code
    assert message in capsys.readouterr().err


def _parts(found: analysis.Analysis) -> list[plugpen.analysis.SineSweep]:
    return [
        getattr(found, field.name)
        for field in dataclasses.fields(found)
        if field.name != "plugin_name"
    ]
