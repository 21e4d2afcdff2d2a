"""``plugpen-analyze``, which is also ``plugpen analyze`` and ``python -m plugpen.analysis``.

Results go to standard output, what goes wrong to standard error. Exit codes are those of the
command ``plugpen``: 0 for success, 1 for failure, 2 for a mistake in the command line, 3 for a
plugin that is not there, 4 for one that crashed, 5 for one that hung, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from .. import (
    Plugin,
    PluginCrashed,
    PluginDead,
    PluginError,
    PluginHung,
    PluginNotFound,
    __version__,
    connect,
    parse_param_arg,
)
from . import analyze

# The first that fits.
_CODES: dict[type[BaseException], int] = {
    PluginNotFound: 3,
    PluginHung: 5,
    PluginCrashed: 4,
    PluginDead: 4,
}


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="plugpen analyze",
        description="Measure what a plugin does to sound, and draw it",
        epilog="Exit codes: 0 success, 1 failure, 2 a mistake in the command line, 3 a plugin that "
        "is not there, 4 a plugin that crashed, 5 a plugin that hung, 130 interrupted.",
    )
    parser.add_argument(
        "path", metavar="PLUGIN", help="a file, a bundle or the URI of an LV2 plugin"
    )
    parser.add_argument(
        "-p",
        "--plugin",
        metavar="WHICH",
        help="which one, where there are several: an index, a name, a URI or a class id",
    )
    parser.add_argument(
        "--plot", metavar="FILE", help="draw into FILE: .png, .svg or .pdf (needs matplotlib)"
    )
    parser.add_argument("-j", "--json", action="store_true", help="print a JSON object")
    parser.add_argument(
        "-r", "--sample-rate", metavar="HZ", type=float, default=48_000.0, help="default 48000"
    )
    parser.add_argument(
        "-b", "--block-size", metavar="FRAMES", type=int, default=512, help="default 512"
    )
    parser.add_argument("--program", metavar="N", type=int, help="the program to measure, from 0")
    parser.add_argument(
        "--param",
        metavar="NAME:VALUE",
        action="append",
        default=[],
        help="set a parameter first, to 0 to 1 or a text that the plugin reads; may be repeated",
    )
    parser.add_argument(
        "--level", metavar="DBFS", type=float, default=-6.0, help="of sweep and sine; default -6"
    )
    parser.add_argument(
        "--server",
        metavar="unix:PATH",
        help="the daemon to use; without it (or PLUGPEN_SERVER) a private one",
    )
    parser.add_argument("--version", action="version", version=f"plugpen {__version__}")
    return parser


def measure(options: argparse.Namespace) -> None:
    """Opens the plugin, measures it, prints and draws."""
    open_plugin = connect(options.server).Plugin if options.server else Plugin
    with open_plugin(
        options.path, options.sample_rate, options.block_size, plugin=options.plugin
    ) as plugin:
        if options.program is not None:
            plugin.program = options.program
        for setting in options.param:
            plugin.set_param(*parse_param_arg(setting, plugin))
        found = analyze(plugin, level_dbfs=options.level)
    if options.plot:
        found.plot().savefig(options.plot, dpi=100)
    if options.json:
        print(json.dumps(found.to_dict(), indent=2, allow_nan=False))
        return
    facts = found.facts()
    width = max(len(name) for name, _ in facts)
    print("".join(letter if letter.isprintable() else " " for letter in found.plugin_name))
    for name, value in facts:
        print(f"  {name:<{width}}  {value}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: The words of the command line, without the program's name; `sys.argv` if None.

    Returns:
        The exit code.
    """
    parser = arguments()
    options = parser.parse_args(argv)
    for setting in options.param:
        if ":" not in setting:
            parser.error(f"--param takes NAME:VALUE, got '{setting}'")
    try:
        measure(options)
    except (PluginError, ImportError, OSError, ValueError) as error:
        # A format that matplotlib cannot write is a ValueError.
        print(f"Error: {error}", file=sys.stderr)
        return next((code for kind, code in _CODES.items() if isinstance(error, kind)), 1)
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
