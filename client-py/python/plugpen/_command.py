"""The command ``plugpen``, which the wheel carries beside the daemon and the worker."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

_PROGRAM = Path(__file__).parent / "bin" / "plugpen"


def main() -> NoReturn:
    """Become the command, with the arguments of this process."""
    # What it asks Python for (`plugpen analyze`) is in this one.
    os.environ.setdefault("PLUGPEN_PYTHON", sys.executable)
    try:
        os.execv(_PROGRAM, ["plugpen", *sys.argv[1:]])
    except OSError as error:
        sys.exit(f"plugpen: {_PROGRAM} cannot be started ({error.strerror}); install plugpen anew")
