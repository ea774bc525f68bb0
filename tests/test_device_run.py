"""Connections that are lost while a device is measured: on the fake device, at every place where they can be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import edgebench
import pytest
from colours import write_folder
from edgebench.api import run_spec
from edgebench.devices.fake import FakeDevice, FakeModel
from edgebench.errors import DeviceError, DeviceLost, DeviceRefused
from edgebench.records import Engine, RunRecord, Status, Wait
from edgebench.run_cli import exit_code
from edgebench.spec import DataSpec, WaitSpec
from edgebench.store import StoredRun
from fake_runs import MS
from several import FAST, RUN_ID, START, Bench, by_device, fast, lines, slow

GONE = DeviceLost("fast: no route to host (tried 7 times in 90 s)")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("images"), per_class=2)


def measured(bench: Bench, device: FakeDevice, **options: Any) -> StoredRun:
    return run_spec(bench.spec(**options), device=device, now=START)


def moments(record: RunRecord) -> list[tuple[str, int | None]]:
    """Return when the device's state was read."""
    return [(reading.moment.value, reading.block) for device in record.devices for reading in device.readings]


def bursts_a_block(bench: Bench) -> int:
    """Return how many bursts a block of three has: two of all are for memory."""
    device = fast()
    measured(bench, device)
    return (device.asked["burst"] - 2) // 3


