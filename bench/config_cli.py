"""The command ``edgebench config``: which defaults hold here, and where each comes from."""

from __future__ import annotations

import argparse
import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .command_line import WITH_DEFAULTS, Leaf, leaves
from .defaults import Default, find_defaults

if TYPE_CHECKING:
    from .config import Config

_EXAMPLES = """\
examples:
  edgebench config
  edgebench config --config edgebench.toml --json
"""


def add_config(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    config = commands.add_parser(
        "config",
        help="say which defaults hold here, from edgebench.toml and the environment",
        description="Check edgebench.toml and the environment, and say which defaults hold here and where each comes "
        "from. A flag on the command line goes before its variable, that before the file (docs/configuration.md).",
        epilog=_EXAMPLES,
    )
    config.set_defaults(command=functools.partial(_config, commands))
    config.add_argument(
        "--config", type=Path, metavar="FILE", help="read this file instead of the nearest edgebench.toml"
    )
    config.add_argument("--json", action="store_true", help="print everything as JSON on stdout, nothing else")
    config.add_argument("--debug", action="store_true", help="show the trace of an error")


def _config(commands: argparse._SubParsersAction[Any], options: argparse.Namespace, _given: Sequence[str]) -> int:
    from .config import load_config
    from .gates_cli import configured_gates

    config = load_config(options.config)
    configured_gates(config)  # raises where one is wrong
    found: dict[str, dict[str, Default]] = {}
    for name in WITH_DEFAULTS:
        if name in commands.choices:
            command = next(leaves(commands.choices[name], (name,)))
            found[name] = options.defaults = find_defaults(command, config)  # so that errors say where a value is from
            if name == "run":
                _check_run(command, options)
    print(_as_json(config, found) if options.json else _as_text(config, found))
    return 0


def _check_run(command: Leaf, options: argparse.Namespace) -> None:
    """Raise UsageError where a run of any model here could not begin."""
    from .defaults import apply_defaults
    from .run_cli import check_run_options

    asked = command.parser.parse_args(["MODEL"])
    asked.config = options.config
    apply_defaults(Leaf(command.parser, command.names, ("MODEL",)), asked)
    check_run_options(asked)


def _as_text(config: Config, found: dict[str, dict[str, Default]]) -> str:
    from tabulate import tabulate

    lines = [f"file: {config.path or 'none found'}"]
    for command, defaults in found.items():
        rows = [(name.replace("_", "-"), ", ".join(one.written), one.origin) for name, one in defaults.items()]
        lines.append(f"\nedgebench {command}: {'' if rows else 'no defaults are set'}".rstrip())
        if rows:
            table = tabulate(rows, headers=("flag", "value", "from"), disable_numparse=True)
            lines.extend(f"  {line}".rstrip() for line in table.splitlines())
    if config.gates:
        lines.append("\ngates:")
        lines.extend(
            f"  {check}  ({gate.model}/{gate.variant}@{gate.device})" for gate in config.gates for check in gate.check
        )
    if config.devices:
        lines.append(f"\ndevices: {', '.join(config.devices)}")
    return "\n".join(lines)


def _as_json(config: Config, found: dict[str, dict[str, Default]]) -> str:
    data = {
        "file": str(config.path) if config.path else None,
        "defaults": {
            command: {name: {"value": list(one.written), "from": one.origin} for name, one in defaults.items()}
            for command, defaults in found.items()
        },
        "gates": [
            {"check": list(gate.check), "model": gate.model, "variant": gate.variant, "device": gate.device}
            for gate in config.gates
        ],
        "devices": dict(config.devices),
    }
    return json.dumps(data, indent=1, default=str)
