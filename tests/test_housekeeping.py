from __future__ import annotations

import json
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from edgebench.errors import StoreError, UsageError
from edgebench.housekeeping import Folder, Pruning, State, Wanted, list_folders, plan_pruning, remove
from edgebench.journal import Journal
from stored_runs import FIRST, write_run

NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)


def plan(out: Path, wanted: Wanted) -> Pruning:
    return plan_pruning(list_folders(out), wanted, NOW)


def names(folders: tuple[Folder, ...]) -> list[str]:
    return [folder.name[:8] for folder in folders]


def unfinished(out: Path, day: str) -> Path:
    folder = out / f"{day}-000000-sample.unfinished"
    folder.mkdir()
    journal = Journal.create(folder / "journal.jsonl")
    journal.append({"kind": "header"})
    journal.close()
    return folder


def test_a_folder_is_told_by_what_is_in_it(tmp_path: Path) -> None:
    stored = write_run(tmp_path, 0)
    broken = write_run(tmp_path, 1)
    (broken / "run.json").write_text("{")
    interrupted = write_run(tmp_path, 2)
    text = (interrupted / "run.json").read_text()
    (interrupted / "run.json").write_text(text.replace('"interrupted": false', '"interrupted": true'))
    cut_off = unfinished(tmp_path, "20260105")
    (tmp_path / "notes").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "file.txt").write_text("")
    found = {folder.path: folder for folder in list_folders(tmp_path)}
    assert {path: folder.state for path, folder in found.items()} == {
        stored: State.STORED,
        broken: State.UNREADABLE,
        interrupted: State.INTERRUPTED,
        cut_off: State.CUT_OFF,
    }
    assert found[stored].size_bytes == (stored / "run.json").stat().st_size
    assert found[stored].created == FIRST
    assert found[cut_off].created == datetime(2026, 1, 5, tzinfo=timezone.utc)
    assert len(found[stored].cases) == 2
    assert found[broken].trouble is not None


def test_the_newest_of_the_same_cases_are_kept(tmp_path: Path) -> None:
    for number in range(5):
        write_run(tmp_path, number)
    assert names(plan(tmp_path, Wanted(keep=2)).remove) == ["20260101", "20260102", "20260103"]


def test_other_cases_hosts_and_images_are_counted_apart(tmp_path: Path) -> None:
    write_run(tmp_path, 0)
    write_run(tmp_path, 1, host="board")
    write_run(tmp_path, 2, thread_counts=(1, 2))
    other_images = write_run(tmp_path, 3)
    (other_images / "run.json").write_text((other_images / "run.json").read_text().replace('"phantom"', '"folder:x"'))
    write_run(tmp_path, 4)
    assert names(plan(tmp_path, Wanted(keep=1)).remove) == ["20260101"]


def test_old_runs_go_but_never_the_newest(tmp_path: Path) -> None:
    for number in range(3):
        write_run(tmp_path, number)
    pruning = plan(tmp_path, Wanted(older_than=timedelta(days=1)))
    assert names(pruning.remove) == ["20260101", "20260102"]
    assert list(pruning.stay.values()) == ["is the newest run"]
    assert pruning.size_bytes == sum(folder.size_bytes for folder in pruning.remove)


def test_where_both_are_given_both_must_say_so(tmp_path: Path) -> None:
    for number in range(6):
        write_run(tmp_path, number)
    age = NOW - FIRST - timedelta(days=1, hours=12)
    assert names(plan(tmp_path, Wanted(keep=3, older_than=age)).remove) == ["20260101", "20260102"]
    assert names(plan(tmp_path, Wanted(keep=5, older_than=age)).remove) == ["20260101"]


def test_a_protected_run_stays_by_name_or_path(tmp_path: Path) -> None:
    first, second = write_run(tmp_path, 0), write_run(tmp_path, 1)
    write_run(tmp_path, 2)
    pruning = plan(tmp_path, Wanted(keep=1, protected=(first.name, f"{second}/")))
    assert pruning.remove == ()
    assert list(pruning.stay.values()) == ["is protected"] * 2


def test_a_protected_run_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    write_run(tmp_path, 0)
    with pytest.raises(UsageError, match=r"--protect 20260101-000000-sampel: no such run; near it: 20260101-000000"):
        plan(tmp_path, Wanted(keep=1, protected=("20260101-000000-sampel",)))


def test_something_must_say_what_may_go(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"say what may go: --keep N or --older-than 90d"):
        plan(tmp_path, Wanted())


