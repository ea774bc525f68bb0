"""The flag ``--device`` of commands that work on one device, and the device that it names."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .devices.base import Device
    from .spec import PythonTarget


def add_device(parser: argparse.ArgumentParser, help_text: str) -> None:
    """Add the flag to a command."""
    parser.add_argument("--device", default="local", metavar="DEVICE", help=help_text)


@contextmanager
def opened_device(options: argparse.Namespace, purpose: str) -> Iterator[Device]:
    """Give the device that ``--device`` names, and end the connection to it afterwards.

    Raises:
        UsageError: there is no such device.
    """
    from .config import load_config
    from .devices.opening import open_device

    device = open_device(options.device, load_config(getattr(options, "config", None)), purpose=purpose)
    try:
        yield device
    finally:
        device.close()


def python_of(device: Device, text: str) -> PythonTarget:
    """Return the interpreter that ``[NAME=]PATH`` names, on the device.

    Raises:
        UsageError: there is no such program on this machine; on another one that is told when it is used.
    """
    from .spec import PythonTarget, parse_python

    if not device.elsewhere:
        return parse_python(text)
    name, equals, path = text.partition("=")
    return PythonTarget(path, name) if equals else PythonTarget(text)
