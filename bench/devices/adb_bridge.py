"""Ways to adb's server, which knows the phones: the library adbutils, or the adb program.

The server is that of the environment: ``ANDROID_ADB_SERVER_ADDRESS``, ``ANDROID_ADB_SERVER_PORT`` or
``ADB_SERVER_SOCKET``, else port 5037 of this machine, where it is started if it does not run.
"""

from __future__ import annotations

import os
import re
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..errors import DeviceRefused
from .adb_errors import NO_ADB
from .adb_line import Way
from .adb_program import OnData, Program

_PORT = 5037
_SOCKET = re.compile(r"tcp:(?:(?P<host>[^:\[\]]+|\[[^\[\]]+\]):)?(?P<port>\d+)")


@dataclass(frozen=True)
class Attached:
    """A device that the server knows, and the state that it is in: ``device`` where it can be used."""

    serial: str
    state: str
    model: str | None = None

    def __str__(self) -> str:
        told = self.model if self.state == "device" else self.state
        return f"{self.serial} ({told})" if told else self.serial


class Bridge(ABC):
    """Methods raise DeviceRefused where there is no server, and DeviceLost where it is gone."""

    @abstractmethod
    def attached(self) -> list[Attached]:
        """Return the devices that the server knows."""

    @abstractmethod
    def connect(self, place: str) -> str:
        """Have the server connect to a phone at a host and port; return what it says of that."""

    @abstractmethod
    def disconnect(self, place: str) -> None:
        """Have the server forget a phone at a host and port; one that it does not know is fine."""

    @abstractmethod
    def way(self, serial: str) -> Way:
        """Return how programs are run on a device.

        Raises:
            DeviceRefused, DeviceLost: they are not.
        """

    @abstractmethod
    def start(
        self, serial: str, way: Way, line: str, on_stdout: OnData, on_stderr: OnData, on_end: Callable[[], None]
    ) -> Program:
        """Have a line run by the shell of a device.

        Raises:
            DeviceRefused, DeviceLost: it says no, or is not there.
        """


def find_bridge() -> Bridge:
    """Return a way to the server.

    Raises:
        DeviceRefused: there is neither the library nor the program.
    """
    place = server_place(os.environ)
    try:
        from .adb_library import LibraryBridge
    except ModuleNotFoundError as error:  # of the library, or of what it needs
        if str(error.name).startswith(__name__.partition(".")[0]):
            raise
    else:
        if place is not None:
            return LibraryBridge(*place)
    program = shutil.which("adb")
    if program is None:
        raise DeviceRefused(NO_ADB)
    from .adb_client import ClientBridge

    return ClientBridge(program)


def server_place(environment: Mapping[str, str]) -> tuple[str, int] | None:
    """Return host and port of the server, None where it is at no port.

    Raises:
        DeviceRefused: a variable cannot be read.
    """
    socket = environment.get("ADB_SERVER_SOCKET")
    if socket:
        found = _SOCKET.fullmatch(socket)
        return ((found["host"] or "127.0.0.1").strip("[]"), int(found["port"])) if found else None
    host = environment.get("ANDROID_ADB_SERVER_ADDRESS") or environment.get("ANDROID_ADB_SERVER_HOST") or "127.0.0.1"
    port = environment.get("ANDROID_ADB_SERVER_PORT") or str(_PORT)
    if not port.isdecimal():
        raise DeviceRefused(f"ANDROID_ADB_SERVER_PORT is {port!r}, which is no port")
    return host, int(port)


def parse_devices(listed: str) -> list[Attached]:
    """Return the devices of what ``adb devices -l`` or the server's own list says."""
    found = []
    for line in listed.splitlines():
        serial, _, rest = line.strip().partition(" ")
        words = rest.split()
        if not words or line.startswith(("List of devices", "*")):
            continue
        known = dict(word.split(":", 1) for word in words if ":" in word)
        # "no permissions (user in plugdev group; are your udev rules wrong?); see [...]" is a state too.
        state = "no permissions" if rest.lstrip().startswith("no permissions") else words[0]
        found.append(Attached(serial, state, known.get("model", "").replace("_", " ") or None))
    return found
