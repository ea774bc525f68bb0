"""A device that is reached through a transport: a board over SSH, a phone over adb.

What lies there, all below one folder: ``worker-HASH.pyz`` (the worker, which is the keeper too), ``files/`` by the hash
of their content, ``parts/`` half sent, ``env/`` (the Python environment that ``device setup`` makes) or ``bundle/`` (a
whole Python, for a device without one) and ``scratch/``.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import platform
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import DeviceError, DeviceLost, DeviceRefused, DeviceUnknown, WorkerDied
from ..records import Environment, GovernorChange
from .base import Device, Transfers, WorkerLink
from .governor import change_of, left_note, refuse_trouble
from .keeper import KeeperClient, NotStarted, Sent
from .remote_start import BUNDLE, find_python, why_not_started, write_archive
from .retry import Reach, connect
from .transport import Transport

#: Below the home folder there, unless the device's settings name another one.
DEFAULT_FOLDER = ".cache/edgebench"
DEFAULT_CACHE_BYTES = 2_000_000_000
#: The Python that ``device setup`` makes, in the folder that everything lies in.
DEFAULT_PYTHON = "env/bin/python3"
_EVICT_S = 10.0
_ENVIRONMENT_FIELDS = (
    "hostname",
    "system",
    "kernel",
    "machine",
    "cpu_model",
    "cpus_logical",
    "cpus_allowed",
    "memory_total_bytes",
    "python",
)


@dataclass(frozen=True)
class RemoteSettings:
    """What is to be known of a device beside how to reach it.

    ``folder`` is where everything lies there (relative: to the home folder), ``python`` an interpreter there, None for
    the one that is found; files there take at most ``cache_bytes``, those in use apart. ``purpose`` is what others read
    while this run has the device.
    """

    folder: str = DEFAULT_FOLDER
    python: str | None = None
    cache_bytes: int = DEFAULT_CACHE_BYTES
    purpose: str = "edgebench"


def is_own_python(path: str) -> bool:
    """Return whether a Python on a device is one that it may choose by itself: its environment's, or a bundle's."""
    return path.endswith((f"/{DEFAULT_PYTHON}", f"/{BUNDLE}/bin/python3"))


class RemoteDevice(Device):
    """Runs workers through a keeper there. It connects when it is first asked something."""

    elsewhere = True

    def __init__(
        self,
        name: str,
        connect: Callable[[], Transport],
        settings: RemoteSettings | None = None,
        *,
        reach: Reach = connect,
        locks: bool = True,
        on_sent: Callable[[str, int, int], None] | None = None,
    ) -> None:
        """``connect`` makes a connection, ``reach`` tries that, and to start a keeper, as often as it takes.

        ``locks``: nobody else may measure there meanwhile.

        ``on_sent(name, bytes, of)`` hears of files on their way.
        """
        self.name = name
        self.settings = settings or RemoteSettings()
        self._before = Sent()
        self._connect = connect
        self._reach = reach
        self._also: tuple[type[DeviceError], ...] = ()
        self._locks = locks
        self._on_sent = on_sent
        self._transport: Transport | None = None
        self._keeper: KeeperClient | None = None
        self._root = ""
        self._bundled: str | None = None
        self._token = uuid.uuid4().hex
        self._placed: dict[tuple[str, int, int], str] = {}
        self._environment: Environment | None = None
        self._governor: str | None = None

    def address(self) -> str | None:
        return self._transport.address if self._transport is not None else None

    @property
    def transport(self) -> Transport:
        """The connection. Raises DeviceLost, DeviceRefused where there can be none."""
        if self._transport is None:
            self._transport = self._reach(self._connect, also=self._also)
        return self._transport

    @property
    def keeper(self) -> KeeperClient:
        """The keeper there. Raises DeviceLost, DeviceRefused where there can be none."""
        if self._keeper is None:
            # One that shuts down accepts a connection and drops it: to start the keeper is tried again, too.
            self._keeper = self._reach(self._started, also=self._also)
        return self._keeper

    @property
    def root(self) -> str:
        """The folder there that everything of ours lies in."""
        if not self._root:
            self._root = str(self.keeper.ask("hello")["root"])
        return self._root

    def connect(self) -> None:
        """Connect now.

        Raises:
            DeviceRefused: no key fits, the device has no Python, another run has it ...
            DeviceLost: it cannot be reached, for as long as the retry allows.
        """
        _ = self.keeper

    def reconnect(self) -> None:
        self.close()
        self._placed.clear()
        self._also = (DeviceUnknown,)  # a name that was known belongs to a board that boots
        self.connect()

    def tidy(self) -> None:
        if self._keeper is not None and self._placed:
            with suppress(DeviceLost, DeviceRefused):  # the next run has the same limit, or its own
                self._keeper.ask("evict", _EVICT_S, limit_bytes=self.settings.cache_bytes, ended=True)

    def hear_sent(self, hear: Callable[[int, int], None]) -> None:
        self._on_sent = lambda _name, done, total: hear(done, total)

    def close(self) -> None:
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            self._before.sent_bytes += keeper.sent.sent_bytes
            self._before.reused_bytes += keeper.sent.reused_bytes
            keeper.close()
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()

    def start_worker(self, python: str) -> WorkerLink:
        try:
            return self.keeper.start_worker(python)
        except WorkerDied as error:
            if python != self.default_python():
                raise
            raise WorkerDied(
                f"{self.name} has no environment for workers; make it with: edgebench device setup {self.name}"
            ) from error

    def place(self, path: Path) -> str:
        return self.push(path.resolve())

    def push(self, path: Path, sha256: str | None = None) -> str:
        """Send a file unless its content is there already, and return its path there.

        Raises:
            DeviceRefused, DeviceLost: see :meth:`.keeper.KeeperClient.push`.
            OSError: the file cannot be read here.
        """
        told = path.stat()
        key = (str(path), told.st_mtime_ns, told.st_size)
        if key not in self._placed:
            digest = sha256 or file_digest(path)
            sent = self.keeper.sent.sent_bytes
            self._placed[key] = self.keeper.push(path, digest, self.hear)
            if self.keeper.sent.sent_bytes > sent:
                self.keeper.ask("evict", limit_bytes=self.settings.cache_bytes)
        return self._placed[key]

    def forget(self, path: Path) -> None:
        """Take it that a file that was sent is not there any more."""
        self._placed = {key: there for key, there in self._placed.items() if key[0] != str(path)}

    def clock_ns(self) -> int:
        import time

        return time.monotonic_ns()

    def default_python(self) -> str:
        root = self.root
        return self._bundled or f"{root}/{DEFAULT_PYTHON}"

    def environment(self) -> Environment:
        if self._environment is None:
            told = self.keeper.ask("environment")
            unavailable = {key: "the device does not tell" for key, value in told.items() if value is None}
            fields: dict[str, Any] = {key: told.get(key) for key in _ENVIRONMENT_FIELDS}
            self._environment = Environment(**fields, edgebench=__version__, unavailable=unavailable)
        return self._environment

    def machine(self) -> Mapping[str, Any]:
        return self.keeper.ask("machine")

    def state(self) -> Mapping[str, Any]:
        return self.keeper.ask("state")

    def firmware(self) -> Mapping[str, Any]:
        return self.keeper.ask("firmware")

    def noise(self, duration_ns: int) -> Mapping[str, Any]:
        return self.keeper.ask("noise", 60.0 + 2 * duration_ns / 1e9, duration_ns=duration_ns)

    @contextmanager
    def set_governor(self, name: str) -> Iterator[GovernorChange]:
        previous = self.keeper.ask("set_governor", name=name)["previous"]
        self._governor = name
        try:
            yield change_of(name, previous)
        finally:
            self._governor = None
            # A keeper that is gone has put it back at its end.
            with suppress(DeviceLost):
                if self._keeper is not None:
                    refuse_trouble(self._keeper.ask("restore_governor")["trouble"])

    def recover(self) -> tuple[str, ...]:
        try:
            left = self.keeper.ask("recover_governor")["left"]
        except DeviceRefused as refusal:
            return (str(refusal),)
        return () if left is None else (left_note(str(left["name"])),)

    def available_bytes(self) -> int | None:
        found = self.state().get("memory_available_bytes")
        return None if found is None else int(found)

    def transfers(self) -> Transfers:
        """Return the bytes so far, over all connections."""
        now = self._keeper.sent if self._keeper is not None else Sent()
        before = self._before
        return Transfers(before.sent_bytes + now.sent_bytes, before.reused_bytes + now.reused_bytes)

    def hear(self, done: int, total: int) -> None:
        """Tell whoever listens how far a file is on its way."""
        if self._on_sent is not None:
            self._on_sent(self.name, done, total)

    def _started(self) -> KeeperClient:
        transport = self._transport = self._transport or self._connect()
        keeper = KeeperClient(transport.address)
        try:
            there = find_python(transport, self.settings.python, self.settings.folder)
            archive, sent = write_archive(transport, there.root)
            keeper.sent.sent_bytes += sent
            command = [there.python, archive, "keep", there.root]
            try:
                keeper.start(lambda on_output: transport.open(command, on_output))
            except NotStarted:
                raise why_not_started(transport, command) from None
            hello = keeper.ask("hello")
            self._root = str(hello["root"])
            self._bundled = there.python if there.is_bundled else None
            if self._locks:
                keeper.ask("lock", holder=holder(self.settings.purpose, self._token))
            if self._governor is not None:  # the keeper before this one has put it back
                keeper.ask("set_governor", name=self._governor)
        except (DeviceLost, DeviceRefused):
            keeper.close()
            transport.close()
            self._transport = None
            raise
        return keeper


def holder(purpose: str, token: str) -> dict[str, Any]:
    """Return who we are, for others who find the device in use, and for ourselves after a lost connection."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container without a user database
        user = str(os.getuid())
    now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    return {
        "who": f"{user}@{platform.node()}",
        "what": f"{purpose}, process {os.getpid()}",
        "since_utc": now,
        "token": token,
    }


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's content."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for data in iter(lambda: file.read(1 << 20), b""):
            digest.update(data)
    return digest.hexdigest()
