from __future__ import annotations

import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from edgebench.devices.ssh import SshTransport
from edgebench.errors import DeviceLost, DeviceRefused

from .native_sshd import NativeSshd
from .ssh_client import Connect, settings
from .support import PATIENCE_S, wait_for
from .test_ssh_command import HOSTILE

StartSshd = Callable[..., NativeSshd]
#: A dead connection is noticed after 0.6 s.
QUICK = {"keepalive_s": 0.2, "keepalive_count": 2}


class Output:
    """What a program wrote, as it came."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.ends = 0
        self.threads: set[str] = set()

    def __call__(self, data: bytes | None) -> None:
        self.threads.add(threading.current_thread().name)
        if data is None:
            self.ends += 1
        else:
            assert self.ends == 0
            self.data += data

    def wait_for(self, data: bytes) -> None:
        assert wait_for(lambda: bytes(self.data) == data), bytes(self.data)

    def wait_for_end(self) -> None:
        assert wait_for(lambda: self.ends > 0)


@pytest.fixture(scope="module")
def board(sshd: NativeSshd) -> Iterator[SshTransport]:
    """A connection for tests that leave it as it was."""
    transport = SshTransport(settings(sshd))
    yield transport
    transport.close()


# run


def test_what_it_writes_and_its_status_come_back(board: SshTransport, sshd: NativeSshd) -> None:
    done = board.run(["sh", "-c", "pwd; echo said >&2; exit 7"])

    assert (done.status, done.stdout, done.stderr) == (7, f"{sshd.home}\n".encode(), b"said\n")
    assert done.last_words == "said"
    assert board.address == f"{sshd.user}@{sshd.host}:{sshd.port}"


def test_the_end_by_a_signal_is_a_status(board: SshTransport) -> None:
    assert board.run(["sh", "-c", "kill -KILL $$"]).status == 128 + 9
    assert board.run(["sh", "-c", "kill -TERM $$"]).status == 128 + 15


def test_a_program_that_is_not_there_is_the_programs_end_not_the_connections(board: SshTransport) -> None:
    done = board.run(["no-such-program"])

    assert done.status == 127
    assert "not found" in done.last_words


def test_bytes_go_and_come_as_they_are(board: SshTransport) -> None:
    data = bytes(range(256)) * 5000 + b"\r\n\x04\x1a"

    done = board.run(["cat"], given=data)

    assert (done.status, done.stdout) == (0, data)


def test_input_that_is_not_read_is_no_error(board: SshTransport) -> None:
    assert board.run(["true"], given=bytes(8_000_000)).status == 0


def test_hostile_words_reach_no_shell(board: SshTransport, sshd: NativeSshd) -> None:
    before = sorted(sshd.home.iterdir())

    done = board.run(["printf", "%s\\0", *HOSTILE])

    assert done.stdout == b"".join(word.encode("utf-8", "surrogateescape") + b"\0" for word in HOSTILE)
    assert sorted(sshd.home.iterdir()) == before


def test_no_terminal_is_there(board: SshTransport) -> None:
    assert board.run(["sh", "-c", "test -t 0 || test -t 1 || test -t 2"]).status == 1


def test_no_answer_in_time_is_told_and_the_connection_stays(board: SshTransport) -> None:
    with pytest.raises(DeviceLost, match=rf"^{board.address}: no answer to 'sleep 600' within 0\.3 s$"):
        board.run(["sleep", "600"], timeout_s=0.3)

    assert board.run(["echo", "there"]).stdout == b"there\n"


def test_many_threads_may_ask_at_once(board: SshTransport) -> None:
    answers: dict[int, bytes] = {}

    def ask(number: int) -> None:
        answers[number] = board.run(["echo", str(number)]).stdout

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)

    assert answers == {number: f"{number}\n".encode() for number in range(6)}


# open


def test_a_stream_goes_both_ways_and_ends_with_its_input(board: SshTransport) -> None:
    output = Output()
    stream = board.open(["sh", "-c", "cat; echo told >&2; echo end"], output)

    stream.write(b"first\n")
    output.wait_for(b"first\n")
    stream.write(b"\0\xff\n")
    stream.close()
    stream.close()

    output.wait_for(b"first\n\0\xff\nend\n")
    output.wait_for_end()
    assert output.ends == 1
    assert output.threads == {f"ssh {board.address}"}


def test_writing_blocks_while_nobody_reads_and_loses_nothing(board: SshTransport, sshd: NativeSshd) -> None:
    fifo = sshd.home / "fifo"
    os.mkfifo(fifo)
    output = Output()
    stream = board.open(["sh", "-c", "read line < fifo; wc -c"], output)

    writer = threading.Thread(target=stream.write, args=(bytes(12_000_000),))
    writer.start()
    writer.join(0.3)
    blocked = writer.is_alive()
    fifo.write_text("go\n")
    writer.join(PATIENCE_S)
    stream.close()

    assert blocked
    output.wait_for(b"12000000\n")


def test_much_on_the_error_output_holds_nothing_up(board: SshTransport) -> None:
    output = Output()
    stream = board.open(["sh", "-c", "head -c 6000000 /dev/zero >&2; echo done"], output)

    output.wait_for(b"done\n")
    stream.close()


def test_a_program_that_has_ended_takes_nothing_more(board: SshTransport) -> None:
    output = Output()
    stream = board.open(["sh", "-c", "exit 3"], output)
    output.wait_for_end()

    def refused() -> bool:
        try:
            stream.write(b"x")
        except DeviceLost as error:
            return "the program there has ended with status 3" in str(error)
        return False

    assert wait_for(refused)  # the end of the channel comes a moment after the end of the output
    stream.close()


def test_a_program_that_goes_on_after_its_input_is_left_after_a_while(
    board: SshTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgebench.devices.ssh_stream.END_S", 0.2)
    output = Output()
    stream = board.open(["sh", "-c", "exec sleep 600"], output)

    stream.close()

    output.wait_for_end()


def test_calls_from_the_connections_own_thread_are_told_so(board: SshTransport) -> None:
    seen: list[str] = []

    def on_output(data: bytes | None) -> None:
        if data:
            try:
                board.run(["true"])
            except RuntimeError as error:
                seen.append(str(error))

    stream = board.open(["echo", "x"], on_output)

    assert wait_for(lambda: bool(seen))
    assert "another thread" in seen[0]
    stream.close()


# login shells


def test_a_shell_that_chatters_changes_nothing(start_sshd: StartSshd, connect_ssh: Connect) -> None:
    server = start_sshd()
    if shutil.which("bash") is None:
        pytest.skip("no bash here")
    (server.home / ".bashrc").write_text("echo Welcome to the board!; echo warning >&2; printf 'no end of line'\n")
    transport = connect_ssh(settings(server))
    output = Output()

    # Only bash reads .bashrc when it is started by sshd, and not everybody's shell is bash.
    assert b"Welcome" in transport.run(["bash", "-c", ". ~/.bashrc"]).stdout
    done = transport.run(["sh", "-c", "echo answer; echo words >&2"])
    stream = transport.open(["cat"], output)
    stream.write(b"line\n")

    assert (done.status, done.stdout, done.stderr) == (0, b"answer\n", b"words\n")
    output.wait_for(b"line\n")
    stream.close()


def test_a_shell_that_runs_nothing_is_a_refusal_in_its_own_words(start_sshd: StartSshd, connect_ssh: Connect) -> None:
    server = start_sshd()
    key = (server.folder / "authorized_keys").read_text()
    config = server.folder / "sshd_config"
    lines = [line for line in config.read_text().splitlines() if not line.startswith("ForceCommand")]
    (server.folder / "authorized_keys").write_text(f'command="echo This account is for git alone.; exit 1" {key}')
    config.write_text("\n".join([*lines, 'ForceCommand echo "This account is for git alone."; exit 1']) + "\n")
    reload(server)
    transport = connect_ssh(settings(server))

    for call in (lambda: transport.run(["true"]), lambda: transport.open(["true"], Output())):
        with pytest.raises(DeviceRefused, match="runs no programs, it says: This account is for git alone"):
            call()


def reload(server: NativeSshd) -> None:
    """Have the server read its configuration again, which it was started with."""
    assert server._process is not None
    psutil.Process(server._process.pid).send_signal(1)
    assert wait_for(lambda: server.log.count("Server listening") == 2)


# faults


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_a_cut_connection_ends_everything_that_waits(start_sshd: StartSshd, connect_ssh: Connect, how: str) -> None:
    server = start_sshd()
    transport = connect_ssh(settings(server, **QUICK))
    output = Output()
    stream = transport.open(["cat"], output)
    idle = transport.open(["sleep", "600"], Output())
    raised: list[str] = []

    def call(function: Callable[[], object]) -> None:
        try:
            function()
        except DeviceLost as error:
            raised.append(str(error))

    def write() -> None:
        while True:
            idle.write(bytes(1 << 20))

    waiting = [
        threading.Thread(target=call, args=(lambda: transport.run(["sh", "-c", "touch begun; sleep 600"]),)),
        threading.Thread(target=call, args=(write,)),
    ]
    for thread in waiting:
        thread.start()
    assert wait_for((server.home / "begun").exists)
    assert (server.kill_connections() if how == "killed" else server.freeze_connections()) >= 1
    for thread in waiting:
        thread.join(PATIENCE_S)
    output.wait_for_end()

    # Whether a killed process's machine resets the connection or ends it depends on what was on the way.
    reason = "(: Connection reset by peer)?" if how == "killed" else r": no sign of life for 0\.6 s"
    assert len(raised) == 2
    for line in raised:
        assert re.fullmatch(rf"{transport.address}: the connection was lost{reason}", line)
    assert output.ends == 1
    for later in (
        lambda: transport.run(["true"]),
        lambda: transport.open(["true"], output),
        lambda: stream.write(b"x"),
    ):
        with pytest.raises(DeviceLost, match="the connection was lost"):
            later()
    server.thaw_connections()


def test_closing_is_quick_whatever_state_the_connection_is_in(start_sshd: StartSshd, connect_ssh: Connect) -> None:
    server = start_sshd()
    transport = connect_ssh(settings(server))
    output = Output()
    stream = transport.open(["sleep", "600"], output)

    def write() -> None:
        with pytest.raises(DeviceLost):
            stream.write(bytes(12_000_000))

    writing = threading.Thread(target=write)
    writing.start()
    server.freeze_connections()
    begin = time.monotonic()

    transport.close()
    transport.close()

    assert time.monotonic() - begin < PATIENCE_S
    writing.join(PATIENCE_S)
    assert (writing.is_alive(), output.ends) == (False, 1)
    with pytest.raises(DeviceLost, match="the connection was closed"):
        transport.run(["true"])
    stream.close()
    server.thaw_connections()


def test_nothing_is_left_running_here_or_there(start_sshd: StartSshd, connect_ssh: Connect, tmp_path: Path) -> None:
    server = start_sshd()
    transport = connect_ssh(settings(server))
    stream = transport.open(["cat"], Output())
    assert len(server._connections()) >= 1

    transport.close()
    stream.close()

    assert wait_for(lambda: server._connections() == [])
    assert not any(thread.name == f"ssh {transport.address}" for thread in threading.enumerate())
