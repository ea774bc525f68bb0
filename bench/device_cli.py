"""The command ``edgebench device``: list devices, set one up, check it, and remove everything from it."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .bundle_cli import add_bundle
from .errors import UsageError
from .run_cli import folder_argument, terminal_width
from .setup.listener import Listener

if TYPE_CHECKING:
    from .config import Config
    from .devices.base import Device
    from .devices.remote import RemoteDevice
    from .devices.retry import Waiting
    from .progress import Progress
    from .setup.benchmark_model import Installed

_LIST_EXAMPLES = """\
examples:
  edgebench device list
  edgebench device list --check
"""
_CHECK_EXAMPLES = """\
examples:
  edgebench device check pi
  edgebench device check ssh://pi@raspberrypi.local --json
  edgebench device check adb://
"""
_SETUP_EXAMPLES = """\
examples:
  edgebench device setup pi
  edgebench device setup ssh://pi@raspberrypi.local:2222
  edgebench device setup pi --python /opt/python3.12/bin/python3
  edgebench device setup pi --wheels wheels
  edgebench device setup adb://SERIAL --bundle python-aarch64.tar.gz
  edgebench device setup adb://SERIAL --benchmark-model official
"""
_CLEAN_EXAMPLES = """\
examples:
  edgebench device clean pi --files-only
  edgebench device clean pi
"""


def add_devices(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command and its sub-commands to the parser."""
    device = commands.add_parser(
        "device",
        help="set boards and phones up, check them, remove everything from them",
        description="Set up boards that are reached over SSH and phones over adb, check them, and remove everything "
        "from them.",
    )
    actions = device.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_list(actions)
    _add_check(actions)
    _add_setup(actions)
    _add_clean(actions)
    add_bundle(actions, _listener)


def _add_list(actions: argparse._SubParsersAction[Any]) -> None:
    listing = actions.add_parser(
        "list",
        help="list the devices of edgebench.toml",
        description="List the devices of edgebench.toml with their addresses.",
        epilog=_LIST_EXAMPLES,
    )
    listing.set_defaults(command=_list)
    listing.add_argument("--check", action="store_true", help="connect to each and say whether it answers")
    listing.add_argument(
        "--config", type=Path, metavar="FILE", help="read this file instead of the nearest edgebench.toml"
    )
    _common(listing)


def _add_check(actions: argparse._SubParsersAction[Any]) -> None:
    check = actions.add_parser(
        "check",
        help="say what a device is, what it can run and what would disturb there",
        description="Connect to a device and say what it is, what its environment has, who uses it now and what would "
        "disturb a measurement there. The exit code is 0 whatever is found, 3 where it does not answer.",
        epilog=_CHECK_EXAMPLES,
    )
    check.set_defaults(command=_check)
    _device_argument(check)
    _common(check)


def _add_setup(actions: argparse._SubParsersAction[Any]) -> None:
    setup = actions.add_parser(
        "setup",
        help="give a bare device the runtime that fits it",
        description="Make a private environment on a device: the TFLite runtime that fits its Python and processor, "
        "fetched by this machine's pip and sent there. The device needs a Python 3.8 or newer, no pip and no internet. "
        "One without Python gets a bundle, which edgebench device bundle build has made.",
        epilog=_SETUP_EXAMPLES,
    )
    setup.set_defaults(command=_setup)
    _device_argument(setup)
    setup.add_argument("--python", metavar="PROGRAM", help="use this Python of the device, a path there or a name")
    setup.add_argument(
        "--wheels", type=folder_argument, metavar="DIR", help="take wheels from this folder alone, without any network"
    )
    setup.add_argument(
        "--bundle", type=Path, metavar="FILE", help="send it this portable Python instead of using one of its own"
    )
    setup.add_argument(
        "--benchmark-model",
        metavar="WHAT",
        help="put TFLite's official tool there, for --engine benchmark_model: a file of this machine, an address, "
        "official (TensorFlow's nightly build for the device) or litert (LiteRT's own); it needs no Python, so none is "
        "given to the device unless --bundle, --python, --wheels or --force is there as well",
    )
    setup.add_argument("--force", action="store_true", help="make the environment anew where there is one already")
    _common(setup)


def _add_clean(actions: argparse._SubParsersAction[Any]) -> None:
    clean = actions.add_parser(
        "clean",
        help="remove everything that edgebench has put on a device",
        description="Remove everything that edgebench has put on a device. Refused while a run uses it.",
        epilog=_CLEAN_EXAMPLES,
    )
    clean.set_defaults(command=_clean)
    _device_argument(clean)
    clean.add_argument("--files-only", action="store_true", help="models and images alone; the environment stays")
    _common(clean)


def _device_argument(parser: argparse.ArgumentParser) -> None:
    told = "a name of edgebench.toml, ssh://USER@HOST[:PORT], adb://SERIAL, or adb:// for the only phone"
    parser.add_argument("device", metavar="DEVICE", help=told)


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print everything as JSON on stdout, nothing else")
    parser.add_argument("--debug", action="store_true", help="show the trace of an error")


