"""What all results have in common: facts, plots, a face in notebooks."""

from __future__ import annotations

import base64
import html
import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Channels that plots show; a plugin may have 64.
MOST_CHANNELS = 8
# Characters of a plugin's name in titles.
_LONGEST_NAME = 80
# Most points of a line: more than a plot has pixels.
_MOST_POINTS = 20_000


def plain(text: str) -> str:
    """A plugin's text on one line of bounded length, for titles."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    if len(printable) > _LONGEST_NAME:
        return printable[: _LONGEST_NAME - 1] + "…"
    return printable


def new_figure(width: float, height: float) -> Figure:
    """A figure that belongs to no window. Inches."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "plots need matplotlib, which is not installed: pip install 'plugpen[plot]'"
        ) from error
    return Figure(figsize=(width, height), layout="constrained")


def headline(figure: Figure, text: str) -> None:
    """A title in which nothing is taken for a formula."""
    figure.suptitle(plain(text), parse_math=False)


def thinned(x: Any, y: Any) -> tuple[Any, Any]:
    """A line with so many points as can be seen: of more, the least and greatest of each piece."""
    step = len(x) // (_MOST_POINTS // 2)
    if step < 2:
        return x, y
    count = len(x) // step
    pieces = np.asarray(y)[: count * step].reshape(count, step)
    both = np.stack([pieces.min(axis=1), pieces.max(axis=1)], axis=1).ravel()
    return np.repeat(np.asarray(x)[: count * step : step], 2), both


def frequency_axis(axes: Axes, low_hz: float, high_hz: float) -> None:
    """A logarithmic axis that is labelled in plain numbers."""
    ticks = (20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 10e3, 20e3, 50e3, 100e3)
    # The first bin lies a little above what was asked for.
    shown = [tick for tick in ticks if 0.95 * low_hz <= tick <= high_hz]
    axes.set_xscale("log")
    axes.set_xlim(min([low_hz, *shown]), high_hz)
    axes.set_xticks(shown, [f"{f / 1000:g}k" if f >= 1000 else f"{f:g}" for f in shown])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("Hz")
    axes.grid(alpha=0.3)


def channel_name(index: int, count: int) -> str:
    """What a channel is called in a plot."""
    if count == 2:
        return ("left", "right")[index]
    return f"channel {index + 1}" if count > 1 else "mono"


def number(value: float) -> float | None:
    """A number as JSON has it: None for what is infinite or none."""
    return float(value) if math.isfinite(value) else None


def numbers(values: Any) -> list[float | None]:
    """A row of numbers as JSON has them."""
    return [number(value) for value in np.asarray(values, np.float64).ravel()]


def joined(values: Any, form: str, unit: str) -> str:
    """A value for each channel, or one where all read the same: ``-80.1 / -80.3 dB``."""
    # What rounds to zero has no sign.
    texts = [format(float(value), form) for value in np.asarray(values).ravel()[:MOST_CHANNELS]]
    texts = [text.removeprefix("-") if float(text) == 0 else text for text in texts]
    shown = texts[:1] if len(set(texts)) == 1 else texts
    return f"{' / '.join(shown)} {unit}".rstrip()


class Result:
    """What was found out about a plugin."""

    plugin_name: str

    def facts(self) -> list[tuple[str, str]]:
        """The result in words: pairs of a name and a value with its unit."""
        raise NotImplementedError

    def plot(self) -> Figure:
        """Draw the result.

        Returns:
            A `matplotlib.figure.Figure` that belongs to no window; its ``savefig(path)`` writes
            it, and a notebook shows the result itself.

        Raises:
            ImportError: matplotlib is missing; ``pip install 'plugpen[plot]'`` brings it.
        """
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """The numbers, for JSON: None stands for what is infinite or was not found."""
        raise NotImplementedError

    def __repr__(self) -> str:
        said = ", ".join(f"{name} {value}" for name, value in self.facts())
        return f"<plugpen.analysis.{type(self).__name__} of '{plain(self.plugin_name)}': {said}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
            f"<td style='text-align:left'>{html.escape(value)}</td></tr>"
            for name, value in self.facts()
        )
        title = f"{type(self).__name__}: {html.escape(plain(self.plugin_name))}"
        try:
            figure = self.plot()
        except ImportError as error:
            picture = f"<p>{html.escape(str(error))}</p>"
        else:
            file = io.BytesIO()
            figure.savefig(file, format="png", dpi=80)
            data = base64.b64encode(file.getvalue()).decode("ascii")
            picture = f"<img alt='{title}' src='data:image/png;base64,{data}'>"
        return f"<div><b>{title}</b><table>{rows}</table>{picture}</div>"
