"""Stands in for the package minihost: programs written for it run on plugpen."""

import sys

import plugpen
from plugpen import *  # noqa: F403
from plugpen import __all__, audio_io, automation, render, vstpreset

sys.modules[f"{__name__}.audio_io"] = audio_io
sys.modules[f"{__name__}.automation"] = automation
sys.modules[f"{__name__}.render"] = render
sys.modules[f"{__name__}.vstpreset"] = vstpreset
sys.modules[f"{__name__}._core"] = plugpen._plugpen

__all__ = list(__all__)
