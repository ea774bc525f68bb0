from __future__ import annotations

import hashlib
import os
import re
import threading
import time
from collections.abc import Callable

import pytest
from edgebench.devices.adb import AdbTransport
from edgebench.devices.adb_line import Way
from edgebench.errors import DeviceLost

from .adb_client import Connect
from .phone import Phone
from .support import PATIENCE_S, wait_for
from .test_ssh import Output
from .test_ssh_command import HOSTILE

pytestmark = pytest.mark.phone

StartPhone = Callable[..., Phone]


@pytest.fixture(params=list(Way), ids=lambda way: way.value)
def android(request: pytest.FixtureRequest, phone: Phone, connect_adb: Connect) -> AdbTransport:
    """A connection for tests that leave it as it was, of each kind."""
    return connect_adb(phone, request.param)


# run


def test_what_it_writes_and_its_status_come_back(android: AdbTransport, phone: Phone) -> None:
    done = android.run(["sh", "-c", "pwd; echo said >&2; id -un; exit 7"])

    assert (done.status, done.stdout, done.stderr.strip()) == (7, b"/\nshell\n", b"said")
    assert (done.last_words, android.address) == ("said", phone.serial)


def test_the_end_by_a_signal_is_a_status(android: AdbTransport) -> None:
    assert android.run(["sh", "-c", "kill -KILL $$"]).status == 128 + 9


def test_a_program_that_is_not_there_is_the_programs_end_not_the_connections(android: AdbTransport) -> None:
    done = android.run(["no-such-program"])

    assert done.status == 127
    assert "not found" in done.last_words


def test_bytes_go_and_come_as_they_are(android: AdbTransport) -> None:
    data = bytes(range(256)) * 5000 + b"\r\n\x04\x1a"

    done = android.run(["cat"], given=data)

    assert (done.status, len(done.stdout), done.stdout == data) == (0, len(data), True)


def test_input_that_is_not_read_is_no_error(android: AdbTransport) -> None:
    assert android.run(["true"], given=bytes(4_000_000)).status == 0


def test_no_input_is_an_end_of_input(android: AdbTransport) -> None:
    assert android.run(["cat"]).stdout == b""


def test_hostile_words_reach_no_shell(android: AdbTransport, phone: Phone) -> None:
    done = android.run(["printf", "%s\\0", *HOSTILE])

    assert done.stdout == b"".join(word.encode("utf-8", "surrogateescape") + b"\0" for word in HOSTILE)
    assert sorted(path.name for path in phone.path("/data/local/tmp").iterdir()) == ["small"]


@pytest.mark.parametrize("way", [Way.FRAMED, Way.CLIENT], ids=lambda way: way.value)
def test_no_terminal_is_there(phone: Phone, connect_adb: Connect, way: Way) -> None:
    """Where both outputs are one, the daemon takes a terminal for them, a raw one."""
    assert connect_adb(phone, way).run(["sh", "-c", "test -t 0 || test -t 1 || test -t 2"]).status == 1


def test_no_answer_in_time_is_told_and_the_connection_stays(android: AdbTransport) -> None:
    with pytest.raises(DeviceLost, match=rf"^{android.address}: no answer to 'sleep 600' within 0\.3 s$"):
        android.run(["sleep", "600"], timeout_s=0.3)

    assert android.run(["echo", "there"]).stdout == b"there\n"


def test_many_threads_may_ask_at_once(android: AdbTransport) -> None:
    answers: dict[int, bytes] = {}

    def ask(number: int) -> None:
        answers[number] = android.run(["echo", str(number)]).stdout

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)

    assert answers == {number: f"{number}\n".encode() for number in range(4)}


# open


def test_a_stream_goes_both_ways(android: AdbTransport) -> None:
    output = Output()
    stream = android.open(["sh", "-c", "echo told >&2; exec cat"], output)

    stream.write(b"first\n")
    output.wait_for(b"first\n")
    stream.write(b"\0\xff\n")
    output.wait_for(b"first\n\0\xff\n")
    stream.close()
    stream.close()

    output.wait_for_end()
    assert output.ends == 1
    assert output.threads == {f"adb {android.address}"}
    with pytest.raises(DeviceLost):
        stream.write(b"more")


@pytest.mark.parametrize("way", [Way.FRAMED, Way.CLIENT], ids=lambda way: way.value)
def test_a_program_may_say_something_after_the_end_of_its_input(phone: Phone, connect_adb: Connect, way: Way) -> None:
    output = Output()
    stream = connect_adb(phone, way).open(["sh", "-c", "cat; echo end"], output)

    stream.write(b"first\n")
    stream.close()

    output.wait_for(b"first\nend\n")


