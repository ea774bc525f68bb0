"""ProcessLink against real children that do everything a worker may do wrong."""

from __future__ import annotations

import os
import re
import select
import signal
import sys
import tempfile
import time
from pathlib import Path

import pytest
from edgebench.devices import process
from edgebench.devices.process import ProcessLink, telling_line
from edgebench.errors import MemoryExceeded, ProtocolError, RuntimeRefused, UsageError, WorkerDied, WorkerTimeout

from .support import PATIENCE_S, child, is_gone, wait_for

ECHO = """
for line in sys.stdin:
    say(ok=True, got=json.loads(line), pid=os.getpid(), group=os.getpgid(0), cwd=os.getcwd())
"""


def test_requests_and_answers_take_turns(tmp_path: Path) -> None:
    with child(tmp_path, ECHO) as link:
        for number in range(3):
            answer = link.request("count", PATIENCE_S, number=number, text="ü\n")
            assert answer["got"] == {"cmd": "count", "number": number, "text": "ü\n"}
        assert answer["pid"] == link.pid


def test_a_child_has_its_own_process_group_and_a_neutral_folder(tmp_path: Path) -> None:
    """A Ctrl-C in the terminal is the controller's to handle."""
    with child(tmp_path, ECHO) as link:
        answer = link.request("where", PATIENCE_S)
    assert answer["group"] == answer["pid"] != os.getpgid(0)
    assert Path(answer["cwd"]) == Path(tempfile.gettempdir()).resolve()


def test_an_answer_may_come_in_pieces(tmp_path: Path) -> None:
    body = """
read()
for piece in ('{"ok": tr', 'ue, "value"', ': 7}', "\\n"):
    sys.stdout.write(piece); sys.stdout.flush(); time.sleep(0.02)
"""
    with child(tmp_path, body) as link:
        assert link.request("pieces", PATIENCE_S)["value"] == 7


def test_what_follows_the_first_answer_is_kept_for_the_second(tmp_path: Path) -> None:
    body = 'read(); sys.stdout.write(\'{"ok": true, "n": 1}\\n{"ok": true, "n": 2}\\n\'); sys.stdout.flush(); read()'
    with child(tmp_path, body) as link:
        assert link.request("one", PATIENCE_S)["n"] == 1
        assert link.request("two", PATIENCE_S)["n"] == 2


def test_two_children_work_at_the_same_time(tmp_path: Path) -> None:
    # Each answers only after the other was asked: with requests one by one neither would.
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    mark, other = (str(folder / "asked") for folder in folders)
    body = """
read()
open({mine!r}, "w").close()
while not os.path.exists({other!r}):
    time.sleep(0.01)
say(ok=True)
"""
    with (
        child(folders[0], body.format(mine=mark, other=other)) as first,
        child(folders[1], body.format(mine=other, other=mark)) as second,
    ):
        for link in (first, second):
            link.send("window")
        for link in (first, second):
            assert link.receive("window", PATIENCE_S) == {"ok": True}


def test_a_huge_answer_arrives_whole(tmp_path: Path) -> None:
    with child(tmp_path, "read(); say(ok=True, blob='x' * 10_000_000)") as link:
        assert len(link.request("blob", PATIENCE_S)["blob"]) == 10_000_000


def test_an_answer_without_an_end_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_MAX_LINE_BYTES", 1_000_000)
    with child(tmp_path, "read()\nwhile True: sys.stdout.write('x' * 65536)") as link:
        with pytest.raises(ProtocolError, match="has no end"):
            link.request("blob", PATIENCE_S)
        assert is_gone(link.pid)


def test_a_flood_on_stderr_blocks_nothing(tmp_path: Path) -> None:
    with child(tmp_path, "read(); sys.stderr.write('INFO: x\\n' * 600_000); say(ok=True)") as link:
        assert link.request("noise", PATIENCE_S)["ok"]


