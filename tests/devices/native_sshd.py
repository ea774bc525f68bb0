"""A real OpenSSH server of this machine, with keys and a home of its own, where no other processor is needed."""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO

import psutil

from .ssh_host import HOST, SshHost, free_port, new_key, public

#: The path of an sshd, where it is in none of the usual places.
SSHD_VARIABLE = "EDGEBENCH_SSHD"
PATIENCE_S = 10.0
#: sshd looks the user's home folder up in the system's accounts and starts there. The tests' own is entered instead;
#: what sshd would have run goes to the user's shell from there, as sshd does it.
ENTER_HOME = 'cd "$HOME"; [ -z "$SSH_ORIGINAL_COMMAND" ] && exec "$SHELL" -l; exec "$SHELL" -c "$SSH_ORIGINAL_COMMAND"'
SFTP_SERVERS = (
    "/usr/lib/openssh/sftp-server",
    "/usr/libexec/openssh/sftp-server",
    "/usr/lib/ssh/sftp-server",
    "/usr/libexec/sftp-server",
)


def find_sshd() -> str | None:
    """Return the path of OpenSSH's server, or None where it is not installed."""
    own = os.environ.get(SSHD_VARIABLE)
    if own:
        return own if Path(own).is_file() else None
    return shutil.which("sshd", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")


def path_without(prefix: str, folder: Path) -> str:
    """Fill ``folder`` with links to this machine's programs but those whose names begin with ``prefix``; return it."""
    folder.mkdir(parents=True)
    for directory in ("/usr/bin", "/bin"):
        for program in Path(directory).iterdir():
            link = folder / program.name
            if not program.name.startswith(prefix) and not link.is_symlink():
                link.symlink_to(program)
    return str(folder)


class NativeSshd(SshHost):
    """A running server on a free port of the loopback address, for the current user and one key.

    What is written "on the board" goes to ``home``, a new folder. ``path`` is the PATH of what runs there, for boards
    that lack a program.

    Raises:
        RuntimeError: The server did not start; the text is its log.
    """

    def __init__(self, *, path: str | None = None) -> None:
        # Not pytest's folder: paths of sockets on the "board" have to be short.
        folder = Path(tempfile.mkdtemp(prefix="sshd-"))
        super().__init__(folder, free_port(), pwd.getpwuid(os.geteuid()).pw_name, new_key(folder / "id"))
        self.home = folder / "home"
        self.home.mkdir()
        self._path = path
        self._host_key = folder / "host_key"
        self._log_file = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self._orphans: list[psutil.Process] = []
        self._start(new_host_key=True)
        self.trust_host_key()

    @property
    def log(self) -> str:
        """Return what the server has logged, over all its starts."""
        return self._log_file.read_text(errors="replace")

    def trust_host_key(self) -> None:
        """Make the client believe the host key that the server has now."""
        self.trust(public(self._host_key))

    def restart(self, *, new_host_key: bool = False) -> None:
        """End the server and its connections and start it on the same port.

        With a new host key, ``known_hosts`` keeps the old one, as a client's would.
        """
        self.stop_listening()
        self.kill_connections()
        self._start(new_host_key)

    def kill_connections(self) -> int:
        """Kill the processes that serve connections; return how many. What they ran loses its input and output."""
        return self._signal_connections(signal.SIGKILL)

    def freeze_connections(self) -> int:
        """Stop the processes that serve connections, as a link does that drops everything; return how many."""
        return self._signal_connections(signal.SIGSTOP)

    def thaw_connections(self) -> int:
        """Let frozen connections go on; return how many there are."""
        return self._signal_connections(signal.SIGCONT)

    def stop_listening(self) -> None:
        """End the server alone: nobody gets in, and connections that are there go on."""
        if self._process is None:
            return
        # The connections' processes would be lost from sight with their parent.
        self._orphans = self._connections()
        self._process.kill()
        self._process.wait()
        self._process = None

    def stop(self) -> None:
        """End the server, its connections and all that was started over them, and remove its folder."""
        self.stop_listening()
        self.kill_connections()
        _kill(self._left_behind())
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self, new_host_key: bool) -> None:
        if new_host_key:
            new_key(self._host_key)
        self._orphans = []
        program = find_sshd()
        if program is None:
            raise RuntimeError("no sshd here")
        if os.geteuid() == 0:
            # Where a root sshd locks its unprivileged half up; service managers make it, and nothing has here.
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        config = self._write_server_config(program)
        with self._log_file.open("ab") as log:
            earlier = log.tell()
            self._process = self._launch([program, "-D", "-e", "-f", str(config)], log)
        self._wait_until_listening(self._process, earlier)

    def _launch(self, command: list[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, start_new_session=True
        )

    def _wait_until_listening(self, process: subprocess.Popen[bytes], earlier_bytes: int) -> None:
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end and process.poll() is None:
            if b"Server listening" in self._log_file.read_bytes()[earlier_bytes:]:
                return
            time.sleep(0.01)
        process.kill()
        process.wait()
        raise RuntimeError(f"sshd did not start on port {self.port}: {self.log}")

    def _write_server_config(self, program: str) -> Path:
        authorized = self.folder / "authorized_keys"
        authorized.write_text(public(self.key).read_text())
        temporary = self.folder / "tmp"  # a board's own: the lock of boards lies there
        temporary.mkdir(exist_ok=True)
        variables = {
            "HOME": str(self.home),
            "TMPDIR": str(temporary),
            **({} if self._path is None else {"PATH": self._path}),
        }
        lines = [
            f"ListenAddress {HOST}",
            f"Port {self.port}",
            f"HostKey {self._host_key}",
            f"AuthorizedKeysFile {authorized}",
            "AuthenticationMethods publickey",
            "PermitRootLogin prohibit-password",
            "UsePAM no",
            "StrictModes no",
            "PidFile none",
            "PrintMotd no",
            "LogLevel VERBOSE",
            # Tests open many connections at once and fail to log in on purpose.
            "MaxStartups 100",
            "SetEnv " + " ".join(shlex.quote(f"{name}={value}") for name, value in variables.items()),
            f"ForceCommand {ENTER_HOME}",
        ]
        sftp = next((path for path in SFTP_SERVERS if Path(path).exists()), None)
        if sftp is not None:
            lines.append(f"Subsystem sftp {sftp}")
        config = self.folder / "sshd_config"
        config.write_text("\n".join(lines) + "\n")
        # Since 9.8 an address that fails to log in is shut out for a while; older servers do not know the word.
        penalties = "PerSourcePenalties no"
        check = [program, "-t", "-f", str(config), "-o", penalties]
        if subprocess.run(check, capture_output=True, check=False).returncode == 0:
            config.write_text("\n".join([*lines, penalties]) + "\n")
        return config

    def _connections(self) -> list[psutil.Process]:
        """Return the processes that serve connections: for a login as somebody else than root there are two each."""
        if self._process is None:
            return self._orphans
        return [child for child in psutil.Process(self._process.pid).children(recursive=True) if _is_sshd(child)]

    def _signal_connections(self, number: signal.Signals) -> int:
        served = 0
        for process in self._connections():
            try:
                process.send_signal(number)
            except psutil.NoSuchProcess:
                continue
            served += 1
        return served

    def _left_behind(self) -> list[psutil.Process]:
        """Return what was started over connections and is still there, known by the home folder that it was given."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("HOME") == str(self.home):
                    found.append(process)
            except psutil.Error:
                continue
        return found


def _is_sshd(process: psutil.Process) -> bool:
    try:
        return process.name().startswith("sshd")
    except psutil.NoSuchProcess:
        return False


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