def test_writing_blocks_while_nobody_reads_and_loses_nothing(android: AdbTransport, phone: Phone) -> None:
    output = Output()
    fifo = "/data/local/tmp/small/fifo"
    assert android.run(["mkfifo", fifo]).status == 0
    stream = android.open(["sh", "-c", f"echo up; read line < {fifo}; rm {fifo}; head -c 12582912 | md5sum"], output)
    output.wait_for(b"up\n")
    data = os.urandom(1 << 20) * 12
    sent = threading.Event()

    def write() -> None:
        stream.write(data)
        sent.set()

    threading.Thread(target=write, daemon=True).start()
    assert not sent.wait(0.3)
    assert phone.run("sh", "-c", f"echo go > {fifo}").returncode == 0

    assert sent.wait(PATIENCE_S)
    assert wait_for(lambda: output.data.count(b"\n") > 1)
    stream.close()
    assert bytes(output.data).split()[1].decode() == hashlib.md5(data).hexdigest()


def test_who_does_not_take_output_holds_the_program_up(android: AdbTransport, phone: Phone) -> None:
    go, taken = threading.Event(), bytearray()

    def slow(data: bytes | None) -> None:
        go.wait(PATIENCE_S)
        taken.extend(data or b"")

    progress = "/data/local/tmp/small/progress"
    stream = android.open(["sh", "-c", f"head -c 12000000 /dev/zero; echo done > {progress}"], slow)
    time.sleep(0.3)
    held = phone.path(progress).exists()
    go.set()

    assert wait_for(lambda: len(taken) == 12_000_000)
    assert not held
    stream.close()
    assert wait_for(phone.path(progress).exists)
    phone.path(progress).unlink()


# faults


@pytest.mark.parametrize("way", list(Way), ids=lambda way: way.value)
def test_a_killed_daemon_ends_everything_that_waits(start_phone: StartPhone, connect_adb: Connect, way: Way) -> None:
    phone = start_phone()
    transport = connect_adb(phone, way)
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
        threading.Thread(target=call, args=(lambda: transport.run(["sh", "-c", "touch $TMPDIR/begun; sleep 600"]),)),
        threading.Thread(target=call, args=(write,)),
    ]
    for thread in waiting:
        thread.start()
    assert wait_for(phone.path("/data/local/tmp/begun").exists)
    phone.kill_daemon()
    for thread in waiting:
        thread.join(PATIENCE_S)
    output.wait_for_end()

    assert len(raised) == 2
    for line in raised:
        assert re.fullmatch(rf"{transport.address}: (the connection was lost|it is offline: .*)", line)
    assert output.ends == 1
    for later in (lambda: transport.run(["true"]), lambda: transport.open(["true"], output)):
        with pytest.raises(DeviceLost, match=r"it is offline: .*plug it in anew"):
            later()
    with pytest.raises(DeviceLost, match="the connection was lost"):
        stream.write(b"x")
    phone.start_daemon()
    assert transport.run(["echo", "back"]).stdout == b"back\n"


@pytest.mark.parametrize("way", list(Way), ids=lambda way: way.value)
def test_closing_is_quick_whatever_state_the_connection_is_in(
    start_phone: StartPhone, connect_adb: Connect, way: Way
) -> None:
    phone = start_phone()
    transport = connect_adb(phone, way)
    output = Output()
    stream = transport.open(["sleep", "600"], output)

    def write() -> None:
        with pytest.raises(DeviceLost):
            stream.write(bytes(64_000_000))

    writing = threading.Thread(target=write)
    writing.start()
    phone.freeze()
    begin = time.monotonic()

    transport.close()
    transport.close()

    assert time.monotonic() - begin < PATIENCE_S
    writing.join(PATIENCE_S)
    assert (writing.is_alive(), output.ends) == (False, 1)
    with pytest.raises(DeviceLost, match="the connection was closed"):
        transport.run(["true"])
    stream.close()
    phone.thaw()


def test_a_stream_is_closed_while_somebody_writes_to_it(start_phone: StartPhone, connect_adb: Connect) -> None:
    phone = start_phone()
    stream = connect_adb(phone).open(["sleep", "600"], Output())
    lost = threading.Event()

    def write() -> None:
        with pytest.raises(DeviceLost):
            stream.write(bytes(64_000_000))
        lost.set()

    threading.Thread(target=write, daemon=True).start()
    phone.freeze()
    stream.close()

    assert lost.wait(PATIENCE_S)
    phone.thaw()


def test_nothing_is_left_running_here_or_there(android: AdbTransport, phone: Phone) -> None:
    stream = android.open(["head", "-c", "98765"], Output())
    assert wait_for(lambda: runs(phone, "head -c 98765"))

    android.close()
    stream.close()

    assert wait_for(lambda: not runs(phone, "head -c 98765"))
    assert not any(thread.name == f"adb {android.address}" for thread in threading.enumerate())


def runs(phone: Phone, words: str) -> bool:
    """Return whether a program runs there."""
    return phone.run("pgrep", "-f", f"[{words[0]}]{words[1:]}").returncode == 0
