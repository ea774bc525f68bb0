from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from edgebench import journal
from edgebench.errors import StoreError
from edgebench.journal import Journal, in_use, read

ENTRIES: list[dict[str, Any]] = [
    {"kind": "a", "value": 0.1, "text": "ü\udcff"},
    {"kind": "b", "values": [1, None, True]},
    {"kind": "c"},
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    place = tmp_path / "journal.jsonl"
    written = Journal.create(place)
    for entry in ENTRIES:
        written.append(entry)
    written.close()
    assert written.trouble is None
    return place


def test_entries_come_back_as_they_were(path: Path) -> None:
    assert read(path).entries == tuple(ENTRIES)
    assert read(path).size_bytes == path.stat().st_size


def test_each_entry_is_one_line_of_json(path: Path) -> None:
    lines = path.read_text(encoding="ascii").splitlines()
    assert [json.loads(line)["entry"] for line in lines] == ENTRIES


@pytest.mark.parametrize("lost", [1, 2, 5, 20])
def test_a_last_line_cut_short_is_dropped_and_written_over(path: Path, lost: int) -> None:
    path.write_bytes(path.read_bytes()[:-lost])
    again, content = Journal.reopen(path)
    assert content.entries == tuple(ENTRIES[:2])
    again.append({"kind": "d"})
    again.close()
    assert read(path).entries == (*ENTRIES[:2], {"kind": "d"})


def test_a_last_line_of_zeros_as_a_power_loss_leaves_it_is_dropped(path: Path) -> None:
    path.write_bytes(path.read_bytes() + bytes(512))
    assert read(path).entries == tuple(ENTRIES)


@pytest.mark.parametrize("change", [b"x", b"", b'{"crc32":1,"entry":{"kind":"b"}}', b"[]", b'{"crc32":1}'])
def test_damage_before_the_last_line_is_one_line(path: Path, change: bytes) -> None:
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([lines[0], change, lines[2], b""]))
    with pytest.raises(StoreError, match=r"journal.jsonl: line 2 is damaged, so this run cannot be continued$"):
        read(path)


def test_a_figure_that_changed_on_the_disk_is_damage(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"0.1", b"0.2"))
    with pytest.raises(StoreError, match="line 1 is damaged"):
        read(path)


def test_a_journal_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be continued: No such file"):
        Journal.reopen(tmp_path / "none.jsonl")
    with pytest.raises(StoreError, match="cannot be read: No such file"):
        read(tmp_path / "none.jsonl")
    assert not in_use(tmp_path / "none.jsonl")


def test_only_one_may_write(path: Path) -> None:
    first, _ = Journal.reopen(path)
    assert in_use(path)
    with pytest.raises(StoreError, match="another process is measuring this run right now; let it finish, or end it"):
        Journal.reopen(path)
    first.close()
    first.close()
    assert not in_use(path)
    Journal.reopen(path)[0].close()


def test_the_lock_dies_with_its_process(path: Path) -> None:
    code = (
        "import os, pathlib, signal, sys\nfrom edgebench.journal import Journal\n"
        "Journal.reopen(pathlib.Path(sys.argv[1]))\nprint('open', flush=True)\nsys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        assert in_use(path)
        process.kill()
    assert not in_use(path)


def test_a_journal_that_was_put_elsewhere_meanwhile_is_not_taken_up(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other process has finished the run between our opening the file and its giving up the lock."""
    take = journal._lock

    def lock(descriptor: int) -> bool:
        path.unlink()
        return take(descriptor)

    monkeypatch.setattr(journal, "_lock", lock)
    with pytest.raises(StoreError, match="another process"):
        Journal.reopen(path)


@pytest.mark.parametrize("failing", ["write", "fsync"])
def test_a_write_that_fails_raises_nothing_and_is_the_last(
    path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    calls = []

    def full(*_: object) -> int:
        calls.append(failing)
        raise OSError(28, "No space left on device")

    again, _ = Journal.reopen(path)
    with monkeypatch.context() as patched:
        patched.setattr(f"os.{failing}", full)
        again.append({"kind": "d"})
    again.append({"kind": "e"})
    again.close()
    assert again.trouble == "No space left on device"
    assert calls == [failing]
    assert read(path).entries[:3] == tuple(ENTRIES)
    assert {"kind": "e"} not in read(path).entries


def test_a_journal_that_cannot_be_made_is_in_trouble_from_the_start(tmp_path: Path) -> None:
    never = Journal.create(tmp_path / "none" / "journal.jsonl")
    never.append({"kind": "a"})
    never.close()
    assert never.trouble == "No such file or directory"
