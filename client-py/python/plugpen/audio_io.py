"""Audio files: WAV, read and written; arrays are ``(channels, frames)`` of float32."""

from ._plugpen import get_audio_info, read_audio, write_audio

__all__ = ["get_audio_info", "read_audio", "write_audio"]
