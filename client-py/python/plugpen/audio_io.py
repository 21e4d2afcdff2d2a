"""Audio files and sample rates; arrays are ``(channels, frames)``, float32."""

from ._plugpen import (
    AudioReader,
    AudioWriter,
    get_audio_info,
    read_audio,
    resample,
    write_audio,
)

__all__ = [
    "AudioReader",
    "AudioWriter",
    "get_audio_info",
    "read_audio",
    "resample",
    "write_audio",
]
