"""Governors on recorded trees: plain files for the kernel's; processes, locks, signals and permissions are real."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from devices.support import is_gone, wait_for
from edgebench.devices.governor import guarded_governor
from edgebench.devices.zipapp import worker_file
from edgebench.errors import DeviceRefused
from edgebench.worker.governor import GovernorSwitch, policies
from edgebench.worker.refusal import Refusal
from edgebench.worker.tree import Tree
from machine_trees import lay_out, put

CPUFREQ = "/sys/devices/system/cpu/cpufreq"
BOOT = "/proc/sys/kernel/random/boot_id"


class Board:
    """A machine with two clock policies."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.state = folder / "cache" / "governor.json"
        for number, governor in enumerate(("schedutil", "ondemand")):
            put(self.root, f"{CPUFREQ}/policy{number}/scaling_governor", governor)
            put(self.root, f"{CPUFREQ}/policy{number}/scaling_available_governors", "performance schedutil ondemand")
        put(self.root, BOOT, "boot-1")

    @property
    def files(self) -> list[Path]:
        return [Path(f"{self.root}{CPUFREQ}/policy{number}/scaling_governor") for number in (0, 1)]

    @property
    def governors(self) -> list[str]:
        return [file.read_text().strip() for file in self.files]

    def switch(self) -> GovernorSwitch:
        return GovernorSwitch(str(self.state), str(self.root))

    def guard(self, name: str) -> list[str]:
        return [sys.executable, str(worker_file()), "guard", name, str(self.state), str(self.root)]


BEFORE, SET = ["schedutil", "ondemand"], ["performance", "performance"]


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path)


def test_each_policy_gets_its_own_governor_back(board: Board) -> None:
    switch = board.switch()
    assert list(switch.set("performance").values()) == BEFORE
    assert board.governors == SET
    assert switch.restore() == []
    assert board.governors == BEFORE
    assert switch.restore() == []
    assert not board.state.read_bytes()


def test_a_machine_without_policies_has_files_by_cpu(tmp_path: Path) -> None:
    root = lay_out("raspberry-pi-4", tmp_path)
    assert policies(Tree(str(root))) == [f"/sys/devices/system/cpu/cpu{number}/cpufreq" for number in range(4)]


def test_what_is_set_already_is_left_alone(board: Board) -> None:
    for file in board.files:
        file.write_text("performance\n")
    first, second = board.switch(), board.switch()
    assert first.set("performance") == {}
    assert second.set("schedutil")  # the first one holds nothing
    second.restore()
    assert first.restore() == []
    assert board.governors == SET


def test_an_unknown_governor_is_refused_with_those_that_there_are(board: Board) -> None:
    with pytest.raises(Refusal, match="no such governor here; choose performance, schedutil, ondemand"):
        board.switch().set("turbo")
    assert board.governors == BEFORE


def test_a_device_without_governors_says_so(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="has no governor that could be set"):
        GovernorSwitch(str(tmp_path / "state"), str(tmp_path)).set("performance")


def test_where_one_policy_refuses_the_others_are_put_back(board: Board) -> None:
    board.files[1].unlink()
    board.files[1].symlink_to("/dev/full")  # a file that cannot be written, and reads as something else
    put(board.root, f"{CPUFREQ}/policy1/scaling_available_governors", "performance")
    with pytest.raises(
        Refusal, match=r"policy1/scaling_governor: .*; run edgebench as root.* by hand: echo performance"
    ):
        board.switch().set("performance")
    assert board.files[0].read_text().strip() == "schedutil"


def test_only_one_process_at_a_time_sets_one(board: Board) -> None:
    first, second = board.switch(), board.switch()
    first.set("performance")
    with pytest.raises(Refusal, match="another run has set one; wait until it has ended"):
        second.set("ondemand")
    assert second.recover() is None
    assert board.governors == SET
    first.restore()
    assert second.set("performance")
    second.restore()


def _killed(board: Board) -> None:
    """Leave behind what a process does that sets a governor and is killed."""
    switch = board.switch()
    switch.set("performance")
    switch._let_go()


def test_what_a_killed_one_left_is_put_back_by_the_next(board: Board) -> None:
    _killed(board)
    left = board.switch().recover()
    assert left is not None
    assert left.name == "performance"
    assert board.governors == BEFORE
    assert board.switch().recover() is None


def test_the_next_one_that_sets_a_governor_knows_what_was_there_first(board: Board) -> None:
    _killed(board)
    switch = board.switch()
    assert list(switch.set("performance").values()) == BEFORE
    switch.restore()
    assert board.governors == BEFORE


def test_what_somebody_has_set_since_is_left_alone(board: Board) -> None:
    _killed(board)
    board.files[0].write_text("ondemand\n")
    board.switch().recover()
    assert board.governors == ["ondemand", "ondemand"]


def test_a_reboot_has_put_back_everything(board: Board) -> None:
    _killed(board)
    put(board.root, BOOT, "boot-2")
    assert board.switch().recover() is None
    assert board.governors == SET  # as it is in the new boot, whoever wants that


def test_only_files_of_governors_are_ever_written(board: Board, tmp_path: Path) -> None:
    other = tmp_path / "root" / "etc" / "passwd"
    other.parent.mkdir()
    other.write_text("performance\n")
    board.state.parent.mkdir()
    content = {"name": "performance", "previous": {"/etc/passwd": "x"}, "boot": "boot-1"}
    board.state.write_text(json.dumps(content))
    assert board.switch().recover() is None
    assert other.read_text() == "performance\n"


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[]", b'{"boot": "boot-1"}', b'{"boot": "boot-1", "name": 1}'])
def test_a_damaged_note_is_no_note(board: Board, content: bytes) -> None:
    board.state.parent.mkdir()
    board.state.write_bytes(content)
    assert board.switch().recover() is None


