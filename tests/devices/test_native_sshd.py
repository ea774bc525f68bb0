from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from .native_sshd import NativeSshd, path_without
from .ssh_host import finished, new_key
from .support import PATIENCE_S, is_gone, wait_for

StartSshd = Callable[..., NativeSshd]


@pytest.fixture
def cat(sshd: NativeSshd) -> Iterator[subprocess.Popen[bytes]]:
    """A connection that gives back what it is sent, ready."""
    process = subprocess.Popen(sshd.ssh("cat"), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    _echo(process, b"ready\n")
    yield process
    process.kill()
    process.communicate()


def _echo(process: subprocess.Popen[bytes], line: bytes) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(line)
    process.stdin.flush()
    assert process.stdout.readline() == line


def test_commands_run_in_a_home_of_their_own(sshd: NativeSshd) -> None:
    answer = sshd.run("pwd; echo $HOME; echo text > here.txt; exit 7")

    assert (answer.returncode, answer.stdout) == (7, f"{sshd.home}\n{sshd.home}\n")
    assert (sshd.home / "here.txt").read_text() == "text\n"


def test_input_and_both_outputs_arrive_apart_and_quoting_is_the_shells(sshd: NativeSshd) -> None:
    answer = sshd.run("cat; printf '%s' 'a $(b) \"c\"'; echo told >&2", stdin="given ")

    assert (answer.stdout, answer.stderr.strip()) == ('given a $(b) "c"', "told")


def test_files_go_to_the_home(sshd: NativeSshd, tmp_path: Path) -> None:
    sent = tmp_path / "sent.bin"
    sent.write_bytes(bytes(range(256)))

    command = ["scp", "-q", "-F", str(sshd.ssh_config), str(sent), f"{sshd.alias}:copy.bin"]
    subprocess.run(command, check=True, timeout=PATIENCE_S, capture_output=True)

    assert (sshd.home / "copy.bin").read_bytes() == sent.read_bytes()


def test_another_key_is_refused_and_the_log_tells(sshd: NativeSshd, tmp_path: Path) -> None:
    other = new_key(tmp_path / "other")

    # Without the client's configuration, which names the key that is let in.
    options = [f"UserKnownHostsFile={sshd.known_hosts}", f"Port={sshd.port}", "IdentitiesOnly=yes", "BatchMode=yes"]
    flags = [word for option in options for word in ("-o", option)]
    refused = finished(["ssh", "-F", "/dev/null", *flags, "-i", str(other), f"{sshd.user}@{sshd.host}", "true"])

    assert (refused.returncode, "Permission denied" in refused.stderr) == (255, True)
    assert "Failed publickey" in sshd.log or "Connection closed by authenticating user" in sshd.log


def test_killed_connections_end_and_the_server_stays(sshd: NativeSshd, cat: subprocess.Popen[bytes]) -> None:
    assert sshd.kill_connections() >= 1

    assert cat.wait(PATIENCE_S) == 255
    assert sshd.run("true").returncode == 0


def test_a_frozen_connection_says_nothing_until_it_thaws(sshd: NativeSshd, cat: subprocess.Popen[bytes]) -> None:
    assert sshd.freeze_connections() >= 1
    assert wait_for(lambda: {process.status() for process in sshd._connections()} == {psutil.STATUS_STOPPED})

    sshd.thaw_connections()

    _echo(cat, b"again\n")


def test_a_new_host_key_is_noticed_until_it_is_trusted(start_sshd: StartSshd) -> None:
    server = start_sshd()
    assert server.run("true").returncode == 0

    server.restart(new_host_key=True)
    changed = server.run("true")
    server.trust_host_key()

    assert (changed.returncode, "HOST IDENTIFICATION HAS CHANGED" in changed.stderr) == (255, True)
    assert server.run("true").returncode == 0


def test_a_board_may_lack_programs(start_sshd: StartSshd, tmp_path: Path) -> None:
    server = start_sshd(path=path_without("python", tmp_path / "programs"))

    assert server.run("python3 --version").returncode == 127
    assert server.run("ls --version").returncode == 0


def test_one_server_leads_to_another(start_sshd: StartSshd, sshd: NativeSshd) -> None:
    behind = start_sshd()
    through = f"ssh -F {sshd.ssh_config} -W %h:%p {sshd.alias}"

    answer = behind.run("pwd", options=[f"ProxyCommand={through}"])

    assert answer.stdout.strip() == str(behind.home)


def test_nothing_stays_after_stop(start_sshd: StartSshd) -> None:
    server = start_sshd()
    sleeper = int(server.run("setsid sleep 1000 >/dev/null 2>&1 & echo $!").stdout)
    server.kill_connections()
    assert not is_gone(sleeper)

    server.stop()

    assert wait_for(lambda: is_gone(sleeper))
    assert not server.folder.exists()
    assert server.run("true").returncode == 255