def test_a_refusal_carries_the_workers_code_and_line_and_the_worker_lives(tmp_path: Path) -> None:
    body = "read(); say(ok=False, code='no-signature', message='there is none'); read(); say(ok=True)"
    with child(tmp_path, body) as link:
        with pytest.raises(RuntimeRefused, match=r"^there is none$") as caught:
            link.request("load", PATIENCE_S)
        assert caught.value.code == "no-signature"
        assert link.request("again", PATIENCE_S)["ok"]


def test_a_refusal_without_words_is_still_one(tmp_path: Path) -> None:
    with child(tmp_path, "read(); say()") as link, pytest.raises(RuntimeRefused, match="no reason given") as caught:
        link.request("load", PATIENCE_S)
    assert caught.value.code == "refused"


@pytest.mark.parametrize(
    "line", ["b'Segmentation fault'", "b'[1, 2]'", "b'null'", "b'3'", "b'\\xff\\xfe{}'", "b''", "b'{\"ok\": true'"]
)
def test_a_line_that_is_no_answer_ends_the_worker(tmp_path: Path, line: str) -> None:
    body = f"read(); os.write(1, {line} + b'\\n'); time.sleep(600)"
    with child(tmp_path, body) as link:
        with pytest.raises(ProtocolError, match="garbage instead of an answer"):
            link.request("load", PATIENCE_S)
        assert is_gone(link.pid)


def test_a_long_line_of_garbage_is_quoted_in_short(tmp_path: Path) -> None:
    with child(tmp_path, "read(); print('y' * 100_000, flush=True)") as link, pytest.raises(ProtocolError) as caught:
        link.request("load", PATIENCE_S)
    assert len(str(caught.value)) < 200


def test_an_exit_is_told_with_its_code_the_command_and_the_last_words(tmp_path: Path) -> None:
    body = "read(); sys.stderr.write('ERROR: no memory for the arena\\nINFO: bye\\n\\n'); sys.exit(3)"
    with child(tmp_path, body) as link:
        with pytest.raises(WorkerDied) as caught:
            link.request("load", PATIENCE_S)
        assert str(caught.value) == ("the worker ended with exit code 3 during 'load': ERROR: no memory for the arena")
        assert is_gone(link.pid)


def test_the_last_words_are_found_behind_a_flood_and_cut(tmp_path: Path) -> None:
    body = "read(); sys.stderr.write('noise\\n' * 100_000 + 'z' * 1000 + '\\n'); sys.exit(1)"
    with child(tmp_path, body) as link, pytest.raises(WorkerDied) as caught:
        link.request("load", PATIENCE_S)
    assert str(caught.value).endswith(": " + "z" * 200)


@pytest.mark.parametrize(
    ("body", "ending"),
    [
        ("read(); os.abort()", "was ended by SIGABRT during 'first'"),
        ("read(); os.kill(os.getpid(), signal.SIGSEGV)", "was ended by SIGSEGV during 'first'"),
        ("read(); os.kill(os.getpid(), signal.SIGKILL)", "was ended by SIGKILL (out of memory?) during 'first'"),
        ("read(); os._exit(0)", "ended with exit code 0 during 'first'"),
        ("read(); os.write(1, b'{\"ok\": tr'); os._exit(9)", "ended with exit code 9 during 'first'"),
    ],
)
def test_how_a_worker_died(tmp_path: Path, body: str, ending: str) -> None:
    with child(tmp_path, body) as link:
        with pytest.raises(WorkerDied) as caught:
            link.request("first", PATIENCE_S)
        assert str(caught.value) == f"the worker {ending}"


def test_a_worker_that_died_between_requests(tmp_path: Path) -> None:
    with child(tmp_path, "read(); say(ok=True); sys.exit(5)") as link:
        link.request("one", PATIENCE_S)
        assert wait_for(lambda: is_gone(link.pid))
        for _ in range(2):
            with pytest.raises(WorkerDied, match="ended with exit code 5 during 'two'"):
                link.request("two", PATIENCE_S)


def test_a_worker_that_closes_its_output_but_lives_is_ended(tmp_path: Path) -> None:
    with child(tmp_path, "read(); os.close(1); time.sleep(600)", close_wait_s=0.1) as link:
        with pytest.raises(WorkerDied, match="closed its output and was killed during 'load'"):
            link.request("load", PATIENCE_S)
        assert is_gone(link.pid)