def _list(options: argparse.Namespace, _given: Sequence[str]) -> int:
    from .config import load_config
    from .report.device import render_devices
    from .setup.checking import list_devices

    config = load_config(options.config)
    listed = list_devices(config, (lambda name: _opened_once(name, config)) if options.check else None)
    if options.json:
        _print_json([dataclasses.asdict(one) for one in listed])
    else:
        sys.stdout.write(render_devices(listed))
    return 0


def _check(options: argparse.Namespace, _given: Sequence[str]) -> int:
    from .report.device import render_check
    from .setup.checking import check

    with _opened(options, "edgebench device check", locks=False) as device:
        found = check(device)
    if options.json:
        _print_json(dataclasses.asdict(found))
    else:
        sys.stdout.write(render_check(found, width=terminal_width()))
    return 0


def _setup(options: argparse.Namespace, _given: Sequence[str]) -> int:
    from .setup.steps import Asked, set_up

    asked = Asked(options.wheels, options.python, options.force, options.bundle)
    progress, told, tool = _progress(options), {}, None
    listener = Listener() if options.json else _Printer(progress)
    try:
        with _opened(options, "edgebench device setup", progress=progress) as device:
            if options.benchmark_model is not None:
                tool = _tool(device, options.benchmark_model, listener)
            if tool is None or asked != Asked():
                told = dataclasses.asdict(set_up(device, asked, listener))
    except KeyboardInterrupt:
        raise KeyboardInterrupt("what has arrived there stays: the same command goes on with it") from None
    finally:
        progress.close()
    if options.json:
        _print_json(told if tool is None else {**told, "benchmark_model": dataclasses.asdict(tool)})
        return 0
    if told:
        print(f"measure on it with: edgebench run MODEL --device {options.device}")
    if tool is not None:
        print(f"run the tool with: edgebench run MODEL --device {options.device} --engine benchmark_model")
    return 0


def _tool(device: RemoteDevice, what: str, listener: Listener) -> Installed:
    from .setup.benchmark_model import set_up_tool

    return set_up_tool(device, what, listener)


def _clean(options: argparse.Namespace, _given: Sequence[str]) -> int:
    from .report.text import clean
    from .setup.cleaning import clean_device

    with _opened(options, "edgebench device clean") as device:
        cleaned = clean_device(device, files_only=options.files_only)
    if options.json:
        _print_json(dataclasses.asdict(cleaned))
    else:
        what = "of files in" if cleaned.files_only else "in"
        if cleaned.removed_bytes:
            print(f"{cleaned.device}: removed {cleaned.removed_bytes:,} bytes {what} {cleaned.root}")
        else:
            print(f"{cleaned.device}: nothing to remove {what} {cleaned.root}")
        if cleaned.left:
            print(f"{cleaned.device}: not of edgebench device, so left there: {clean(', '.join(cleaned.left))}")
    return 0


def _print_json(data: object) -> None:
    print(json.dumps(data, indent=1, default=str))


@contextmanager
def _opened(
    options: argparse.Namespace, purpose: str, *, locks: bool = True, progress: Progress | None = None
) -> Iterator[RemoteDevice]:
    """Give the device that was named, and end the connection to it afterwards. Raises UsageError where it is none."""
    from .config import load_config
    from .devices.opening import LOCAL

    if options.device == LOCAL:
        raise UsageError("local: this machine needs no setup; look at it with: edgebench doctor")
    device = _remote(options.device, load_config(options.config), purpose, locks, progress)
    try:
        yield device
    finally:
        device.close()


def _remote(text: str, config: Config, purpose: str, locks: bool, progress: Progress | None) -> RemoteDevice:
    from .devices.opening import open_device
    from .devices.remote import RemoteDevice

    def sent(_name: str, done: int, of: int) -> None:
        if progress is not None:
            progress.detail(f"{done / 1e6:.1f} of {of / 1e6:.1f} MB" if of else f"{done / 1e6:.1f} MB")

    device = open_device(text, config, purpose=purpose, locks=locks, on_wait=_say_lost, on_sent=sent)
    if not isinstance(device, RemoteDevice):
        raise UsageError(f"{text}: is no device that can be set up")
    return device


def _opened_once(name: str, config: Config) -> Device:
    from .devices.opening import open_device
    from .devices.retry import Patience

    return open_device(name, config, purpose="edgebench device list", locks=False, patience=Patience(total_s=0.0))


def _say_lost(waiting: Waiting) -> None:
    print(f"edgebench: {waiting.line}", file=sys.stderr)


def _progress(options: argparse.Namespace) -> Progress:
    """Return what shows the current step: a terminal alone has use for it, as each step ends in a line."""
    from .progress import Progress

    if options.json or sys.stderr is None or not sys.stderr.isatty():
        return Progress()
    from .console import ConsoleProgress

    return ConsoleProgress()


def _listener(options: argparse.Namespace) -> Listener:
    return Listener() if options.json else _Printer(_progress(options))


class _Printer(Listener):
    """Shows the step that goes on, and prints a line when one is done."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def begins(self, what: str) -> None:
        self._progress.phase(what, 1)

    def said(self, line: str) -> None:
        self._progress.close()
        print(line, flush=True)