def test_links_foreign_files_and_unreadable_runs_stay(tmp_path: Path) -> None:
    out = tmp_path / "results"
    elsewhere = write_run(tmp_path / "elsewhere", 0)
    with_notes, with_folder, with_link, broken = (write_run(out, number) for number in range(1, 5))
    (out / "link").symlink_to(elsewhere)
    (with_notes / "notes.txt").write_text("mine")
    (with_folder / "report.html").mkdir()
    (with_link / "report.html").symlink_to(elsewhere / "run.json")
    (broken / "run.json").write_text('{"schema_version": 99}')
    write_run(out, 9)
    pruning = plan(out, Wanted(older_than=timedelta(days=1)))
    assert pruning.remove == ()
    reasons = {path.name: reason for path, reason in pruning.stay.items()}
    assert reasons["link"] == "is a link"
    assert reasons[with_notes.name] == "holds what is not edgebench's: notes.txt"
    assert reasons[with_folder.name] == reasons[with_link.name] == "holds what is not edgebench's: report.html"
    assert "update edgebench" in reasons[broken.name]


def test_a_copy_or_a_link_of_the_newest_run_does_not_push_it_out(tmp_path: Path) -> None:
    newest = write_run(tmp_path, 5)
    older = write_run(tmp_path, 4)
    shutil.copytree(newest, tmp_path / "zz-copy")
    (tmp_path / "zz-copy" / "notes.txt").write_text("")
    (tmp_path / "zz-link").symlink_to(newest)
    pruning = plan(tmp_path, Wanted(keep=1))
    assert [folder.path for folder in pruning.remove] == [older]


def test_a_run_that_is_being_measured_stays(tmp_path: Path) -> None:
    write_run(tmp_path, 30)
    running, cut_off = unfinished(tmp_path, "20260101"), unfinished(tmp_path, "20260102")
    continued = write_run(tmp_path, 3)
    Journal.create(continued / "journal.jsonl").close()
    held = [Journal.reopen(folder / "journal.jsonl")[0] for folder in (running, continued)]
    try:
        pruning = plan(tmp_path, Wanted(older_than=timedelta(days=1)))
        assert [folder.path for folder in pruning.remove] == [cut_off]
        assert {path: pruning.stay[path] for path in (running, continued)} == dict.fromkeys(
            (running, continued), "is being measured"
        )
        with pytest.raises(StoreError, match=r"is left: .*another process is measuring this run"):
            remove(next(folder for folder in list_folders(tmp_path) if folder.path == running))
        assert running.is_dir()
    finally:
        for journal in held:
            journal.close()


def test_what_was_cut_off_goes_by_age_alone(tmp_path: Path) -> None:
    cut_off = unfinished(tmp_path, "20260102")
    write_run(tmp_path, 3)
    assert plan(tmp_path, Wanted(keep=1)).remove == ()
    assert [folder.path for folder in plan(tmp_path, Wanted(keep=1, older_than=timedelta(days=1))).remove] == [cut_off]


def test_removing_leaves_nothing_and_touches_nothing_else(tmp_path: Path) -> None:
    gone, kept = write_run(tmp_path, 0, raw=True), write_run(tmp_path, 1)
    for folder in plan(tmp_path, Wanted(keep=1)).remove:
        remove(folder)
    assert list(tmp_path.iterdir()) == [kept]
    assert not gone.exists()


def test_what_changed_since_it_was_shown_is_left(tmp_path: Path) -> None:
    write_run(tmp_path, 0)
    write_run(tmp_path, 1)
    (folder,) = plan(tmp_path, Wanted(keep=1)).remove
    (folder.path / "notes.txt").write_text("just now")
    with pytest.raises(StoreError, match=r"is left: holds what is not edgebench's: notes.txt"):
        remove(folder)
    shutil.rmtree(folder.path)
    folder.path.symlink_to(tmp_path)
    with pytest.raises(StoreError, match=r"is left: is a link"):
        remove(folder)


def test_a_run_of_the_older_schema_can_go(tmp_path: Path) -> None:
    golden = Path(__file__).resolve().parent / "fixtures" / "golden" / "run-v1.json"
    for day in (1, 2):
        folder = tmp_path / f"2026010{day}-000000-models"
        folder.mkdir()
        record = json.loads(golden.read_text())
        record |= {"run_id": folder.name, "created_utc": f"2026-01-0{day}T00:00:00+00:00"}
        (folder / "run.json").write_text(json.dumps(record))
    assert names(plan(tmp_path, Wanted(keep=1)).remove) == ["20260101"]
