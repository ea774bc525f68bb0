"""The command ``edgebench selftest``: its flags, and where its output goes."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from .verbosity import add_verbosity, make_progress

_EXAMPLES = """\
examples:
  edgebench selftest
  edgebench selftest --budget 5m
  edgebench selftest --python old=/opt/old/bin/python --json
"""


def add_selftest(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    selftest = commands.add_parser(
        "selftest",
        help="say what this harness costs here, and how small a difference it can see",
        description="Compare a built-in model of about 0.3 ms with a bare loop over LiteRT's C API and with its own "
        "copy, and say what the harness costs here and how small a difference it can see. Judges nothing.",
        epilog=_EXAMPLES,
    )
    selftest.set_defaults(command=_selftest)
    selftest.add_argument(
        "--budget", default="60s", metavar="T", help="time to spend (60s); at least one comparison is made"
    )
    selftest.add_argument("--python", metavar="PATH", help="run the workers under this Python")
    selftest.add_argument("--json", action="store_true", help="print everything as JSON on stdout, nothing else")
    add_verbosity(selftest)


def _selftest(options: argparse.Namespace, _given: Sequence[str]) -> int:
    from .devices.local import LocalDevice
    from .report.selftest import render_selftest
    from .selftest import self_test
    from .spec import parse_duration_ns, parse_python

    budget_ns = parse_duration_ns(options.budget, "--budget")
    python = parse_python(options.python) if options.python else None
    progress = make_progress(options)
    try:
        found = self_test(LocalDevice(), budget_ns=budget_ns, python=python, progress=progress)
    finally:
        progress.close()
    sys.stdout.write(json.dumps(asdict(found), indent=2) + "\n" if options.json else render_selftest(found))
    return 0
