"""A device that is elsewhere, over a transport that is this machine's own shell: everything but the network is real."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from edgebench.devices.remote import RemoteDevice, RemoteSettings, file_digest, is_own_python
from edgebench.devices.retry import connect
from edgebench.errors import (
    DeviceError,
    DeviceLost,
    DeviceRefused,
    MemoryExceeded,
    ProtocolError,
    RuntimeRefused,
    WorkerDied,
    WorkerTimeout,
)
from harness import model

from devices.local_transport import LocalTransport, at_once

MakeDevice = Callable[..., RemoteDevice]


class Board:
    """A board's home and temporary folder, and the transports that were made to it."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.temporary = folder / "tmp"
        self.home.mkdir()
        self.temporary.mkdir()
        self.environment = {"TMPDIR": str(self.temporary)}
        self.login = "true"
        self.transports: list[LocalTransport] = []

    def connect(self) -> LocalTransport:
        self.transports.append(LocalTransport(self.home, self.environment, self.login))
        return self.transports[-1]

    @property
    def root(self) -> Path:
        return self.home / ".cache" / "edgebench"

    def left(self) -> list[str]:
        """Return the files that lie there."""
        places = (self.home, self.temporary)
        return [path.name for place in places for path in place.rglob("*") if not path.is_dir()]


@pytest.fixture
def there(tmp_path: Path) -> Board:
    return Board(tmp_path)


@pytest.fixture
def open_there(there: Board) -> Iterator[MakeDevice]:
    opened: list[RemoteDevice] = []

    def make(settings: RemoteSettings | None = None, *, locks: bool = True) -> RemoteDevice:
        device = RemoteDevice("there", there.connect, settings, reach=at_once, locks=locks)
        opened.append(device)
        return device

    yield make
    for device in opened:
        device.close()


@pytest.fixture
def device(open_there: MakeDevice) -> RemoteDevice:
    return open_there()


def test_it_tells_what_it_is(device: RemoteDevice, there: Board) -> None:
    found = device.environment()
    assert (found.machine, found.cpus_logical) == (os.uname().machine, os.cpu_count())
    assert found.memory_total_bytes is not None
    assert found.memory_total_bytes > 0
    assert device.elsewhere
    assert device.root == str(there.root)
    assert "emulated" in device.machine()
    assert "cpu_jiffies" in device.state()
    available = device.available_bytes()
    assert available is not None
    assert available > 0


def test_a_worker_there_answers_and_its_end_is_told(device: RemoteDevice) -> None:
    with device.start_worker(sys.executable) as worker:
        assert worker.request("hello", 60)["machine"] == os.uname().machine
        path = device.place(Path(model("float32")))
        told = worker.request("load", 60, model_path=path, engine="interpreter", delegate="default", threads=1)
        assert told["inputs"]
        with pytest.raises(RuntimeRefused, match="unknown command"):
            worker.request("nothing", 60)
        os.kill(int(worker.request("hello", 60)["pid"]), signal.SIGSEGV)
        with pytest.raises(WorkerDied, match="ended by SIGSEGV during 'first'"):
            worker.request("first", 60, seed=0)


def test_a_worker_that_hangs_is_killed(device: RemoteDevice) -> None:
    with device.start_worker(sys.executable) as worker:
        pid = int(worker.request("hello", 60)["pid"])
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(WorkerTimeout, match=r"no answer to 'memory' within 0.2 s"):
            worker.request("memory", 0.2)
        with pytest.raises(WorkerDied, match="ended by SIGKILL"):
            worker.receive("memory", 60)
    assert not _runs(pid)


def test_a_worker_can_be_killed_while_another_thread_waits_for_it(device: RemoteDevice) -> None:
    with device.start_worker(sys.executable) as worker:
        os.kill(int(worker.request("hello", 60)["pid"]), signal.SIGSTOP)
        timer = threading.Timer(0.1, worker.abort)
        timer.start()
        with pytest.raises(WorkerDied, match="ended by SIGKILL"):
            worker.request("memory", 60)
        timer.join()


