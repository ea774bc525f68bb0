from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from edgebench.records import DeviceRecord
from edgebench.repeats import stored_repeats
from edgebench.store import RUN_FILE, UNFINISHED, StoredRun, save
from simulated_runs import HOST, Truth, simulated_run


def run(number: int, hostname: str = HOST.hostname) -> StoredRun:
    environment = replace(HOST, hostname=hostname)
    return simulated_run(number, {"float32": Truth()}, np.random.default_rng(number), environment=environment)


def test_runs_of_this_host_are_read_newest_first(tmp_path: Path) -> None:
    for number in (1, 3, 2):
        save(run(number), tmp_path)
    save(run(4, "other"), tmp_path)
    found = stored_repeats(tmp_path, run(9).record.environment)
    assert [record.run_id[9:15] for record in found.records] == ["000003", "000002", "000001"]
    assert found.unreadable == 0
    assert len(stored_repeats(tmp_path, run(9).record.environment, most=2).records) == 2


def test_what_cannot_be_read_is_counted(tmp_path: Path) -> None:
    save(run(1), tmp_path)
    newer = save(run(2), tmp_path) / RUN_FILE
    newer.write_text(newer.read_text().replace('"schema_version": 2', '"schema_version": 99'))
    for name, text in (("damaged", "{"), ("list", "[]"), ("bare", "{}")):
        (tmp_path / name).mkdir()
        (tmp_path / name / RUN_FILE).write_text(text)
    found = stored_repeats(tmp_path, run(9).record.environment)
    assert len(found.records) == 1
    assert found.unreadable == 4


def test_runs_that_are_not_finished_or_not_there_are_no_repeats(tmp_path: Path) -> None:
    folder = tmp_path / f"20260101-000000-net{UNFINISHED}"
    folder.mkdir()
    assert stored_repeats(tmp_path, run(9).record.environment).records == ()
    assert stored_repeats(tmp_path / "nowhere", run(9).record.environment).records == ()


def test_a_run_of_several_devices_repeats_what_was_measured_on_any(tmp_path: Path) -> None:
    pi = replace(HOST, hostname="pi", machine="aarch64")
    both = run(1)
    devices = (DeviceRecord("local", HOST), DeviceRecord("pi", pi))
    save(replace(both, record=replace(both.record, devices=devices)), tmp_path)
    save(run(2, "pi"), tmp_path)
    assert len(stored_repeats(tmp_path, pi).records) == 1
    assert len(stored_repeats(tmp_path, HOST).records) == 1
    assert stored_repeats(tmp_path, replace(pi, hostname="other")).records == ()
    assert len(stored_repeats(tmp_path, replace(pi, hostname="other"), HOST).records) == 1
