"""The command ``edgebench device bundle``: make a portable Python for devices that have none."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import StoreError
from .run_cli import folder_argument

if TYPE_CHECKING:
    from .setup.listener import Listener

_EXAMPLES = """\
examples:
  edgebench device bundle build
  edgebench device bundle build --out python-aarch64.tar.gz
  edgebench device bundle build --suite trixie
  edgebench device bundle build --python-archive cpython-3.12-aarch64.tar.gz --packages debs --wheels wheels
"""


def add_bundle(actions: argparse._SubParsersAction[Any], listener: Callable[[argparse.Namespace], Listener]) -> None:
    """Add the command to those about devices. ``listener`` makes what shows how a build goes on."""
    bundle = actions.add_parser(
        "bundle",
        help="make a portable Python for devices that have none, as phones",
        description="Make a portable Python for devices that have none: with numpy, the TFLite runtime, and its own C "
        "library, so that it runs on any Linux of its processor, and under Android.",
    )
    build = bundle.add_subparsers(title="commands", metavar="COMMAND", required=True).add_parser(
        "build",
        help="make one of Debian's packages, or of a Python archive",
        description="Make a bundle of Debian's packages, which apt fetches from this machine's own package source, and "
        "of the wheels that fit their Python. Nothing is installed here. It is kept, and edgebench device setup takes "
        "the one that was built last.",
        epilog=_EXAMPLES,
    )
    build.set_defaults(command=_build, listener=listener)
    build.add_argument("--out", type=Path, metavar="FILE", help="write it to this file as well")
    build.add_argument(
        "--arch",
        default="aarch64",
        metavar="NAME",
        help="the processor: aarch64 (default), or x86_64 for an emulator's",
    )
    build.add_argument("--suite", metavar="NAME", help="the release of Debian, such as trixie; default: this machine's")
    build.add_argument(
        "--packages", type=folder_argument, metavar="DIR", help="take Debian packages from this folder, not from apt"
    )
    build.add_argument(
        "--python-archive",
        type=Path,
        metavar="FILE",
        help="take Python from this tar or zip archive; what it needs and lacks is Debian's",
    )
    build.add_argument("--wheels", type=folder_argument, metavar="DIR", help="take wheels from this folder alone")
    build.add_argument("--json", action="store_true", help="print what it consists of as JSON on stdout, nothing else")
    build.add_argument("--debug", action="store_true", help="show the trace of an error")


def _build(options: argparse.Namespace, _given: Sequence[str]) -> int:
    from .setup.bundle import Wanted, build

    began = time.monotonic()
    wanted = Wanted(options.arch, options.suite, options.packages, options.python_archive, options.wheels)
    bundle = build(wanted, options.listener(options))
    path = _copied(bundle.path, options.out) if options.out is not None else bundle.path
    if options.json:
        told = {"path": str(path), "sha256": bundle.sha256, "size_bytes": bundle.size_bytes, **bundle.manifest}
        sys.stdout.write(json.dumps(told, indent=1) + "\n")
    else:
        sys.stdout.write(f"{path}, made in {time.monotonic() - began:.1f} s\n")
    return 0


def _copied(path: Path, target: Path) -> Path:
    try:
        shutil.copyfile(path, target)
    except OSError as error:
        raise StoreError(f"--out {target}: cannot be written: {error.strerror or error}") from error
    return target
