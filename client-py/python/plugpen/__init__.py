"""Play untrusted audio plugins (LV2, VST), each in a sandboxed process of its own.

    >>> import numpy as np, plugpen
    >>> with plugpen.Plugin("/usr/lib/lv2/MVerb.lv2", sample_rate=48000) as reverb:
    ...     dry = np.zeros((2, 512), np.float32)
    ...     wet = np.zeros_like(dry)
    ...     reverb.process(dry, wet)

The life of a plugin:

1. `Plugin(path)` starts a private daemon for this Python process, unless one is running, and
   has it start a worker that loads the plugin. `connect` uses a daemon that runs elsewhere.
2. Parameters, state, programs and buses are calls to that worker.
3. `process` and its siblings move blocks of audio through shared memory. Arrays are
   ``(channels, frames)``, float32; the GIL is released while the plugin works.
4. When the plugin crashes or hangs, the call raises `PluginCrashed` or `PluginHung` with a
   `Death`, later calls raise `PluginDead`, and `Plugin.restart` brings it back as it was.
5. `close`, a ``with`` block, or the garbage collector ends the worker.

Everything that plugpen raises by itself is a `PluginError`; see it for the tree. What plugins
print goes to the logger "plugpen", at level DEBUG.
"""

import atexit as _atexit

from . import _plugpen, aio, analysis, audio_io, automation, process, render, vst2preset, vstpreset
from ._crashes import (
    CrashCall,
    CrashedPlugin,
    CrashFault,
    CrashFrame,
    CrashReport,
    CrashSummary,
    CrashThread,
)
from ._exceptions import (
    Cancelled,
    Death,
    IndexOutOfRange,
    InvalidInput,
    LimitReached,
    NotAllowed,
    PluginCrashed,
    PluginDead,
    PluginError,
    PluginHung,
    PluginNotFound,
    ServerBug,
    ServerUnavailable,
    TimedOut,
    Unsupported,
    WrongState,
)
from ._notebook import Audio
from ._plugpen import (
    MH_CHANGE_LATENCY,
    MH_CHANGE_NON_PARAM_STATE,
    MH_CHANGE_PARAM_INFO,
    MH_CHANGE_PROGRAM,
    MH_PRECISION_DOUBLE,
    MH_PRECISION_SINGLE,
    MIDI_OUT_CAPACITY,
    AudioDevice,
    MidiFile,
    MidiIn,
    NoteExpression,
    NoteOff,
    NoteOn,
    Plugin,
    PluginChain,
    Server,
    __version__,
    audio_get_capture_devices,
    audio_get_playback_devices,
    connect,
    midi_get_input_ports,
    midi_get_output_ports,
    probe,
    scan_directory,
)
from .audio_io import (
    AudioReader,
    AudioWriter,
    get_audio_info,
    read_audio,
    resample,
    write_audio,
)
from .automation import find_param_by_name, parse_automation_file, parse_param_arg
from .process import process_audio, process_audio_stream, process_audio_to_file
from .render import MidiRenderer, render_midi, render_midi_stream, render_midi_to_file
from .vst2preset import Vst2Preset, load_vst2preset, read_vst2preset, save_vst2preset
from .vstpreset import (
    VstPreset,
    load_vstpreset,
    read_vstpreset,
    save_vstpreset,
    write_vstpreset,
)

__all__ = [
    "Audio",
    "AudioDevice",
    "AudioReader",
    "AudioWriter",
    "Cancelled",
    "CrashCall",
    "CrashFault",
    "CrashFrame",
    "CrashReport",
    "CrashSummary",
    "CrashThread",
    "CrashedPlugin",
    "Death",
    "IndexOutOfRange",
    "InvalidInput",
    "LimitReached",
    "MH_CHANGE_LATENCY",
    "MH_CHANGE_NON_PARAM_STATE",
    "MH_CHANGE_PARAM_INFO",
    "MH_CHANGE_PROGRAM",
    "MH_PRECISION_DOUBLE",
    "MH_PRECISION_SINGLE",
    "MIDI_OUT_CAPACITY",
    "MidiFile",
    "MidiIn",
    "MidiRenderer",
    "NotAllowed",
    "NoteExpression",
    "NoteOff",
    "NoteOn",
    "Plugin",
    "PluginChain",
    "PluginCrashed",
    "PluginDead",
    "PluginError",
    "PluginHung",
    "PluginNotFound",
    "Server",
    "ServerBug",
    "ServerUnavailable",
    "TimedOut",
    "Unsupported",
    "Vst2Preset",
    "VstPreset",
    "WrongState",
    "__version__",
    "aio",
    "analysis",
    "audio_get_capture_devices",
    "audio_get_playback_devices",
    "audio_io",
    "automation",
    "connect",
    "find_param_by_name",
    "get_audio_info",
    "load_vst2preset",
    "load_vstpreset",
    "midi_get_input_ports",
    "midi_get_output_ports",
    "parse_automation_file",
    "parse_param_arg",
    "probe",
    "process",
    "process_audio",
    "process_audio_stream",
    "process_audio_to_file",
    "read_audio",
    "read_vst2preset",
    "read_vstpreset",
    "render",
    "render_midi",
    "render_midi_stream",
    "render_midi_to_file",
    "resample",
    "save_vst2preset",
    "save_vstpreset",
    "scan_directory",
    "vst2preset",
    "vstpreset",
    "write_audio",
    "write_vstpreset",
]

Audio.__module__ = "plugpen"
_atexit.register(_plugpen._shutdown)
