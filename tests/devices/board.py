"""A real aarch64 Linux with a real SSH server in QEMU: a virtual board, or a Raspberry Pi 3. ``.ci/board`` builds it.

What it measures is right and its times are an emulator's.
"""

from __future__ import annotations

import enum
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from .qmp import Qmp
from .ssh_host import HOST, SshHost, free_port, has_client

#: The folder that ``.ci/board`` prints; without it, the place where that keeps it unasked.
BOARD_VARIABLE = "EDGEBENCH_BOARD"
QEMU = "qemu-system-aarch64"
#: The name of the network in QEMU, to cut it by.
NETWORK = "net"
#: What OpenSSH's server says when it is ready, here on the console.
LISTENING = "Server listening"
#: A Raspberry Pi needs 17 s on an idle machine.
BOOT_PATIENCE_S = 240.0


class Kind(enum.Enum):
    """The machine that the board is, by QEMU's name for it."""

    VIRT = "virt"
    RASPBERRY_PI_3 = "raspi3b"


def find_image() -> Path | None:
    """Return the folder with the board's kernel, disk and keys, or None without it or without a program to boot it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(os.environ.get(BOARD_VARIABLE) or cache / "edgebench-ci" / "board")
    bootable = shutil.which(QEMU) is not None and has_client()
    return folder if bootable and (folder / "stamp").is_file() else None


class Board(SshHost):
    """A board that boots from the same disk each time it is made: what is written to it lasts until ``stop``.

    ``user`` logs in with ``key``: ``pi``, or ``root``. /small is a file system of 24 MB that anybody may fill.
    """

    def __init__(self, image: Path, kind: Kind = Kind.VIRT, user: str = "pi") -> None:
        self.kind = kind
        self._image = image
        # Not pytest's folder: the path of a socket has to be short.
        super().__init__(Path(tempfile.mkdtemp(prefix="board-")), free_port(), user, image / "id")
        self.trust(image / "host_key.pub")
        #: From starting the emulator, or from the reset of the last reboot, to the end of the first command over SSH.
        self.seconds_to_ssh: float | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._qmp: Qmp | None = None

    @property
    def console(self) -> str:
        """Return what the kernel and the board's SSH server have said, over all boots."""
        file = self.folder / "console"
        return file.read_text(errors="replace") if file.exists() else ""

    def start(self) -> None:
        """Boot, and return when a command over SSH has ended.

        Raises:
            RuntimeError: It did not come up; the text is the end of its console.
        """
        began = time.monotonic()
        with (self.folder / "qemu.log").open("wb") as log:
            self._process = subprocess.Popen(
                self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        try:
            self._qmp = Qmp(self.folder / "qmp", BOOT_PATIENCE_S)
            self._wait_for_ssh(began)
        except (OSError, RuntimeError) as error:
            self._end_process()
            raise RuntimeError(f"the board did not start: {error}: {self._last_words()}") from error

    def cut(self) -> None:
        """Pull the network cable: nothing that is sent arrives, either way, and neither side is told."""
        self._monitor().ask("set_link", name=NETWORK, up=False)

    def mend(self) -> None:
        """Plug the network cable in again."""
        self._monitor().ask("set_link", name=NETWORK, up=True)

    def kill_connections(self) -> None:
        """Kill the processes on the board that serve ``user``'s connections."""
        self.login("root").run("pkill", "-KILL", "-f", f"'^sshd-session: {self.user}'")

    def reset(self) -> None:
        """Press the reset button. What had not reached the disk is lost; the board comes up by itself."""
        self._monitor().ask("system_reset")
        self._monitor().wait_for_event("RESET")

    def reboot(self) -> None:
        """Reset and return when a command over SSH has ended; raises what ``start`` does."""
        earlier = len(self.console)
        began = time.monotonic()
        self.reset()
        self._wait_for_ssh(began, earlier)

    def login(self, user: str) -> SshHost:
        """Return the same board for another of its users."""
        folder = self.folder / user
        folder.mkdir(exist_ok=True)
        other = SshHost(folder, self.port, user, self.key)
        other.trust(self._image / "host_key.pub")
        return other

    def stop(self) -> None:
        """End the emulator and forget what was written to the disk."""
        self._end_process()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end_process(self) -> None:
        if self._qmp is not None:
            self._qmp.close()
            self._qmp = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _monitor(self) -> Qmp:
        if self._qmp is None:
            raise RuntimeError("the board is not running")
        return self._qmp

    def _command(self) -> list[str]:
        image = self._image
        network = f"user,id={NETWORK},restrict=on,hostfwd=tcp:{HOST}:{self.port}-:22"
        disk = f"file={image / 'disk.ext4'},format=raw,snapshot=on"
        command = [
            QEMU, "-M", self.kind.value, "-accel", "tcg,thread=multi", "-display", "none", "-monitor", "none",
            "-qmp", f"unix:{self.folder / 'qmp'},server=on,wait=off",
            "-kernel", str(image / "vmlinuz"), "-initrd", str(image / f"initrd-{self.kind.value}.gz"),
            "-netdev", network,
        ]  # fmt: skip
        console = f"file:{self.folder / 'console'}"
        if self.kind is Kind.VIRT:
            command += [
                "-cpu", "cortex-a72", "-smp", "2", "-m", "1024", "-serial", console,
                "-append", "console=ttyAMA0 quiet mitigations=off",
                "-drive", f"{disk},if=none,id=disk", "-device", "virtio-blk-pci,drive=disk",
                "-device", f"virtio-net-pci,netdev={NETWORK},romfile=", "-device", "virtio-rng-pci",
            ]  # fmt: skip
        else:
            command += [
                "-dtb", str(image / "raspi3b.dtb"), "-serial", "null", "-serial", console,
                "-append", "console=ttyS1 quiet dwc_otg.fiq_fsm_enable=0 mitigations=off",
                "-drive", f"{disk},if=sd", "-device", f"usb-net,netdev={NETWORK}",
            ]  # fmt: skip
        return _ended_with_us(command)

    def _wait_for_ssh(self, began: float, earlier: int = 0) -> None:
        """Return when a command has ended, by a server that said that it listens after ``earlier`` letters of console.

        The console is asked rather than the port: QEMU takes connections before anybody listens, and keeps them all.
        """
        end = began + BOOT_PATIENCE_S
        while time.monotonic() < end:
            if self._process is None or self._process.poll() is not None:
                raise RuntimeError("the emulator ended")
            if LISTENING in self.console[earlier:] and self.run("true").returncode == 0:
                self.seconds_to_ssh = time.monotonic() - began
                return
            time.sleep(0.1)
        raise RuntimeError(f"no command over SSH in {BOOT_PATIENCE_S:g} s")

    def _last_words(self) -> str:
        files = [self.folder / name for name in ("qemu.log", "console")]
        return "".join(file.read_text(errors="replace") for file in files if file.exists())[-2000:]


def _ended_with_us(command: list[str]) -> list[str]:
    """Return the command in a form that the kernel kills with this process, where there is a program for it."""
    keeper = shutil.which("setpriv")
    return command if keeper is None else [keeper, "--pdeathsig", "KILL", *command]
