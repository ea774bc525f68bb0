"""A server of Android's debug bridge in a network of its own, for the phones of the tests.

It sees no other device of this machine, and nothing outside reaches its phones: their daemon listens on every address.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from .relay import Relay
from .support import wait_for

PEER = Path(__file__).with_name("adb_peer.py")
HOST = "127.0.0.1"


class AdbServer:
    """A running server. ``environment`` leads clients to it, by a port of the loopback address.

    It ends with the thread that starts it.

    Raises:
        RuntimeError: it did not start; the text is what it said.
    """

    def __init__(self) -> None:
        # Not pytest's folder: the path of a socket has to be short.
        self.folder = Path(tempfile.mkdtemp(prefix="adb-"))
        self._socket = self.folder / "socket"
        self._log = self.folder / "log"
        self._running: list[subprocess.Popen[bytes]] = []
        self._ports = iter(range(5601, 6000))  # a server connects to odd ones from 5555 to 5585 by itself
        self._network = self._start(
            ["unshare", "--net", "sh", "-c", f"ip link set lo up && : >{self.folder}/up; exec sleep infinity"]
        )
        self._relay = Relay(self._socket)
        try:
            self._until((self.folder / "up").exists, "its network")
            self.start()
        except RuntimeError:
            self.stop()
            raise

    @property
    def environment(self) -> dict[str, str]:
        """The variables that lead a client to this server."""
        return {"ANDROID_ADB_SERVER_PORT": str(self._relay.port)}

    @property
    def port(self) -> int:
        """The port of the loopback address that leads to it."""
        return self._relay.port

    @property
    def log(self) -> str:
        """What it has said."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def runs(self) -> bool:
        """Whether it has not been ended."""
        return self._server.poll() is None

    def free_port(self) -> int:
        """Return a port of its network that nothing has had yet, and that it leaves alone."""
        return next(self._ports)

    def start(self) -> None:
        """Start the server."""
        self._socket.unlink(missing_ok=True)
        self._server = self.launch(["adb", "-L", f"localfilesystem:{self._socket}", "server", "nodaemon"])
        self._until(self._listens, "its socket")
        self._relay.listen()

    def end(self) -> None:
        """End the server alone; its phones stay."""
        self._relay.close()
        self._server.kill()
        self._server.wait()

    def adb(self, *words: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run the real client with ``words`` and return how that ended.

        Raises:
            RuntimeError: the server has ended; the client would start one that sees this machine's devices.
        """
        if not self.runs:
            raise RuntimeError("the adb server has ended")
        environment = {**os.environ, **self.environment}
        return subprocess.run(
            ["adb", *words], input=given, capture_output=True, env=environment, timeout=60, check=False
        )

    def connect(self, serial: str) -> None:
        """Have it connect to a phone.

        Raises:
            RuntimeError: it cannot.
        """
        said = self.adb("connect", serial).stdout.decode()
        if not said.startswith(("connected to", "already connected")):
            raise RuntimeError(said)

    def state(self, serial: str) -> str | None:
        """Return what it says of a device: device, offline, unauthorized, or None where it knows none of that name."""
        for line in self.adb("devices").stdout.decode().splitlines():
            name, _, state = line.partition("\t")
            if name == serial:
                return state.strip()
        return None

    def peer(self, kind: str) -> str:
        """Connect to something that is no good phone, ``unauthorized`` or ``silent``; return its serial."""
        serial = f"{HOST}:{self.free_port()}"
        self.launch([sys.executable, str(PEER), serial.rpartition(":")[2], kind])
        self._until(lambda: f"{kind} peer at {serial}" in self.log, f"a {kind} peer")
        # Not waited for: a silent one it would give ten seconds.
        self._running.append(
            subprocess.Popen(
                ["adb", "connect", serial],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **self.environment},
            )
        )
        self._until(lambda: self.state(serial) is not None, f"a {kind} peer")
        return serial

    def launch(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a program in the network; it ends with the server."""
        return self._start(["nsenter", f"--net=/proc/{self._network.pid}/ns/net", *command])

    @property
    def network(self) -> str:
        """The file that is its network, for a program that enters it."""
        return f"/proc/{self._network.pid}/ns/net"

    def stop(self) -> None:
        """End it and all that was started in its network, and remove its folder."""
        self._relay.close()
        for process in reversed(self._running):
            process.kill()
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "HOME": str(self.folder), "TMPDIR": str(self.folder)}
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                cwd=self.folder,
            )
        self._running.append(process)
        return process

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self._socket)) == 0

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        if not wait_for(condition):
            raise RuntimeError(f"the adb server has not got {what}: {self.log[-2000:]}")
