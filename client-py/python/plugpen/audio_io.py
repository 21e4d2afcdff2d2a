"""Audio files and sample rates; arrays are ``(channels, frames)``, float32."""

from ._plugpen import get_audio_info, read_audio, resample, write_audio

__all__ = ["get_audio_info", "read_audio", "resample", "write_audio"]
