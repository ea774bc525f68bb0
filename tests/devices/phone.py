"""An aarch64 phone that Android's own debug daemon serves, under QEMU's user mode. ``.ci/phone`` builds it.

What runs there gives right answers, in an emulator's time. It is not Android: its C library is glibc, its kernel this
machine's, and nothing of it asks a person for anything.
"""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import psutil

from .adb_server import HOST, AdbServer
from .phone_python import PLACES, write_python
from .support import wait_for

#: The folder that ``.ci/phone`` prints; without it, the place where that keeps it unasked.
PHONE_VARIABLE = "EDGEBENCH_PHONE"
#: What starts a phone, beside what .ci/phone installs.
_PROGRAMS = ("adb", "ip", "nsenter", "unshare", "setpriv", "chroot")
_INIT = Path(__file__).with_name("phone-init.sh")
_DAEMON = "/usr/lib/android-sdk/platform-tools/adbd"
#: The user that Android's daemon gives to a shell.
SHELL_ID = 2000
#: A file system of 24 MB that anybody may fill.
SMALL = "/data/local/tmp/small"
_FIRST_KERNEL = (6, 7)
_ENVIRONMENT = {
    "PATH": "/system/bin:/vendor/bin",
    "ANDROID_DATA": "/data",
    "ANDROID_ROOT": "/system",
    "QEMU_CPU": "cortex-a76",
}