def test_a_worker_that_holds_too_much_memory_is_killed(device: RemoteDevice) -> None:
    with device.start_worker(sys.executable) as worker:
        worker.request("hello", 60)
        worker.limit_memory(20_000_000)
        with pytest.raises(MemoryExceeded, match="--memory-limit 20 MB, during 'load'"):
            worker.request("load", 60, model_path=device.place(Path(model("float32"))), engine="interpreter")


def test_garbage_instead_of_an_answer(device: RemoteDevice, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nread line; echo garbage; sleep 60\n", encoding="utf-8")
    python.chmod(0o755)
    with device.start_worker(str(python)) as worker, pytest.raises(ProtocolError, match="b'garbage'"):
        worker.request("hello", 60)


def test_no_such_python_there(device: RemoteDevice) -> None:
    with pytest.raises(WorkerDied, match="cannot start /no/python: No such file"):
        device.start_worker("/no/python")


def test_a_file_is_sent_once(open_there: MakeDevice, tmp_path: Path) -> None:
    path = tmp_path / "a file; $(touch hit) 'quoted'.bin"
    path.write_bytes(os.urandom(700_000))
    first = open_there()
    begun = first.transfers().bytes_sent if first.root else 0
    place = Path(first.push(path))
    assert place.read_bytes() == path.read_bytes()
    assert first.transfers().bytes_sent - begun == 700_000
    first.close()
    second = open_there()
    assert second.push(path) == str(place)
    assert (second.transfers().bytes_sent, second.transfers().bytes_reused) == (0, 700_000)


def test_a_file_that_was_cut_off_is_gone_on_with(open_there: MakeDevice, there: Board, tmp_path: Path) -> None:
    path = tmp_path / "big.bin"
    path.write_bytes(os.urandom(3_000_000))
    first = open_there()
    cut_at: list[int] = []

    def cut(_name: str, done: int, _total: int) -> None:
        if done > 1_000_000 and not cut_at:
            first.keeper.ask("ping")  # what was sent has arrived
            cut_at.append(done)
            there.transports[-1].cut()

    first._on_sent = cut
    with pytest.raises(DeviceLost, match="the connection was lost"):
        first.push(path)
    first.close()
    second = open_there()
    place = Path(second.push(path))
    assert place.read_bytes() == path.read_bytes()
    assert second.transfers().bytes_reused == cut_at[0]
    assert second.transfers().bytes_sent == 3_000_000 - cut_at[0]


def test_a_damaged_part_is_sent_anew(open_there: MakeDevice, there: Board, tmp_path: Path) -> None:
    path = tmp_path / "big.bin"
    path.write_bytes(b"right" * 1000)
    device = open_there()
    device.connect()
    (there.root / "parts" / file_digest(path)).write_bytes(b"wrong" * 500)
    assert Path(device.push(path)).read_bytes() == path.read_bytes()


def test_what_stays_there_is_bounded_though_nothing_new_was_sent(
    open_there: MakeDevice, there: Board, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(name.encode() * 1_000)
    first = open_there()
    first.push(tmp_path / "a")
    first.push(tmp_path / "b")
    first.close()
    second = open_there(RemoteSettings(cache_bytes=1_500))
    second.push(tmp_path / "b")
    second.reconnect()
    assert len(list((there.root / "files").iterdir())) == 2
    second.push(tmp_path / "b")
    second.tidy()
    second.close()
    assert [path.name for path in (there.root / "files").iterdir()] == [file_digest(tmp_path / "b")]
    third = open_there(RemoteSettings(cache_bytes=0))
    third.push(tmp_path / "b")
    third.tidy()
    third.tidy()
    third.close()
    third.tidy()
    assert list((there.root / "files").iterdir()) == []


def test_how_far_a_file_is_can_be_heard(device: RemoteDevice, tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    device.hear_sent(lambda done, total: heard.append((done, total)))
    (tmp_path / "file").write_bytes(b"x" * 2_500_000)
    device.push(tmp_path / "file")
    assert heard == [(1_048_576, 2_500_000), (2_097_152, 2_500_000), (2_500_000, 2_500_000)]


def test_files_used_last_stay_where_room_is_short(open_there: MakeDevice, there: Board, tmp_path: Path) -> None:
    device = open_there(RemoteSettings(cache_bytes=2_500))
    old, kept, new = (tmp_path / name for name in ("old", "kept", "new"))
    for number, path in enumerate((old, kept)):
        path.write_bytes(bytes([number]) * 1_000)
        os.utime(device.push(path), (number, number))
    device.close()
    device = open_there(RemoteSettings(cache_bytes=2_500))
    new.write_bytes(b"n" * 1_000)
    device.push(new)
    assert {path.name for path in (there.root / "files").iterdir()} == {file_digest(kept), file_digest(new)}


def test_two_runs_on_one_device(open_there: MakeDevice) -> None:
    first = open_there(RemoteSettings(purpose="edgebench run models/sample"))
    first.connect()
    with pytest.raises(
        DeviceRefused, match=r"it is in use by .+@.+ \(edgebench run models/sample, process \d+\) since"
    ):
        open_there().connect()
    looking = open_there(locks=False)
    assert looking.keeper.ask("holder")["holder"]["what"].startswith("edgebench run models/sample")
    first.close()
    open_there().connect()


def test_what_a_lost_connection_leaves_ends_by_itself(
    device: RemoteDevice, there: Board, open_there: MakeDevice
) -> None:
    worker = device.start_worker(sys.executable)
    pid = int(worker.request("hello", 60)["pid"])
    there.transports[-1].cut()
    with pytest.raises(DeviceLost, match=r"during 'memory'|the connection was lost"):
        worker.request("memory", 60)
    worker.close()
    _wait_until(lambda: not _runs(pid))
    device.reconnect()
    device.start_worker(sys.executable).close()


def test_a_keeper_that_hears_nothing_any_more_ends_and_takes_its_workers_along(
    device: RemoteDevice, open_there: MakeDevice
) -> None:
    worker = device.start_worker(sys.executable)
    pid = int(worker.request("hello", 60)["pid"])
    os.kill(pid, signal.SIGSTOP)
    os.kill(int(device.keeper.ask("hello")["pid"]), signal.SIGALRM)  # what its own patience sends
    _wait_until(lambda: not _runs(pid))
    with pytest.raises(DeviceLost):
        device.keeper.ask("ping")
    worker.close()
    open_there().connect()


def test_it_ends_in_the_middle_of_a_killed_keeper(device: RemoteDevice, open_there: MakeDevice) -> None:
    os.kill(int(device.keeper.ask("hello")["pid"]), signal.SIGKILL)
    with pytest.raises(DeviceLost):
        device.keeper.ask("ping")
    open_there().connect()


def test_a_busy_worker_does_not_outlive_a_keeper_that_was_killed(device: RemoteDevice) -> None:
    worker = device.start_worker(sys.executable)
    pid = int(worker.request("hello", 60)["pid"])
    os.kill(pid, signal.SIGSTOP)  # it does not see the end of its input
    os.kill(int(device.keeper.ask("hello")["pid"]), signal.SIGKILL)
    _wait_until(lambda: not _runs(pid))
    worker.close()


def test_workers_that_a_killed_keeper_has_left_all_the_same_are_ended(there: Board, open_there: MakeDevice) -> None:
    looking = open_there(locks=False)
    kept = looking.start_worker(sys.executable)
    kept.request("hello", 60)
    (archive,) = there.root.glob("worker-*.pyz")
    words = [sys.executable, "-c", "import time; time.sleep(60)"]
    with (
        subprocess.Popen([*words, str(archive)], start_new_session=True) as left,
        subprocess.Popen([*words, str(there.home / archive.name)], start_new_session=True) as others,
    ):
        _wait_until(lambda: archive.name.encode() in Path(f"/proc/{left.pid}/cmdline").read_bytes())
        open_there().connect()
        assert left.wait(60) == -signal.SIGKILL
        assert others.poll() is None
        others.kill()
    kept.request("hello", 60)
    kept.close()


def test_what_it_changed_is_put_back_though_it_is_told_to_end_twice(device: RemoteDevice, there: Board) -> None:
    """A worker that takes its time to die leaves room for the second signal."""
    device.start_worker(sys.executable)
    pid = int(device.keeper.ask("hello")["pid"])
    for _ in range(20):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    _wait_until(lambda: not _runs(pid))
    assert "edgebench.lock" not in there.left()


def test_nothing_is_left_after_cleaning(device: RemoteDevice, there: Board) -> None:
    device.place(Path(model("float32")))
    with device.start_worker(sys.executable) as worker:
        worker.request("make_scratch", 60)
    removed = device.keeper.ask("clean")["removed_bytes"]
    assert removed > Path(model("float32")).stat().st_size
    device.close()
    assert there.left() == []
    assert not there.root.exists()


def test_a_folder_that_is_not_ours_is_not_removed(open_there: MakeDevice, there: Board) -> None:
    (there.home / "photos").mkdir()
    (there.home / "photos" / "one.jpg").write_text("mine", encoding="utf-8")
    device = open_there(RemoteSettings(folder="photos"))
    device.connect()
    (there.home / "photos" / "edgebench-device-folder").unlink()
    with pytest.raises(DeviceRefused, match="nothing is removed there"):
        device.keeper.ask("clean")
    assert (there.home / "photos" / "one.jpg").exists()


@pytest.mark.parametrize("name", ["env", "files", "scratch"])
def test_a_folder_that_has_others_things_under_our_names_is_not_taken(
    open_there: MakeDevice, there: Board, name: str
) -> None:
    others = there.home / "ssd" / name / "mine"
    others.parent.mkdir(parents=True)
    others.write_text("mine", encoding="utf-8")
    with pytest.raises(DeviceRefused, match=rf"ssd has something of others called {name}, .*name another folder"):
        open_there(RemoteSettings(folder="ssd")).connect()
    assert [path.name for path in there.home.rglob("*") if path.is_file() and path.suffix != ".pyz"] == ["mine"]


def test_a_file_that_a_loss_of_power_has_emptied_is_sent_anew(
    open_there: MakeDevice, there: Board, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"content")
    first = open_there()
    Path(first.push(file)).write_bytes(b"")
    first.close()
    assert Path(open_there().push(file)).read_bytes() == b"content"


def test_only_the_user_can_read_what_lies_there(device: RemoteDevice, there: Board) -> None:
    device.place(Path(model("float32")))
    assert {oct(path.stat().st_mode & 0o077) for path in (there.root, *there.root.rglob("*"))} == {"0o0"}


def test_others_files_in_the_folder_stay(open_there: MakeDevice, there: Board) -> None:
    """A board on which edgebench itself is used has its own cache in the same folder."""
    others = there.root / "images" / "pixels.npy"
    others.parent.mkdir(parents=True)
    others.write_text("mine", encoding="utf-8")
    device = open_there()
    device.place(Path(model("float32")))
    answer = device.keeper.ask("clean")
    device.close()
    assert answer["left"] == ["images"]
    assert answer["removed_bytes"] > Path(model("float32")).stat().st_size
    assert there.left() == ["pixels.npy"]


@pytest.mark.parametrize(
    "folder", ["a b", "it's", '"q"', "x; touch hit", "$(touch hit)", "`touch hit`", "-n", "new\nline"]
)
def test_names_never_reach_a_shell_unquoted(open_there: MakeDevice, there: Board, folder: str) -> None:
    device = open_there(RemoteSettings(folder=f"{folder}/edgebench"))
    assert device.root == str(there.home / folder / "edgebench")
    assert not list(there.home.rglob("hit"))


def test_a_login_shell_that_talks(open_there: MakeDevice, there: Board) -> None:
    there.login = "echo Welcome; echo home=/nowhere; echo python=3.11 /nowhere"
    device = open_there()
    with device.start_worker(sys.executable) as worker:
        assert worker.request("hello", 60)["ok"]


@pytest.mark.parametrize(
    ("scripts", "line"),
    [
        ({}, "has no Python; install it there"),
        ({"python3": "#!/bin/sh\necho 3.7\n"}, "has Python 3.7 only, 3.8 or newer is needed"),
        ({"python3": "#!/bin/sh\n[ \"$1\" = -c ] && echo 3.9 || { echo no module zipimport >&2; exit 1; }\n"},
         "does not run under .*: no module zipimport"),
    ],
)  # fmt: skip
def test_a_board_without_a_usable_python(
    open_there: MakeDevice, there: Board, tmp_path: Path, scripts: dict[str, str], line: str
) -> None:
    programs = _only_programs(there, tmp_path)
    for name, text in scripts.items():
        (programs / name).write_text(text, encoding="utf-8")
        (programs / name).chmod(0o755)
    with pytest.raises(DeviceRefused, match=line):
        open_there().connect()


def test_the_environment_there_may_have_the_only_python(open_there: MakeDevice, there: Board, tmp_path: Path) -> None:
    first = open_there()
    first.connect()
    first.close()
    (there.root / "env" / "bin").mkdir(parents=True)
    (there.root / "env" / "bin" / "python3").symlink_to(sys.executable)
    _only_programs(there, tmp_path)
    assert open_there().keeper.ask("hello")["python"] == sys.version.split()[0]


def test_an_old_python_there_runs_keeper_and_workers(open_there: MakeDevice, tflite_python: str) -> None:
    """3.8 is the oldest; what is here may be newer."""
    device = open_there(RemoteSettings(python=tflite_python))
    assert device.environment().python == device.keeper.ask("hello")["python"]
    with device.start_worker(tflite_python) as worker:
        runtime = worker.request("hello", 60)["runtime"]
        assert runtime["package"] == "tflite-runtime"
        fields = {"engine": "interpreter", "delegate": "default", "threads": 1}
        assert worker.request("load", 60, model_path=device.place(Path(model("float32"))), **fields)["load_ns"] > 0


def test_a_folder_that_cannot_be_made(open_there: MakeDevice, there: Board) -> None:
    (there.home / "file").write_text("", encoding="utf-8")
    with pytest.raises(DeviceRefused, match=r"the worker cannot be written to .*file/edgebench"):
        open_there(RemoteSettings(folder="file/edgebench")).connect()


def test_a_python_that_was_named_and_is_none(open_there: MakeDevice) -> None:
    with pytest.raises(DeviceRefused, match=r"/no/python is no Python 3.8 or newer there"):
        open_there(RemoteSettings(python="/no/python")).connect()


def test_a_python_below_the_home_folder(open_there: MakeDevice, there: Board) -> None:
    (there.home / "my bin").mkdir()
    (there.home / "my bin" / "python").symlink_to(sys.executable)
    hello = open_there(RemoteSettings(python="~/my bin/python")).keeper.ask("hello")
    assert hello["executable"] == str(there.home / "my bin" / "python")


def test_it_is_tried_again_while_it_cannot_be_reached(there: Board) -> None:
    tries: list[int] = []

    def board_that_boots() -> LocalTransport:
        tries.append(1)
        if len(tries) < 3:
            raise DeviceLost("there: refused")
        return there.connect()

    waits: list[float] = []
    device = RemoteDevice("there", board_that_boots, reach=functools.partial(connect, sleep=waits.append))
    device.connect()
    assert (len(tries), waits) == (3, [0.5, 1.0])
    device.close()


def test_what_will_not_change_is_not_tried_again() -> None:
    tries: list[int] = []

    def refuse() -> LocalTransport:
        tries.append(1)
        raise DeviceRefused("there: wrong key")

    with pytest.raises(DeviceError, match="wrong key"):
        RemoteDevice("there", refuse).connect()
    assert len(tries) == 1


def _only_programs(there: Board, folder: Path) -> Path:
    """Give the board a PATH of few programs, without Python, and return its one folder."""
    programs = folder / "bin"
    programs.mkdir()
    for name in ("sh", "cat", "mkdir", "mv", "wc", "uname", "sed"):
        for place in ("/bin", "/usr/bin"):
            if Path(place, name).exists() and not (programs / name).exists():
                (programs / name).symlink_to(Path(place, name))
    there.environment["PATH"] = str(programs)
    return programs


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="ascii")


def _wait_until(true: Callable[[], bool]) -> None:
    for _ in range(1000):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it never became true")


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("/home/pi/.cache/edgebench/env/bin/python3", True),
        ("/data/local/tmp/edgebench/bundle/bin/python3", True),
        ("/home/me/project/.venv/bin/python3", False),
        ("/usr/bin/python3", False),
    ],
)
def test_pythons_that_a_device_chooses_by_itself(path: str, own: bool) -> None:
    assert is_own_python(path) is own
