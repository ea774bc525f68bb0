"""Sustained load on a fake device that warms up on its virtual clock, through the runner and by the meter alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from edgebench import api
from edgebench.analysis.sustained import ranking
from edgebench.api import resume_run, run_spec
from edgebench.cli import _parser
from edgebench.devices.fake import FakeDevice, FakeModel
from edgebench.errors import DeviceRefused, UsageError, WorkerDied
from edgebench.findings import Code
from edgebench.launch import Launcher
from edgebench.outcome import Outcome
from edgebench.records import CaseResult, Status
from edgebench.run_cli import spec_of
from edgebench.spec import Spec
from edgebench.sustain import NEAR_CELSIUS, SustainMeter, longest_rest_ns
from edgebench.sustained_records import Pace, Sustained
from fake_runs import MS, ONE_BLOCK, after, build, commands, outcomes, ran
from harness import copies
from hot_device import FULL_HZ, LOW_HZ, HotDevice, S

#: Latency when cool, and how many times as long it takes at the low clock: they swap.
BOARD = {"float16": (120 * MS, 1.1), "int8": (100 * MS, 1.6)}


def sustained(result: CaseResult) -> Sustained:
    assert result.sustained is not None, result.unavailable
    return result.sustained


@pytest.fixture(scope="module")
def board_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, CaseResult], HotDevice]:
    device = HotDevice(BOARD)
    folder = tmp_path_factory.mktemp("models")
    results, _ = ran(folder, device.models, device=device, sustain_ns=600 * S)
    return results, device


def test_the_truth_of_a_device_that_throttles_is_found(board_run: tuple[dict[str, CaseResult], HotDevice]) -> None:
    results, device = board_run
    for name, (full_ns, factor) in BOARD.items():
        found = sustained(results[name])
        assert found.trend is not None
        assert found.trend.pace is Pace.SLOWS
        assert found.trend.ratio == pytest.approx(factor, rel=0.01)
        assert (found.trend.begin_ns, found.trend.end_ns) == pytest.approx((full_ns, full_ns * factor), rel=0.01)
        # From 40 to 80 of 90 degrees with a time constant of 120 s: 120 ln 5 = 193 s, less where it began warmer.
        assert 170 * S < (found.trend.slowed_after_ns or 0) < 200 * S
        assert (found.trend.begin_clock_hz, found.trend.end_clock_hz) == (FULL_HZ, LOW_HZ)
        assert (found.trend.end_celsius or 0) == pytest.approx(device.hot_celsius, abs=1)
        assert [finding.code for finding in found.findings] == [Code.THROTTLED]
        assert 70 < sum(bool(held) for held in found.windows.throttled) < 95
        assert found.cut_short is None
        assert found.unavailable == {}


def test_the_windows_are_as_many_as_a_figure_shows_and_lie_one_behind_the_other(
    board_run: tuple[dict[str, CaseResult], HotDevice],
) -> None:
    found = sustained(board_run[0]["int8"])
    windows = found.windows
    assert 100 <= len(windows.start_ns) <= 121
    assert {len(column) for column in vars(windows).values()} == {len(windows.start_ns)}
    assert list(windows.start_ns) == sorted(windows.start_ns)
    assert found.lasted_ns == pytest.approx(600 * S, rel=0.001)
    assert found.busy_ns == found.lasted_ns
    assert windows.p90_ns[0] is None  # 50 inferences are too few


def test_the_ranking_swaps_at_the_time_of_the_change(board_run: tuple[dict[str, CaseResult], HotDevice]) -> None:
    cases = [sustained(board_run[0][name]) for name in BOARD]
    found = ranking(cases)
    assert (found.begin, found.end) == (((1,), (0,)), ((0,), (1,)))
    (swap,) = found.swaps
    assert (swap.first, swap.second) == (1, 0)
    assert 170 * S < swap.after_ns < 200 * S


def test_the_device_rests_between_cases_within_a_bound(board_run: tuple[dict[str, CaseResult], HotDevice]) -> None:
    results, device = board_run
    first, second = (sustained(results[name]) for name in BOARD)
    assert (first.place, second.place) == (1, 2)
    assert first.start.rested_ns == 0
    assert first.start.reference_celsius == first.start.celsius == second.start.reference_celsius
    assert second.start.rested_ns == longest_rest_ns(600 * S) == device.slept_s * S
    assert second.start.celsius is not None
    assert second.start.celsius > 42  # it was not cool again in time


def test_the_verdict_is_about_the_timing_alone(tmp_path: Path) -> None:
    cold, _ = ran(tmp_path / "cold", (device := HotDevice(BOARD)).models, device=device)
    hot, _ = ran(tmp_path / "hot", (device := HotDevice(BOARD)).models, device=device, sustain_ns=60 * S)
    for name in BOARD:
        assert (hot[name].verdict, hot[name].findings) == (cold[name].verdict, cold[name].findings)
        assert hot[name].latency == cold[name].latency
        assert cold[name].sustained is None


def test_each_case_has_one_fresh_warm_worker_and_is_looked_at_between_windows(tmp_path: Path) -> None:
    models = {"a": FakeModel(5 * MS), "b": FakeModel(5 * MS)}
    _, device = ran(tmp_path, models, sustain_ns=3 * S)
    for worker in (5, 6):
        asked = commands(device, worker)
        assert asked[:4] == ["hello", "load", "first", "state"]
        assert asked[-7:] == ["state", "burst", "state", "burst", "state", "burst", "state"]
        assert set(asked[4:-7]) == {"burst"}


def test_a_rest_ends_as_soon_as_it_is_cool_again(tmp_path: Path) -> None:
    device = HotDevice(BOARD, tau_s=10.0, limit_celsius=200.0)
    results, _ = ran(tmp_path, device.models, device=device, sustain_ns=100 * S)
    start = sustained(results["int8"]).start
    assert start.celsius is not None
    assert start.reference_celsius is not None
    assert start.reference_celsius < start.celsius <= start.reference_celsius + NEAR_CELSIUS
    cooling_s = 10 * math.log((90 - 40) / (start.reference_celsius + NEAR_CELSIUS - 40))
    assert cooling_s <= start.rested_ns / S <= cooling_s + 2
    assert sustained(results["float16"]).trend.pace is Pace.KEEPS  # type: ignore[union-attr]


def test_without_a_temperature_there_is_no_rest_and_a_reason(tmp_path: Path) -> None:
    device = HotDevice(BOARD, tells_heat=False)
    results, _ = ran(tmp_path, device.models, device=device, sustain_ns=60 * S)
    found = sustained(results["int8"])
    assert device.slept_s == 0
    assert found.start.celsius is None
    assert found.start.unavailable == {"celsius": "no thermal zones"}
    assert found.unavailable["celsius"] == "no thermal zones"
    assert found.unavailable["clock_hz"] == "no cpufreq"
    assert set(found.windows.celsius) == set(found.windows.throttled) == {None}


def meter(
    folder: Path, device: FakeDevice, wanted_ns: int, cool_down: Callable[[], None] | None = None
) -> tuple[SustainMeter, list[Outcome]]:
    runner, _ = build(folder, device.models, device=device)
    launcher = Launcher(device, ONE_BLOCK.timeout_s)
    return SustainMeter(device, launcher, ONE_BLOCK, wanted_ns, runner.outcomes, None, cool_down), runner.outcomes


def test_who_asks_for_cooling_gets_it_before_each_case_and_no_rest(tmp_path: Path) -> None:
    device = HotDevice(BOARD)

    def cool_down() -> None:
        assert device.open_workers == 0
        device.now_ns += 1000 * S
        calls.append(device.now_ns)

    calls: list[int] = []
    keeper, cases = meter(tmp_path, device, 300 * S, cool_down)
    for case in cases:
        keeper.measure(case)
    assert len(calls) == 2
    assert device.slept_s == 0
    for case in cases:
        start = sustained(case.result).start
        assert start.cooled
        assert start.rested_ns == 0
        assert start.celsius == pytest.approx(40, abs=1)


def test_a_worker_that_dies_leaves_what_was_measured(tmp_path: Path) -> None:
    died = WorkerDied("the worker was ended by SIGKILL during 'burst'")
    models = {"a": FakeModel(after(900, 20 * MS, died)), "b": FakeModel(20 * MS)}
    results, _ = ran(tmp_path, models, sustain_ns=60 * S)
    found = sustained(results["a"])
    assert found.cut_short == str(died)
    assert found.lasted_ns == pytest.approx(17 * S, rel=0.05)
    assert found.trend is not None
    assert results["a"].status is Status.OK
    assert sustained(results["b"]).lasted_ns == 60 * S


def test_a_worker_that_dies_at_once_is_a_reason(tmp_path: Path) -> None:
    device = FakeDevice({"a": FakeModel(fails={"load": WorkerDied("gone")})})
    keeper, (case,) = meter(tmp_path, device, 60 * S)
    keeper.measure(case)
    assert case.result.sustained is None
    assert case.result.unavailable == {"sustained": "gone"}
    assert case.alive
    assert device.open_workers == 0


def test_slow_models_have_a_window_an_inference(tmp_path: Path) -> None:
    device = FakeDevice({"a": FakeModel(7 * S)})
    keeper, (case,) = meter(tmp_path, device, 60 * S)
    keeper.measure(case)
    found = sustained(case.result)
    assert set(found.windows.count) == {1}
    assert 8 <= len(found.windows.count) <= 9
    assert found.trend is not None
    assert found.trend.pace is Pace.UNDECIDED


def test_a_window_longer_than_a_request_is_asked_for_in_parts(tmp_path: Path) -> None:
    device = FakeDevice({"a": FakeModel(100 * MS)})
    keeper, (case,) = meter(tmp_path, device, 3600 * S)
    keeper.measure(case)
    found = sustained(case.result)
    assert len(found.windows.count) == 120
    assert found.windows.count[5] == 300
    assert found.windows.p90_ns[5] == 100 * MS
    assert found.lasted_ns == pytest.approx(3600 * S, rel=0.001)


class Firmware(FakeDevice):
    """Notes a throttle bit meanwhile, or refuses to say."""

    refuses = False

    def firmware(self) -> dict[str, Any]:
        if self.refuses:
            raise DeviceRefused("no")
        seen = ["throttled"] if self.now_ns > 30 * S else []
        return {"firmware_throttling": {"now": [], "since_boot": seen}, "unavailable": {}}


@pytest.mark.parametrize("refuses", [False, True])
def test_what_the_firmware_noted_meanwhile_is_told(tmp_path: Path, refuses: bool) -> None:
    device = Firmware({"a": FakeModel(100 * MS)})
    device.refuses = refuses
    keeper, (case,) = meter(tmp_path, device, 60 * S)
    keeper.measure(case)
    assert [finding.code for finding in sustained(case.result).findings] == ([] if refuses else [Code.THROTTLED])


def stops(runs: int) -> Callable[[int], int]:
    """A model during which somebody presses Ctrl-C, once."""
    pressed: list[bool] = []

    def latency(run: int) -> int:
        if run == runs and not pressed:
            pressed.append(True)
            raise KeyboardInterrupt
        return 20 * MS

    return latency


def test_what_was_measured_before_a_stop_is_kept_and_measured_again_when_gone_on_with(tmp_path: Path) -> None:
    device = HotDevice({"a": (20 * MS, 1.0), "b": (20 * MS, 1.0)}, tau_s=1000.0)
    device.models = {**device.models, "b": FakeModel(stops(900), state=device.snapshot)}
    paths = copies(tmp_path / "models", "a", "b")
    spec = Spec(tuple(f"net/{path[-8]}={path}" for path in paths), settings=ONE_BLOCK, sustain_ns=60 * S)
    stopped = run_spec(spec, out=tmp_path / "results", device=device)
    first, second = (sustained(case) for case in stopped.record.cases)
    assert stopped.record.interrupted
    assert first.cut_short is None
    assert second.cut_short == "stopped by hand"
    assert 10 * S < second.lasted_ns < 60 * S
    assert stopped.record.cases[1].failure is not None
    assert "keeping each case under load" in stopped.record.cases[1].failure.message

    device.now_ns += 10 * S
    went_on = resume_run("latest", tmp_path / "results", device=device)
    again = [sustained(case) for case in went_on.record.cases]
    assert again[0] == first
    assert again[1].cut_short is None
    assert again[1].lasted_ns == 60 * S
    assert again[1].place == 2
    assert again[1].start.reference_celsius == first.start.celsius


@pytest.mark.parametrize("wanted_ns", [0, S // 2, 25 * 3600 * S])
def test_a_load_of_no_sense_is_refused(wanted_ns: int) -> None:
    with pytest.raises(UsageError, match=r"--sustain .*: must be between 1s and 24h"):
        Spec(("m",), sustain_ns=wanted_ns)


def test_nothing_is_loaded_where_nobody_asked(tmp_path: Path) -> None:
    runner, _ = build(tmp_path, {"a": FakeModel()})
    runner.run()
    assert outcomes(runner)["a"].result.sustained is None


def test_the_flag_the_function_and_the_record_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    given = ["run", "m.tflite", "--sustain", "10m"]
    options = _parser(given).parse_args(given)
    assert spec_of(options, given, options.models).sustain_ns == 600 * S
    assert spec_of(_parser(given[:2]).parse_args(given[:2]), given[:2], ["m"]).sustain_ns is None
    asked: list[Spec] = []
    monkeypatch.setattr(api, "run_spec", lambda spec, **_: asked.append(spec))
    api.run("m.tflite", sustain="90s")
    assert asked[0].sustain_ns == 90 * S
    with pytest.raises(UsageError, match="sustain often: not a duration"):
        api.run("m.tflite", sustain="often")
