"""What every SSH server of the tests has: an address, a key that it lets in, and files that the real client can use."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

HOST = "127.0.0.1"


class SshHost:
    """A server that the real ``ssh`` reaches as ``ssh -F ssh_config board``: host keys verified, no question asked."""

    host = HOST
    #: The name of the server in ``ssh_config``.
    alias = "board"

    def __init__(self, folder: Path, port: int, user: str, key: Path) -> None:
        self.folder = folder
        self.port = port
        self.user = user
        #: The private key that the server lets in; the public one lies beside it.
        self.key = key
        self.known_hosts = folder / "known_hosts"
        self.ssh_config = folder / "ssh_config"
        self._write_config()

    @property
    def address(self) -> str:
        """Return the server as a URL, ``ssh://user@host:port``."""
        return f"ssh://{self.user}@{self.host}:{self.port}"

    def trust(self, host_key: Path) -> None:
        """Make a public host key the only one that the client believes."""
        kind, text = host_key.read_text().split()[:2]
        self.known_hosts.write_text(f"[{self.host}]:{self.port} {kind} {text}\n")

    def ssh(self, *words: str, options: Sequence[str] = ()) -> list[str]:
        """Return the command that runs ``words`` there: as ssh does, joined by spaces and read by the login shell.

        Options are lines of ``ssh_config`` that go before its own, such as ``ConnectTimeout=2``.
        """
        flags = [word for option in options for word in ("-o", option)]
        return ["ssh", "-F", str(self.ssh_config), *flags, self.alias, *words]

    def run(
        self, *words: str, options: Sequence[str] = (), stdin: str = "", timeout_s: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run ``words`` there with the real client and return how that ended; 255 is the client's own failure."""
        return finished(self.ssh(*words, options=options), stdin, timeout_s)

    def _write_config(self) -> None:
        self.ssh_config.write_text(
            f"Host {self.alias}\n"
            f"    HostName {self.host}\n"
            f"    Port {self.port}\n"
            f"    User {self.user}\n"
            f"    IdentityFile {self.key}\n"
            "    IdentitiesOnly yes\n"
            f"    UserKnownHostsFile {self.known_hosts}\n"
            "    GlobalKnownHostsFile /dev/null\n"
            "    StrictHostKeyChecking yes\n"
            "    ConnectTimeout 30\n"
            "    BatchMode yes\n"
        )


def finished(command: Sequence[str], stdin: str = "", timeout_s: float = 30) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and return what it wrote."""
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False)


def new_key(path: Path) -> Path:
    """Make a key pair without a passphrase at ``path`` and ``path.pub``, replacing one that is there."""
    for file in (path, public(path)):
        file.unlink(missing_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)], check=True)
    return path


def public(key: Path) -> Path:
    """Return where the public half of a key lies."""
    return key.with_name(f"{key.name}.pub")


def free_port() -> int:
    """Return a port of the loopback address that nothing listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def has_client() -> bool:
    """Whether OpenSSH's client and its key maker are here."""
    return all(shutil.which(name) for name in ("ssh", "ssh-keygen"))
