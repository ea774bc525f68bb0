"""What a run's record tells of its device, on the fake device and on this machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from boards import ADDRESS, MACHINE_NAME, firmware, hot_board, recorded
from edgebench.api import resume_run, run_spec
from edgebench.devices.base import Transfers
from edgebench.devices.fake import FakeDevice, FakeModel
from edgebench.errors import WorkerDied
from edgebench.findings import Code, Severity
from edgebench.progress import Progress
from edgebench.readings import Cause, Moment
from edgebench.records import DeviceRecord, RunRecord
from edgebench.spec import Spec
from edgebench.store import load
from fake_runs import MS, ONE_BLOCK
from harness import SHORT, copies, model

MODELS = {"float32": FakeModel(2 * MS), "int8": FakeModel(MS)}
THREE = replace(ONE_BLOCK, min_blocks=3, max_blocks=3)
TEN = replace(ONE_BLOCK, min_blocks=10, max_blocks=10)


def spec_of(folder: Path, settings: Any = THREE) -> Spec:
    paths = copies(folder / "models", *MODELS)
    return Spec(tuple(f"net/{n}={path}" for n, path in zip(MODELS, paths, strict=True)), settings=settings)


def device_of(record: RunRecord) -> DeviceRecord:
    (device,) = record.devices
    return device


def moments(device: DeviceRecord) -> list[tuple[str, int | None]]:
    return [(item.moment.value, item.block) for item in device.readings]


def test_a_board_is_told_before_during_and_after(tmp_path: Path) -> None:
    board = hot_board(tmp_path / "tree", MODELS, lambda now_ns: 40.0 + now_ns / 1e9)
    found = device_of(run_spec(spec_of(tmp_path), device=board).record)
    assert (found.name, found.address, found.board_model) == ("fake", ADDRESS, MACHINE_NAME)
    assert moments(found) == [("before", None), ("during", 0), ("during", 1), ("during", 2), ("after", None)]
    heat = [item.celsius["cpu-thermal"] for item in found.readings]
    assert heat == sorted(heat)
    assert heat[0] < heat[1] < heat[2]
    assert all(item.measured_clock_hz == 1_500_000_000 for item in found.readings)
    assert found.ready_to_first_result_ns
    assert (found.bytes_sent, found.bytes_reused) == (None, None)


def test_what_was_sent_for_this_run_is_told(tmp_path: Path) -> None:
    """A device that is used for several runs counts over all of them."""

    class Remote(FakeDevice):
        def transfers(self) -> Transfers:
            return Transfers(bytes_sent=7 * self.asked["load"], bytes_reused=9 * self.asked["load"])

    device, sent = Remote(MODELS), []
    for _ in range(2):
        before = device.asked["load"]
        found = device_of(run_spec(spec_of(tmp_path, ONE_BLOCK), device=device).record)
        loads = device.asked["load"] - before
        assert (found.bytes_sent, found.bytes_reused) == (7 * loads, 9 * loads)
        sent.append(found.bytes_sent)
    assert sent[0] == sent[1] != 0


def test_the_firmware_is_asked_between_bursts_alone(tmp_path: Path) -> None:
    board = hot_board(tmp_path / "tree", MODELS, lambda _: 50.0)
    before_asking: list[str] = []
    tell = board.firmware_at
    assert tell is not None

    def told(now_ns: int) -> Mapping[str, Any]:
        before_asking.append(board.log[-1][1] if board.log else "")
        return tell(now_ns)

    board.firmware_at = told
    run_spec(spec_of(tmp_path), device=board)
    # Before the run and at its end; for each block before workers are loaded and after the last state is read.
    assert len(before_asking) == 2 + 2 * 3
    assert before_asking[2::2] == ["state"] * 3


def test_throttling_in_force_makes_the_case_invalid_with_the_figures(tmp_path: Path) -> None:
    board = hot_board(tmp_path / "tree", MODELS, lambda _: 84.0)
    record = run_spec(spec_of(tmp_path), device=board).record
    for case in record.cases:
        found = {finding.code: finding for finding in case.findings}
        assert found[Code.THROTTLED].severity is Severity.INVALID
        assert "clock capped, throttled" in found[Code.THROTTLED].reason
        assert "get_throttled 0x60006, cpu-thermal at 84 °C, measured clock 1.00 GHz" in found[Code.THROTTLED].reason
        assert "a clock of 1.00 GHz where the kernel claims 1.50" in found[Code.CLOCK_LOW].reason


def test_a_cause_that_came_up_for_a_moment_is_a_finding_too(tmp_path: Path) -> None:
    """One block of ten is far below the third that makes a disturbance count."""
    board = hot_board(tmp_path / "tree", MODELS, lambda _: 50.0)
    blocks = 0

    def told(_now_ns: int) -> Mapping[str, Any]:
        nonlocal blocks
        blocks += 1
        # Asked before the run, then before and after each block: the low supply comes up in the fifth.
        return firmware(0x10001 if blocks == 11 else 0x10000 if blocks > 11 else 0)

    board.firmware_at = told
    record = run_spec(spec_of(tmp_path, TEN), device=board).record
    for case in record.cases:
        found = {finding.code: finding for finding in case.findings}
        assert found[Code.UNDER_VOLTAGE].severity is Severity.SUSPECT
        assert found[Code.UNDER_VOLTAGE].reason.startswith("in 1 of 10 blocks: the board's supply voltage is too low")
        assert Code.THROTTLED not in found
    told_now = [item.throttling.now for item in device_of(record).readings if item.throttling]
    assert told_now.count((Cause.UNDER_VOLTAGE,)) == 1


def test_a_device_that_cannot_be_asked_stops_nothing(tmp_path: Path) -> None:
    class Mute(FakeDevice):
        def machine(self) -> dict[str, Any]:
            raise WorkerDied("the helper is gone")

        state = firmware = machine

    found = device_of(run_spec(spec_of(tmp_path), device=Mute({**MODELS})).record)
    assert found.unavailable["board_model"] == "the helper is gone"
    before = found.readings[0]
    assert before.unavailable["celsius"] == before.unavailable["throttling"] == "the helper is gone"


def test_a_device_that_leaves_it_to_its_workers_has_their_facts(tmp_path: Path) -> None:
    machine, state = recorded("raspberry-pi-4", tmp_path / "tree")
    del state["taken_ns"]

    class Silent(FakeDevice):
        def machine(self) -> dict[str, Any]:
            return {"unavailable": {}}

    models = {name: replace(item, state=lambda _: state) for name, item in MODELS.items()}
    found = device_of(run_spec(spec_of(tmp_path), device=Silent(models, machine)).record)
    assert found.board_model == MACHINE_NAME
    assert [group.max_hz for group in found.cores] == [1_500_000_000]


class Stops(Progress):
    """Ctrl-C once so many blocks are finished."""

    def __init__(self, blocks: int) -> None:
        self._left = blocks
        self._timing = False

    def phase(self, name: str, total: int) -> None:
        self._timing = name.startswith("timing")

    def advance(self) -> None:
        self._left -= self._timing
        if self._timing and not self._left:
            raise KeyboardInterrupt


def test_a_run_that_was_continued_has_the_readings_of_both_sittings(tmp_path: Path) -> None:
    def board() -> FakeDevice:
        return hot_board(tmp_path / "tree", MODELS, lambda now_ns: 40.0 + now_ns / 1e9)

    out = tmp_path / "results"
    stopped = run_spec(spec_of(tmp_path), out=out, device=board(), progress=Stops(2))
    assert moments(device_of(stopped.record)) == [("before", None), ("during", 0), ("during", 1), ("after", None)]
    resumed = resume_run("latest", out, device=board())
    found = device_of(resumed.record)
    assert moments(found) == [
        ("before", None), ("during", 0), ("during", 1), ("before", None), ("during", 2), ("after", None),
    ]  # fmt: skip
    assert found.readings[:3] == device_of(stopped.record).readings[:3]
    assert resumed.folder is not None
    assert load(resumed.folder).record == resumed.record


def test_this_machine(tmp_path: Path) -> None:
    found = device_of(run_spec(Spec((model("float32"),), settings=SHORT)).record)
    assert (found.name, found.address) == ("local", None)
    assert found.environment.hostname == platform.node()
    assert sum(group.count for group in found.cores) == os.cpu_count() or "cores" in found.unavailable
    assert [item.moment for item in found.readings] == [Moment.BEFORE, Moment.DURING, Moment.AFTER]
    assert all(item.memory_available_bytes for item in found.readings)
    for item in found.readings:
        for name in ("celsius", "clocks_hz", "throttling", "measured_clock_hz"):
            assert bool(getattr(item, name)) != bool(item.unavailable.get(name))