def find_image() -> Path | None:
    """Return the folder with the phone's files, or None without it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(os.environ.get(PHONE_VARIABLE) or cache / "edgebench-ci" / "phone")
    return folder if (folder / "stamp").is_file() else None


def why_none() -> str | None:
    """Return why no phone can be started here, None where one can."""
    missing = [program for program in _PROGRAMS if not Path(_program(program)).is_absolute()]
    if find_image() is None:
        return f"no emulated phone here: set {PHONE_VARIABLE} to the folder that .ci/phone prints"
    if missing:
        return f"the phone of {PHONE_VARIABLE} needs programs that are not here: {', '.join(missing)}"
    if os.geteuid() != 0:
        return f"only root can start the phone of {PHONE_VARIABLE}"
    if tuple(int(part) for part in platform.release().split(".")[:2]) < _FIRST_KERNEL:
        return f"the phone of {PHONE_VARIABLE} needs Linux 6.7, this is {platform.release()}"
    return None


def _program(name: str) -> str:
    """Return the path of a program of this machine, or its name where it is not here."""
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin") or name


def _expect(process: subprocess.Popen[bytes], line: bytes, log: Path) -> None:
    """Read a line of a process.

    Raises:
        RuntimeError: it ended instead, or said something else.
    """
    said = process.stdout.readline() if process.stdout is not None else b""
    if said != line:
        process.kill()
        process.wait()
        raise RuntimeError(f"the phone was not set up: {said!r} {log.read_text(errors='replace')[-2000:]}")


class Phone:
    """A phone on the network of a server, which is connected to it.

    Files that are written there last until ``stop``, over any number of daemons. ``host_python`` is a Python of this
    machine on it, for tests that are about something else; a phone has none.

    Raises:
        RuntimeError: it did not start; the text says why.
    """

    def __init__(self, server: AdbServer, image: Path, *, with_python: bool = False) -> None:
        self.server = server
        self.port = server.free_port()
        self.host_python: str | None = None
        self._root = image / "root"
        self._log = server.folder / f"phone-{self.port}"
        self._daemon: subprocess.Popen[bytes] | None = None
        mounts = PLACES if with_python else {}
        self._holder = self._start_holder(image / "qemu-aarch64", mounts)
        try:
            if with_python:
                self.host_python = write_python(self)
            self.start_daemon()
        except RuntimeError:
            self.stop()
            raise

    @property
    def serial(self) -> str:
        """Return what the server calls it."""
        return f"{HOST}:{self.port}"

    @property
    def log(self) -> str:
        """What its daemon and what set it up have said."""
        return self._log.read_text(errors="replace")

    def start_daemon(self) -> None:
        """Start the daemon, where it was killed, and have the server connect to it."""
        self.server.adb("disconnect", self.serial)  # else it would try by itself again, in ten seconds
        with self._log.open("ab") as log:
            self._daemon = subprocess.Popen(
                self._as_shell(_DAEMON),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**_ENVIRONMENT, "ADBD_PORT": str(self.port)},
            )
        if not wait_for(self._connected):
            raise RuntimeError(f"the phone's daemon did not start: {self.log[-2000:]}")

    def kill_daemon(self) -> None:
        """Kill the daemon; the server has a phone less, and what ran there loses its input and output."""
        for process in self._daemons():
            process.send_signal(signal.SIGKILL)
        self._collect()

    def freeze(self) -> None:
        """Stop the daemon, as a network does that drops everything: neither side is told."""
        for process in self._daemons():
            process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen daemon go on."""
        for process in self._daemons():
            process.send_signal(signal.SIGCONT)
        self._thaw_parent()

    def restart(self) -> None:
        """Kill the daemon and everything that runs there, and start it again: files stay."""
        self.kill_daemon()
        self.run("sh", "-c", "kill -KILL -1")
        self.start_daemon()

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a program there as a shell's user, past the daemon, and return how that ended."""
        return subprocess.run(
            self._as_shell(*words), capture_output=True, text=True, timeout=60, check=False, env=_ENVIRONMENT
        )

    def path(self, there: str) -> Path:
        """Return where a file of the phone can be read and written here."""
        return Path(f"/proc/{self._init_pid()}/root{self._root}{there}")

    def write(self, there: str, text: str) -> None:
        """Write a file of the phone that any program there may read."""
        self.path(there).write_text(text)
        self.path(there).chmod(0o644)

    def set_prop(self, name: str, value: str) -> None:
        """Change what ``getprop NAME`` says."""
        self.write(f"/data/property/{name}", f"{value}\n")

    def set_service(self, name: str, words: str) -> None:
        """Change what ``dumpsys NAME`` says."""
        self.write(f"/data/dumpsys/{name}", words)

    def fill_disk(self, left_bytes: int = 0) -> None:
        """Fill the small file system until so much is left."""
        free = shutil.disk_usage(self.path(SMALL)).free
        with self.path(f"{SMALL}/filler").open("wb") as file:
            file.write(bytes(max(0, free - left_bytes)))

    def empty_disk(self) -> None:
        """Undo ``fill_disk``."""
        self.path(f"{SMALL}/filler").unlink(missing_ok=True)

    def stop(self) -> None:
        """End everything there and forget its files."""
        if self._holder.stdin is not None:
            self._holder.stdin.close()  # its first process ends with its input, and everything with it
        try:
            self._holder.wait(10)
        except subprocess.TimeoutExpired:
            self._holder.kill()
            self._holder.wait()
        if self._holder.stdout is not None:
            self._holder.stdout.close()
        self._collect()
        if self.server.runs and self.server.state(self.serial) is not None:
            self.server.adb("disconnect", self.serial)

    def _start_holder(self, qemu: Path, mounts: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Make the namespaces, and return the process that they end with."""
        command = ["nsenter", f"--net={self.server.network}", "unshare", "--user", "--mount", "--pid", "--uts", "--ipc"]
        command += ["--fork", "--kill-child", "sh", str(_INIT), str(self._root), str(qemu)]
        command += [f"{there}={here}" for there, here in mounts.items()]
        with self._log.open("ab") as log:
            holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, bufsize=0)
        if holder.stdin is None or holder.stdout is None:
            raise RuntimeError("no pipes")
        _expect(holder, b"unmapped\n", self._log)
        for kind in ("uid_map", "gid_map"):
            Path(f"/proc/{holder.pid}/{kind}").write_text("0 0 65536")
        holder.stdin.write(b"go\n")
        _expect(holder, b"ready\n", self._log)
        return holder

    def _init_pid(self) -> int:
        children = Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children").read_text().split()
        return int(children[0])

    def _as_shell(self, *command: str) -> list[str]:
        """Return a command that runs in the phone's namespaces, among its files, as a shell's user."""
        enter = [
            _program("nsenter"),
            f"--target={self._init_pid()}",
            "--user",
            "--mount",
            "--pid",
            "--net",
            "--uts",
            "--ipc",
        ]
        return [*enter, _program("chroot"), f"--userspec={SHELL_ID}:{SHELL_ID}", str(self._root), *command]

    def _daemons(self) -> list[psutil.Process]:
        return psutil.Process(self._daemon.pid).children() if self._daemon is not None else []

    def _thaw_parent(self) -> None:
        """Let the program go on that entered the namespaces, which stops when its child does."""
        if self._daemon is not None:
            self._daemon.send_signal(signal.SIGCONT)

    def _collect(self) -> None:
        if self._daemon is not None:
            self._thaw_parent()
            self._daemon.wait()
            self._daemon = None

    def _connected(self) -> bool:
        if self._daemon is None or self._daemon.poll() is not None:
            raise RuntimeError(f"the phone's daemon ended: {self.log[-2000:]}")
        self.server.adb("connect", self.serial)
        return self.server.state(self.serial) == "device"