def test_a_guardian_sets_it_meanwhile(board: Board) -> None:
    with guarded_governor(board.guard("performance"), "performance") as change:
        assert board.governors == SET
        assert change.previous == {"policy0": "schedutil", "policy1": "ondemand"}
    assert board.governors == BEFORE


def test_a_guardian_puts_back_whatever_goes_wrong(board: Board) -> None:
    with pytest.raises(ZeroDivisionError), guarded_governor(board.guard("performance"), "performance"):
        raise ZeroDivisionError
    assert board.governors == BEFORE


def test_a_guardian_that_is_refused_says_why(board: Board) -> None:
    with (
        pytest.raises(DeviceRefused, match="no such governor here"),
        guarded_governor(board.guard("turbo"), "turbo"),
    ):
        pass


def test_what_cannot_be_put_back_is_told(board: Board) -> None:
    def break_one() -> None:
        with guarded_governor(board.guard("performance"), "performance"):
            board.files[0].unlink()
            board.files[0].symlink_to("/dev/full")

    with pytest.raises(DeviceRefused, match=r"the governor could not be put back: .*policy0"):
        break_one()
    assert board.files[1].read_text().strip() == "ondemand"


HOLDER = """
import signal, sys, time
from edgebench.devices.governor import guarded_governor
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup a test's processes would be deaf to it
with guarded_governor(sys.argv[1:], "performance"):
    print("set", flush=True)
    time.sleep(600)
"""


def _holder(board: Board) -> subprocess.Popen[str]:
    """Start a process that has set the governor."""
    command = [sys.executable, "-c", HOLDER, *board.guard("performance")]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "set\n"
    assert board.governors == SET
    return holder


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_the_old_governor_comes_back_however_the_process_ends(board: Board, number: signal.Signals) -> None:
    holder = _holder(board)
    (guardian,) = _children(holder.pid)
    with holder:
        holder.send_signal(number)
    assert wait_for(lambda: board.governors == BEFORE)
    assert wait_for(lambda: is_gone(guardian))


def test_signals_for_all_do_not_end_the_guardian(board: Board) -> None:
    holder = _holder(board)
    (guardian,) = _children(holder.pid)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        os.kill(guardian, number)
    with holder:
        holder.kill()
    assert wait_for(lambda: board.governors == BEFORE)


def test_where_both_are_killed_the_next_one_puts_it_back(board: Board) -> None:
    holder = _holder(board)
    (guardian,) = _children(holder.pid)
    with holder:
        os.kill(guardian, signal.SIGKILL)
        holder.kill()
    assert board.governors == SET
    assert wait_for(lambda: board.switch().recover() is not None)  # the kernel ends a killed process in its own time
    assert board.governors == BEFORE


SUDO = """#!{python} -S
import os, sys
assert sys.argv[1:4] == ["-n", "tee", "-i"], sys.argv
for line in sys.stdin:
    if os.path.exists({refuse!r}):
        sys.exit(1)
    sys.stdout.write(line)
    sys.stdout.flush()
    os.chmod(sys.argv[4], 0o644)
    with open(sys.argv[4], "w") as file:  # as the kernel does: each write is a value of its own
        file.write(line)
    os.chmod(sys.argv[4], 0o444)
"""


@pytest.fixture
def unprivileged(board: Board, tmp_path: Path) -> Callable[[bool], subprocess.CompletedProcess[str]]:
    """Return what runs a guardian that may not write the files itself, with or without a sudo that may."""
    (tmp_path / "bin").mkdir()
    refuse = tmp_path / "refuse"
    sudo = tmp_path / "bin" / "sudo"
    sudo.write_text(SUDO.format(python=sys.executable, refuse=str(refuse)))
    sudo.chmod(0o755)
    for file in board.files:
        file.chmod(0o444)
    bounded: list[str] = []
    if os.geteuid() == 0:  # root may write anything, unless it gives that up
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("root, and no setpriv to give its powers up with")
        bounded = [setpriv, "--bounding-set=-dac_override,-dac_read_search"]

    def run(allowed: bool) -> subprocess.CompletedProcess[str]:
        if not allowed:
            refuse.touch()
        environment = {**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
        command = [*bounded, *board.guard("performance")]
        return subprocess.run(command, input="", env=environment, capture_output=True, text=True, check=True)

    return run


def test_sudo_writes_what_the_user_may_not(
    board: Board, unprivileged: Callable[[bool], subprocess.CompletedProcess[str]]
) -> None:
    told, ended = map(json.loads, unprivileged(True).stdout.splitlines())
    assert told["ok"]
    assert list(told["previous"].values()) == BEFORE
    assert ended["ok"], ended
    assert board.governors == BEFORE


def test_without_sudo_one_line_says_what_to_do(
    board: Board, unprivileged: Callable[[bool], subprocess.CompletedProcess[str]]
) -> None:
    (line,) = unprivileged(False).stdout.splitlines()
    told = json.loads(line)
    assert not told["ok"]
    assert "this user may not set it, nor does sudo without a password" in told["message"]
    assert "run edgebench as root" in told["message"]
    assert "echo performance | sudo tee" in told["message"]
    assert board.governors == BEFORE