@pytest.mark.parametrize(
    "hang",
    [
        "time.sleep(600)",
        "os.kill(os.getpid(), signal.SIGSTOP)",
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(600)",
        "[(os.write(1, b'x'), time.sleep(0.01)) for _ in range(60_000)]",
    ],
    ids=["sleeps", "stopped", "ignores-signals", "drips-without-end"],
)
def test_no_answer_within_the_limit_kills_the_worker_and_its_helpers(tmp_path: Path, hang: str) -> None:
    body = f"""
read()
helper = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
say(ok=True, helper=helper.pid)
read()
{hang}
"""
    with child(tmp_path, body) as link:
        helper = link.request("start", PATIENCE_S)["helper"]
        try:
            assert not is_gone(helper)
            begin = time.monotonic()
            with pytest.raises(WorkerTimeout, match=r"^no answer to 'first' within 0.3 s: the worker was killed$"):
                link.request("first", 0.3)
            assert 0.3 <= time.monotonic() - begin < PATIENCE_S
            assert is_gone(link.pid)
            assert wait_for(lambda: is_gone(helper))
        finally:
            if not is_gone(helper):
                os.kill(helper, signal.SIGKILL)
        with pytest.raises(WorkerDied, match="SIGKILL"):
            link.request("first", PATIENCE_S)


HOARD = """
for line in sys.stdin:
    size = json.loads(line).get("size", 0)
    kept = bytearray(b"x") * size
    {then}
    say(ok=True)
"""
linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@linux_only
@pytest.mark.parametrize(
    ("command", "then"),
    [
        ("load", "time.sleep(600 if size else 0)"),  # seen while it works
        ("burst", ""),  # seen when it answered: nobody looks while it is timed
        ("load", "kept = None"),  # seen though it has given the memory back
    ],
    ids=["while-waiting", "after-a-burst", "given-back"],
)
def test_a_worker_above_its_memory_limit_is_killed(tmp_path: Path, command: str, then: str) -> None:
    with child(tmp_path, HOARD.format(then=then)) as link:
        link.limit_memory(100_000_000)
        link.request(command, PATIENCE_S)
        with pytest.raises(MemoryExceeded) as caught:
            link.request(command, PATIENCE_S, size=200_000_000)
        assert is_gone(link.pid)
    line = rf"used (\d+) MB, more than --memory-limit 100 MB, during '{command}'; the worker was killed"
    found = re.fullmatch(line, str(caught.value))
    assert found
    assert int(found.group(1)) > 100
    assert caught.value.code == "memory-limit"


@linux_only
def test_a_worker_below_its_memory_limit_lives_and_its_time_limit_holds(tmp_path: Path) -> None:
    with child(tmp_path, HOARD.format(then="time.sleep(600 if size else 0)")) as link:
        link.limit_memory(500_000_000)
        assert link.request("load", PATIENCE_S)["ok"]
        with pytest.raises(WorkerTimeout):
            link.request("load", 0.3, size=1_000_000)


@linux_only
@pytest.mark.parametrize(("command", "watched"), [("load", True), ("burst", False), ("profile", False)])
def test_nobody_looks_at_a_worker_that_may_be_timing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, watched: bool
) -> None:
    looks: list[str] = []

    def look(pid: str) -> int:
        looks.append(pid)
        return 1

    monkeypatch.setattr(process, "_peak_rss_bytes", look)
    with child(tmp_path, "read(); time.sleep(0.3); say(ok=True)") as link:
        link.limit_memory(100_000_000)
        looks.clear()
        link.request(command, PATIENCE_S)
        assert set(looks) == {str(link.pid)}
    assert (len(looks) > 1) is watched


