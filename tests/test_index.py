from __future__ import annotations

import json
import shutil
from datetime import datetime, timezone
from pathlib import Path

import pytest
from edgebench.errors import StoreError
from edgebench.findings import Code, Verdict
from edgebench.index import Estimate, Host, load_index
from edgebench.records import Status
from stored_runs import FLOAT32, GOLDEN, INT8, write_run


def test_a_row_has_what_the_record_says(tmp_path: Path) -> None:
    shutil.copytree(GOLDEN / "run-v2", tmp_path / "any")
    record = json.loads((GOLDEN / "run-v2" / "run.json").read_text())
    index = load_index(tmp_path)
    assert [row.case_id for row in index.rows] == [FLOAT32, INT8]
    row, case = index.rows[0], record["cases"][0]
    assert row.run_id == record["run_id"]
    assert row.folder == tmp_path / "any"
    assert row.created == datetime.fromisoformat(record["created_utc"])
    assert row.host == Host("host", "x86_64", "CPU")
    assert (row.model, row.variant, row.device, row.status) == ("sample", "float32", "local", Status.OK)
    assert (row.model_sha256, row.size_bytes) == (case["file"]["sha256"], 1_025_935)
    assert row.runtime_version == "ai-edge-litert 2.3.0"
    assert row.edgebench == "0.1.0"
    assert row.p50_ns == Estimate(case["latency"]["p50_ns"], *case["latency"]["intervals"]["p50_ns"])
    assert row.peak_rss_bytes == case["memory"]["peak_rss_bytes"]
    assert row.verdict is Verdict(case["verdict"])
    assert (row.data, row.images) == ("phantom", 28)
    assert row.top1 == Estimate(case["accuracy"]["top1"], *case["accuracy"]["intervals"]["top1"])
    assert row.balanced_accuracy is not None
    assert set(row.recalls) == set(case["accuracy"]["labels"])
    assert row.settings.min_blocks == 3


def test_a_run_of_schema_1_has_a_row_without_what_it_did_not_tell(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    shutil.copy(GOLDEN / "run-v1.json", tmp_path / "old" / "run.json")
    rows = {row.variant: row for row in load_index(tmp_path).rows}
    assert rows["float32"].p50_ns == Estimate(3004.0)
    assert rows["float32"].verdict is None
    assert rows["float32"].top1 == Estimate(0.9285714285714286)


def test_rows_are_oldest_first_whatever_folders_are_called(tmp_path: Path) -> None:
    newer, older = write_run(tmp_path, 5), write_run(tmp_path, 2)
    newer.rename(tmp_path / "a")
    older.rename(tmp_path / "b")
    assert [row.folder.name for row in load_index(tmp_path).rows] == ["b", "b", "a", "a"]


def test_what_cannot_be_read_is_told_and_left_out(tmp_path: Path) -> None:
    write_run(tmp_path, 0)
    contents = {
        "broken": "{",
        "foreign": '{"a": 1}',
        "newer": '{"schema_version": 99}',
        "wrong": json.dumps({"schema_version": 2, "run_id": 7}),
    }
    for name, text in contents.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(text)
    timeless = write_run(tmp_path, 1)
    (timeless / "run.json").write_text((timeless / "run.json").read_text().replace("2026-01-02T00", "never"))
    (tmp_path / "empty").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "run.json").write_text("{")
    index = load_index(tmp_path)
    assert len(index.rows) == 2
    assert len(index.problems) == 5
    assert all(problem.startswith("left out: ") and "\n" not in problem for problem in index.problems)
    assert "update edgebench" in next(problem for problem in index.problems if "/newer/" in problem)
    assert any("is no time" in problem for problem in index.problems)


def test_a_copy_and_a_link_of_a_run_count_once(tmp_path: Path) -> None:
    folder = write_run(tmp_path, 0)
    shutil.copytree(folder, tmp_path / "copy")
    (tmp_path / "link").symlink_to(folder)
    index = load_index(tmp_path)
    assert len(index.rows) == 2
    assert [problem.split(": is the same")[0] for problem in index.problems] == [
        f"left out: {tmp_path / 'copy'}",
        f"left out: {tmp_path / 'link'}",
    ]


def test_why_a_case_is_invalid(tmp_path: Path) -> None:
    folder = write_run(tmp_path, 0, verdict="invalid")
    record = json.loads((folder / "run.json").read_text())
    finding = {"code": "steal", "severity": "invalid", "reason": "r", "hint": "h", "silenced": False}
    record["cases"][0]["findings"] = [
        finding,
        {**finding, "code": "outputs-differ", "silenced": True},
        {**finding, "code": "spread", "severity": "suspect"},
    ]
    (folder / "run.json").write_text(json.dumps(record))
    assert load_index(tmp_path).rows[0].invalid_codes == (Code.STEAL,)


def test_times_are_utc(tmp_path: Path) -> None:
    folder = write_run(tmp_path, 0)
    text = (folder / "run.json").read_text()
    (folder / "run.json").write_text(text.replace("2026-01-01T00:00:00+00:00", "2026-01-01T02:00:00+02:00"))
    assert load_index(tmp_path).rows[0].created == datetime(2026, 1, 1, tzinfo=timezone.utc)


def test_no_folder_is_an_error_and_an_empty_one_is_not(tmp_path: Path) -> None:
    assert load_index(tmp_path).rows == ()
    with pytest.raises(StoreError, match=r"cannot be looked for here: No such file"):
        load_index(tmp_path / "nowhere")


def test_each_case_of_several_devices_was_measured_on_its_own_machine(tmp_path: Path) -> None:
    path = write_run(tmp_path, 0) / "run.json"
    data = json.loads(path.read_text())
    other = {**data["environment"], "hostname": "pi", "machine": "aarch64", "kernel": "6.6"}
    data["devices"] = [{"name": "local", "environment": data["environment"]}, {"name": "pi", "environment": other}]
    data["cases"][1]["device"] = "pi"
    path.write_text(json.dumps(data))
    here, there = load_index(tmp_path).rows
    assert (here.host.hostname, here.kernel) == (data["environment"]["hostname"], data["environment"]["kernel"])
    assert (there.host.hostname, there.host.machine, there.kernel) == ("pi", "aarch64", "6.6")