@pytest.mark.parametrize("command", ["hello", "memory", "load", "first", "burst", "state", "machine", "predict"])
def test_lost_anywhere_once_a_run_ends_as_if_it_had_not_been(bench: Bench, images: Path, command: str) -> None:
    """At the first, a middle and the last request of each kind: nothing of an unfinished block or phase stays."""
    data = DataSpec(f"folder:{images}", normalize="-1..1")
    device = fast()
    whole = measured(bench, device, data=data).record
    times = device.asked[command]
    for number in sorted({2, times // 2 + 1, times}):
        cut = fast(cuts=[(command, number)], reconnect_ns=12_000 * MS)
        stored = measured(bench, cut, data=data)
        assert cut.connection == 1
        assert cut.open_workers == 0
        (said,) = stored.record.warnings
        assert said.endswith("; measured again after 12 s")
        assert f"(fast: the connection was lost during '{command}')" in said
        assert replace(stored.record, warnings=(), devices=whole.devices) == whole
        assert moments(stored.record) == moments(whole)
        assert not stored.samples.duplicated(["case", "block", "round", "start_ns", "warmup"]).any()
        assert exit_code(stored) == 0


def test_the_line_says_which_block_or_phase_was_lost(bench: Bench) -> None:
    bursts = bursts_a_block(bench)
    cut = fast(cuts=[("memory", 3), ("burst", 2 + bursts + 5)], reconnect_ns=2_400 * MS)
    assert measured(bench, cut).record.warnings == (
        "fast: the connection was lost while checking, measuring memory (fast: the connection was lost during "
        "'memory'); measured again after 2 s",
        "fast: the connection was lost at block 1 (fast: the connection was lost during 'burst'); measured again "
        "after 2 s",
    )


@pytest.mark.parametrize("cut", [("file_state", 2), ("drop_scratch", 9), ("check_batch", 2), ("window", 11)])
def test_waits_are_measured_again_too(bench: Bench, cut: tuple[str, int]) -> None:
    """Nothing can be cleaned up there by then, and the line names what was under way."""
    options: dict[str, Any] = {
        "engines": (Engine.COMPILED,),
        "waits": WaitSpec((Wait.WEIGHT_CACHE, Wait.BATCHES, Wait.WORKERS), batches=(1, 2)),
    }
    models = {name: replace(model, cache_bytes=1000) for name, model in FAST.items()}
    whole = measured(bench, FakeDevice(models, name="fast"), **options).record
    record = measured(bench, FakeDevice(models, name="fast", cuts=[cut]), **options).record
    (said,) = lines(record, "lost while measuring what a user waits for")
    assert f"lost during '{cut[0]}'" in said
    assert [case.waits for case in record.cases] == [case.waits for case in whole.cases]
    assert all(case.waits and case.waits.weight_cache and not case.waits.unavailable for case in record.cases)


def at_every_burst(count: int, first: int = 3) -> Sequence[tuple[str, int]]:
    """Return cuts at so many bursts after another: the first two are for memory."""
    return [("burst", first + index) for index in range(count)]


@pytest.mark.parametrize("losses", [2, 3])
def test_a_device_that_is_lost_three_times_at_one_place_is_given_up(bench: Bench, losses: int) -> None:
    device = fast(cuts=at_every_burst(losses))
    stored = bench.run(device)
    assert device.connection == 2
    assert stored.record.interrupted == (losses == 3)
    assert exit_code(stored) == (3 if losses == 3 else 0)
    for case in stored.record.cases:
        assert case.memory is not None
        assert case.status is (Status.INTERRUPTED if losses == 3 else Status.OK)
        if losses == 3:
            assert case.failure is not None
            assert case.failure.code == "device-lost"


def test_losses_count_anew_once_a_block_is_finished(bench: Bench) -> None:
    bursts = bursts_a_block(bench)
    cuts = [("burst", number) for number in (3, 4, 4 + bursts + 1, 4 + bursts + 2, 4 + 2 * bursts + 3)]
    device = fast(cuts=cuts)
    record = measured(bench, device).record
    assert device.connection == 5
    assert not record.interrupted
    assert [line.split(" (")[0].split("at ")[1] for line in record.warnings] == [
        "block 0", "block 0", "block 1", "block 1", "block 2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "error", [GONE, DeviceRefused("fast: the host key has changed")], ids=["unreachable", "refused"]
)
def test_a_device_that_does_not_come_back_keeps_what_it_measured(bench: Bench, error: DeviceError) -> None:
    bursts = bursts_a_block(bench)
    device = fast(cuts=[("burst", 2 + 2 * bursts + 5)], reconnects=[error])
    stored = bench.run(device, slow())
    cases = by_device(stored.record)
    assert [case.status for case in cases["slow"]] == [Status.OK] * 2
    for case in cases["fast"]:
        assert case.status is Status.INTERRUPTED
        assert case.failure is not None
        assert (case.failure.code, case.failure.message) == (error.code, str(error))
        assert case.latency is not None
        assert case.latency.blocks == 2
    assert cases["fast"][1].comparison is not None
    assert stored.record.interrupted
    assert exit_code(stored) == 3
    assert stored.record.warnings == (f"fast: dropped out, so its cases are not finished: {error}",)

    again = fast()
    untouched = slow(refusal=DeviceLost("slow: switched off by now"))
    resumed = bench.resume(again, untouched)
    assert not resumed.record.interrupted
    assert exit_code(resumed) == 0
    assert by_device(resumed.record)["slow"] == cases["slow"]
    assert {case.status for case in resumed.record.cases} == {Status.OK}
    assert again.asked["memory"] == 0
    assert again.asked["load"] == 2
    assert resumed.record.warnings == (
        "fast: continued on 2026-01-03T00:00:00+00:00: block 2 of samples.parquet was measured then",
    )
    assert bench.stored == [RUN_ID]


def test_what_was_classified_before_the_loss_is_judged(bench: Bench, images: Path) -> None:
    data = DataSpec(f"folder:{images}", normalize="-1..1")
    device = fast(cuts=[("predict", 2)], reconnects=[GONE])
    one, other = bench.run(device, data=data).record.cases
    assert (one.status, other.status) == (Status.OK, Status.INTERRUPTED)
    assert one.accuracy is not None
    assert other.accuracy is None
    assert other.latency is not None
    resumed = bench.resume(fast()).record
    assert resumed.cases[0].accuracy == one.accuracy
    assert resumed.cases[1].accuracy_comparison is not None
    assert not resumed.interrupted


def test_a_device_lost_before_anything_was_finished_leaves_nothing(bench: Bench) -> None:
    with pytest.raises(DeviceLost, match="no route to host"):
        bench.run(fast(cuts=[("memory", 1)], reconnects=[GONE]))
    assert bench.stored == []


def test_losses_are_told_after_a_run_went_on(bench: Bench) -> None:
    class Once(FakeDevice):
        def reconnect(self) -> None:
            if self.connection:
                raise GONE
            super().reconnect()

    cuts = [("burst", 3), ("burst", 3 + bursts_a_block(bench) + 5)]
    stored = bench.run(Once(FAST, name="fast", cuts=cuts))
    told = "fast: the connection was lost at block 0"
    assert [line.split(" (")[0] for line in stored.record.warnings] == [
        told, f"fast: dropped out, so its cases are not finished: {GONE}".split(" (")[0],
    ]  # fmt: skip
    assert [line.split(" (")[0] for line in bench.resume(fast()).record.warnings] == [
        told, "continued on 2026-01-03T00:00:00+00:00: blocks 1 to 2 of samples.parquet were measured then",
    ]  # fmt: skip


def test_a_device_that_was_never_reached_is_measured_when_the_run_goes_on(bench: Bench) -> None:
    first = bench.run(fast(), slow(refusal=DeviceLost("slow: no route to host")))
    again = slow()
    resumed = bench.resume(fast(refusal=GONE), again)
    assert {case.status for case in resumed.record.cases} == {Status.OK}
    assert [case.case_id for case in by_device(resumed.record)["slow"]] == [
        "net/a@slow/interpreter.litert+default/t1", "net/b@slow/interpreter.litert+default/t1",
    ]  # fmt: skip
    assert by_device(resumed.record)["fast"] == by_device(first.record)["fast"]


def test_a_device_first_reached_by_a_resumed_run_that_is_lost_again_goes_on_from_there(bench: Bench) -> None:
    bench.run(fast(), slow(refusal=DeviceLost("slow: no route to host")))
    halfway = bench.resume(fast(), slow(cuts=[("burst", 6)], reconnects=[DeviceLost("slow: gone again")]))
    assert halfway.record.interrupted
    assert [case.memory is not None for case in by_device(halfway.record)["slow"]] == [True, True]
    again = slow()
    assert not bench.resume(fast(), again).record.interrupted
    assert again.asked["memory"] == 0


def test_its_models_must_be_those_of_then(bench: Bench) -> None:
    bench.run(fast(), slow(refusal=DeviceLost("slow: no route to host")))
    bench.paths[1].write_bytes(bench.paths[1].read_bytes() + b" ")
    with pytest.raises(edgebench.errors.StoreError, match=r"b\.tflite has another content than then"):
        bench.resume(fast(), slow())


def test_a_run_whose_devices_with_work_left_are_all_away_stays_as_it_is(bench: Bench) -> None:
    bench.run(fast(), slow(refusal=DeviceLost("slow: no route to host")))
    before = {path.name: path.read_bytes() for path in (bench.out / RUN_ID).iterdir()}
    with pytest.raises(DeviceLost, match="cannot be continued: slow: still off; what it measured is kept") as caught:
        bench.resume(fast(), slow(refusal=DeviceLost("slow: still off")))
    assert caught.value.exit_code == 3
    assert {path.name: path.read_bytes() for path in (bench.out / RUN_ID).iterdir()} == before


def test_an_interrupt_while_the_connection_is_away(bench: Bench) -> None:
    bursts = bursts_a_block(bench)

    class Waiting(FakeDevice):
        def reconnect(self) -> None:
            raise KeyboardInterrupt

    device = Waiting(FAST, name="fast", cuts=[("burst", 2 + bursts + 5)])
    stored = bench.run(device)
    assert exit_code(stored) == 130
    for case in stored.record.cases:
        assert case.failure is not None
        assert case.failure.message == "stopped by hand while timing"
        assert case.latency is not None
        assert case.latency.blocks == 1


def test_a_case_that_fails_by_itself_is_no_loss(bench: Bench) -> None:
    models = {**FAST, "b": FakeModel(fails={"load": edgebench.errors.WorkerDied("it died")})}
    device = FakeDevice(models, name="fast", cuts=[("burst", 20)])
    record = measured(bench, device).record
    assert [case.status for case in record.cases] == [Status.OK, Status.FAILED]
    assert record.cases[1].failure is not None
    assert record.cases[1].failure.code == "worker-died"