@linux_only
def test_a_worker_is_looked_at_while_others_are_waited_for(tmp_path: Path) -> None:
    with child(tmp_path, HOARD.format(then="time.sleep(600 if size else 0)")) as link:
        assert link.watch_memory("predict") is None
        link.limit_memory(100_000_000)
        look_s = link.watch_memory("predict")
        assert look_s is not None
        assert 0 < look_s < 1
        assert link.watch_memory("window") is None  # it may be timing
        link.send("predict", size=200_000_000)
        with pytest.raises(MemoryExceeded, match="during 'predict'"):
            _watch(link, look_s)
        assert is_gone(link.pid)


def _watch(link: ProcessLink, look_s: float) -> None:
    for _ in range(int(PATIENCE_S / look_s)):
        time.sleep(look_s)
        link.watch_memory("predict")


def test_an_answer_can_be_seen_before_it_is_read(tmp_path: Path) -> None:
    with child(tmp_path, "read(); say(ok=True)") as link:
        pipe = link.answer_pipe()
        assert pipe is not None
        assert select.select([pipe], [], [], 0)[0] == []
        link.send("predict")
        assert select.select([pipe], [], [], PATIENCE_S)[0] == [pipe]
        assert link.receive("predict", PATIENCE_S)["ok"]


def test_without_a_limit_memory_is_never_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def look(_: str) -> int:
        raise AssertionError

    monkeypatch.setattr(process, "_peak_rss_bytes", look)
    with child(tmp_path, "read(); time.sleep(0.05); say(ok=True)") as link:
        assert link.request("load", PATIENCE_S)["ok"]


def test_a_memory_limit_that_cannot_be_kept_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_peak_rss_bytes", lambda _: None)
    with child(tmp_path, ECHO) as link, pytest.raises(UsageError, match="--memory-limit: this system does not tell"):
        link.limit_memory(100_000_000)


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(WorkerDied, match=r"^cannot start /no/such/python: No such file or directory$"):
        ProcessLink(["/no/such/python", "worker.pyz"])


def test_a_program_that_may_not_be_run(tmp_path: Path) -> None:
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\n")
    with pytest.raises(WorkerDied, match=r"^cannot start .*/python: Permission denied$"):
        ProcessLink([str(script)])


def test_closing_lets_a_worker_end_by_itself(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    link = child(tmp_path, f"sys.stdin.read(); open({str(mark)!r}, 'w').close()", close_wait_s=PATIENCE_S)
    link.close()
    assert mark.exists()
    assert is_gone(link.pid)


def test_closing_ends_a_worker_that_will_not(tmp_path: Path) -> None:
    body = "signal.signal(signal.SIGTERM, signal.SIG_IGN); read(); say(ok=True); time.sleep(600)"
    link = child(tmp_path, body, close_wait_s=0.1)
    link.request("one", PATIENCE_S)
    link.close()
    assert is_gone(link.pid)


def test_closing_twice_and_asking_after_that(tmp_path: Path) -> None:
    link = child(tmp_path, ECHO)
    link.close()
    link.close()
    with pytest.raises(WorkerDied):
        link.request("anyone", PATIENCE_S)


def test_an_error_inside_the_block_closes_too(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), child(tmp_path, ECHO) as link:
        raise ZeroDivisionError
    assert is_gone(link.pid)


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        pytest.skip("open descriptors are listed on Linux only")
    before = len(list(descriptors.iterdir()))
    for _ in range(3):
        child(tmp_path, ECHO).close()
        with pytest.raises(WorkerDied):
            ProcessLink(["/no/such/python"])
    assert len(list(descriptors.iterdir())) == before


def test_a_python_that_ends_at_once(tmp_path: Path) -> None:
    link = ProcessLink([sys.executable, str(tmp_path / "no-such-script.py")])
    assert wait_for(lambda: is_gone(link.pid))
    with link, pytest.raises(WorkerDied, match=r"exit code 2 during 'hello': .*can't open file"):
        link.request("hello", PATIENCE_S)


def test_the_telling_line_is_the_last_one_with_something_to_read() -> None:
    assert telling_line("ERROR: no memory\x1b[0m\nINFO: done\n  \n\0\n") == "ERROR: no memory[0m"
    assert telling_line("\0\n") == telling_line("") == ""
