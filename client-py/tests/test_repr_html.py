"""What notebooks show: whole HTML that runs nothing, with everything escaped and bounded."""

import base64
import io
import re
import shutil
import wave
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from conftest import LV2, Open

import plugpen
from plugpen._notebook import ScanFailure, ScanResults, text

HOSTILE = "<script>alert(1)</script>'\" onload=x\n\x1b[2J" + "A" * 1000
VOID = {"br", "img", "hr"}


class checked(HTMLParser):  # noqa: N801 - reads as a function
    """Parses HTML that must be whole: every tag closed, in order, and nothing that runs."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.text = ""
        self.sources: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == [], f"not closed: {self._open}"
        assert self.tags["script"] == 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        assert not any(name.startswith("on") for name, _ in attrs), attrs
        self.sources += [value or "" for name, value in attrs if name == "src"]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def face(item: object) -> checked:
    html = item._repr_html_()  # type: ignore[attr-defined]
    assert len(html) < 16 << 20
    return checked(html)


def info(name: str) -> dict[str, object]:
    return {
        "name": name,
        "vendor": name,
        "format": "LV2",
        "num_inputs": 2,
        "num_outputs": 2,
        "identifier": name,
        "path": name,
    }


def test_texts_are_escaped_and_cut_off() -> None:
    shown = text(HOSTILE)
    assert "<" not in shown
    assert "'" not in shown
    assert '"' not in shown
    assert "\n" not in shown
    assert "\x1b" not in shown
    assert shown.endswith("A…")
    assert len(shown) < 200


def test_a_plugin_is_a_table_of_its_parameters(mverb: plugpen.Plugin) -> None:
    mverb.set_param_by_name("Mix", 0.25)
    seen = face(mverb)
    assert seen.text.startswith("MVerb")
    assert "2 inputs, 2 outputs, 48000 Hz, latency 0 samples" in seen.text
    assert "program 0 of 5" in seen.text
    assert seen.tags["tr"] == 1 + mverb.num_params
    for title in ("parameter", "value", "unit", "normalised", "0.2500", "%"):
        assert title in seen.text


def test_a_plugin_of_many_parameters_is_cut_off(open_plugin: Open) -> None:
    zyn = open_plugin(LV2 / "ZynAddSubFX.lv2")
    seen = face(zyn)
    if zyn.num_params > 200:
        assert f"… and {zyn.num_params - 200} more" in seen.text
    assert seen.tags["tr"] <= 201


def test_dead_and_closed_plugins_say_so(open_test_plugin: Open, amp: plugpen.Plugin) -> None:
    villain = open_test_plugin("villain")
    villain.set_param(villain.find_param("In run"), 1 / 12)
    output = np.zeros((2, 512), np.float32)
    with pytest.raises(plugpen.PluginCrashed) as crash:
        villain.process(output, output)
    for item in (villain, crash.value.death):
        seen = face(item)
        assert "SIGSEGV" in seen.text
        assert "process" in seen.text
    amp.close()
    assert "closed" in face(amp).text


def test_the_last_words_of_a_plugin_are_escaped() -> None:
    death = plugpen.Death(
        kind="SIGNAL", signal=11, call=HOSTILE, output=(HOSTILE,) * 100, summary=HOSTILE
    )
    seen = face(death)
    assert seen.text.count("alert(1)") == 22
    assert seen.tags["pre"] == 1


def test_a_chain_is_a_table_of_its_plugins(delay: plugpen.Plugin, mverb: plugpen.Plugin) -> None:
    with plugpen.PluginChain([delay, mverb]) as chain:
        chain.set_mix(1, 0.5)
        seen = face(chain)
        assert seen.tags["tr"] == 3
        for word in ("MDA Delay", "MVerb", "0.5", "alive"):
            assert word in seen.text
    assert "closed" in face(chain).text


def test_a_midi_file_is_a_table_and_a_piano_roll() -> None:
    midi = plugpen.MidiFile()
    assert face(midi).tags["svg"] == 0
    for number in range(3000):
        midi.add_note_on(0, number * 10, number % 16, 40 + number % 40, 100)
        midi.add_note_off(0, number * 10 + 8, number % 16, 40 + number % 40)
    seen = face(midi)
    assert seen.tags["rect"] == 2000
    assert "… and 1000 more notes" in seen.text
    assert "40 to 79" in seen.text


def test_scan_results_are_a_list_and_a_table(real_plugins: None, tmp_path: Path) -> None:
    shutil.copytree(LV2 / "mda.lv2", tmp_path / "mda.lv2")
    found = plugpen.scan_directory(tmp_path)
    assert isinstance(found, list)
    assert isinstance(found, ScanResults)
    assert found.failures == []
    seen = face(found)
    assert "MDA Delay" in seen.text
    assert seen.text.startswith(f"{len(found)} plugins")


def failure(path: str) -> ScanFailure:
    return {"path": path, "reason": "PLUGIN_CRASHED", "message": "crashed", "death": None}


def test_scan_results_are_escaped_and_cut_off() -> None:
    found = ScanResults([info(HOSTILE)] * 300, [failure("/lib/" + HOSTILE)] * 300)  # type: ignore[list-item]
    seen = face(found)
    assert "… and 100 more" in seen.text
    assert "300 files could not be read" in seen.text
    assert seen.tags["tr"] == 402


def test_a_scan_tells_what_it_could_not_read(tmp_path: Path, daemon: None) -> None:
    (tmp_path / "broken.vst3").write_text("no module")
    found = plugpen.scan_directory(tmp_path)
    assert found == []
    assert [failure["path"] for failure in found.failures] == [str(tmp_path / "broken.vst3")]
    assert "1 file could not be read" in face(found).text


def tone(channels: int, frames: int) -> np.ndarray:
    return np.tile(0.5 * np.sin(np.arange(frames) / 10).astype(np.float32), (channels, 1))


@pytest.mark.parametrize("channels", [1, 2, 3, 20])
def test_audio_is_a_waveform_and_a_player(channels: int) -> None:
    audio = plugpen.Audio(tone(channels, 48000), 48000, name=HOSTILE)
    seen = face(audio)
    assert seen.tags["svg"] == min(channels, 8)
    assert seen.tags["audio"] == 1
    assert ("the first two channels" in seen.text) == (channels > 2)
    assert ("… and 12 more channels" in seen.text) == (channels == 20)
    assert "peak -6.0 dBFS" in seen.text
    data = base64.b64decode(seen.sources[0].removeprefix("data:audio/wav;base64,"))
    with wave.open(io.BytesIO(data)) as file:
        assert file.getparams()[:4] == (min(channels, 2), 2, 48000, 48000)
        played = np.frombuffer(file.readframes(48000), "<i2").reshape(-1, min(channels, 2)).T
    np.testing.assert_allclose(played[0] / 32767, audio.samples[0], atol=1 / 32767)


def test_long_audio_is_cut_off_in_the_player() -> None:
    audio = plugpen.Audio(tone(2, 10_000_000), 48000)
    html = audio._repr_html_()
    assert len(html) < 12 << 20
    assert re.search(r"the player has the first 43\.7 s", checked(html).text)
    assert audio.duration_seconds == pytest.approx(208.33, abs=0.01)


def test_strange_audio_is_shown_too() -> None:
    assert "0.00 s" in face(plugpen.Audio(np.zeros((2, 0)), 48000)).text
    loud = plugpen.Audio([[0.0, 4.0, -4.0, np.nan, np.inf]], 8000)
    assert face(loud).tags["polygon"] == 1
    assert "peak -inf" in repr(plugpen.Audio(np.zeros(10), 44100.0))


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        (np.zeros((1, 2, 3)), 48000, r"\(channels, frames\)"),
        (np.zeros((0, 3)), 48000, r"\(channels, frames\)"),
        (np.zeros((2, 3)), 0, "sample_rate"),
        (np.zeros((2, 3)), float("nan"), "sample_rate"),
    ],
)
def test_what_is_no_audio_is_refused(samples: np.ndarray, rate: float, message: str) -> None:
    with pytest.raises(plugpen.InvalidInput, match=message):
        plugpen.Audio(samples, rate)
