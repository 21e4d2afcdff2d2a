"""What a plugin does to sound, measured and drawn.

    >>> import plugpen
    >>> from plugpen import analysis
    >>> with plugpen.Plugin("/usr/lib/lv2/fil4.lv2", plugin=1) as equaliser:
    ...     response = analysis.frequency_response(equaliser)
    ...     found = analysis.analyze(equaliser)
    >>> found.plot().savefig("equaliser.png")

Each function plays a test signal through a `plugpen.Plugin` or `plugpen.PluginChain` that it
resets before and afterwards, and leaves parameters, program and transport as they are. Where the
plugin computes in double precision, float64 samples are played. Each returns a small object with
arrays of float64 (channels first), numbers for JSON (``to_dict()``), the result in words
(``facts()``), a plot (``plot()``, which needs matplotlib: ``pip install 'plugpen[plot]'``) and a
face of its own in notebooks.

Instruments have no input to measure from: `play_note` plays one, `analyze` takes both kinds.
"""

from ._delays import Latency, latency
from ._distortion import HarmonicDistortion, harmonic_distortion
from ._levels import Level, level
from ._notes import Note, play_note
from ._reports import Analysis, analyze
from ._responses import FrequencyResponse, ImpulseResponse, frequency_response, impulse_response
from ._spectra import Spectrogram, spectrogram
from ._sweeps import SineSweep, sine_sweep

__all__ = [
    "Analysis",
    "FrequencyResponse",
    "HarmonicDistortion",
    "ImpulseResponse",
    "Latency",
    "Level",
    "Note",
    "SineSweep",
    "Spectrogram",
    "analyze",
    "frequency_response",
    "harmonic_distortion",
    "impulse_response",
    "latency",
    "level",
    "play_note",
    "sine_sweep",
    "spectrogram",
]

for _name in __all__:
    globals()[_name].__module__ = "plugpen.analysis"
