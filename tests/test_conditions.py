"""CPUs, cooling and the governor of whole runs, on the fake device's virtual clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import edgebench
import pytest
from edgebench.analysis.cooling import BlockCooling, cooling_facts, not_cooled
from edgebench.api import resume_run, run_spec
from edgebench.conditions import check_conditions
from edgebench.cooling import LOOK_S, Cooler, warmth
from edgebench.devices.fake import FakeDevice, FakeModel
from edgebench.dry_run import dry_run
from edgebench.errors import DeviceRefused, RuntimeRefused, UsageError
from edgebench.findings import Code, Finding
from edgebench.interleave import Side, interleaved_spec
from edgebench.progress import Progress
from edgebench.readings import ThermalStatus
from edgebench.records import Cooling, GovernorChange, RunRecord, Settings, Status
from edgebench.report.conditions import condition_lines
from edgebench.report.csvfile import render_csv
from edgebench.report.dry_run import dry_run_json, render_dry_run
from edgebench.report.naming import name_cases
from edgebench.spec import CaseChoice, Spec
from edgebench.store import StoredRun, strict_converter
from fake_runs import MS, ONE_BLOCK
from harness import copies

S = 1_000_000_000
MODELS = {"a": FakeModel(2 * MS), "b": FakeModel(MS)}
THREE = replace(ONE_BLOCK, min_blocks=3, max_blocks=3)
UNEQUAL = {0: 400, 1: 400, 2: 1024, 3: 1024}


class Oven:
    """Warms to ``hot`` while anything runs, cools by a degree each ``second_ns`` that is slept."""

    def __init__(self, hot: float = 62.0, cold: float = 20.0, second_ns: int = S) -> None:
        self.hot, self.cold, self.second_ns = hot, cold, second_ns
        self.slept_ns = 0

    def device(self, **options: Any) -> FakeDevice:
        oven = self

        class Warm(FakeDevice):
            def start_worker(self, python: str) -> Any:
                oven.slept_ns = 0
                return super().start_worker(python)

            def sleep(self, seconds: float) -> None:
                oven.slept_ns += round(seconds * 1e9)
                super().sleep(seconds)

        return Warm(MODELS, celsius=lambda _: max(self.cold, self.hot - self.slept_ns / self.second_ns), **options)


def spec_of(folder: Path, settings: Settings = ONE_BLOCK, **options: Any) -> Spec:
    paths = copies(folder / "models", *MODELS)
    names = tuple(f"net/{name}={path}" for name, path in zip(MODELS, paths, strict=True))
    return Spec(names, settings=settings, **options)


def measured(folder: Path, device: FakeDevice, settings: Settings = ONE_BLOCK, **options: Any) -> StoredRun:
    return run_spec(spec_of(folder, settings, **options), device=device)


def found(run: StoredRun, code: Code) -> list[Finding]:
    return [finding for case in run.record.cases for finding in case.findings if finding.code is code]


# CPUs


def test_each_choice_of_cpus_is_a_case_of_its_own(tmp_path: Path) -> None:
    run = measured(tmp_path, FakeDevice(MODELS, able=UNEQUAL), cpus=("big", "little", "0,2"), threads=(1, 2))
    tails = [case.case_id.split("+default/")[1] for case in run.record.cases[:6]]
    assert tails == ["t1/big", "t1/little", "t1/0,2", "t2/big", "t2/little", "t2/0,2"]
    assert [case.cpu_numbers for case in run.record.cases[:3]] == [(2, 3), (0, 1), (0, 2)]
    assert all(case.status is Status.OK for case in run.record.cases)
    assert [case.comparison is None for case in run.record.cases] == [True, *[False] * 11]


def test_a_case_on_any_cpu_has_the_id_that_it_always_had(tmp_path: Path) -> None:
    device = FakeDevice(MODELS)
    case = measured(tmp_path, device).record.cases[0]
    assert case.case_id == "net/a@fake/interpreter.litert+default/t1"
    assert (case.cpus, case.cpu_numbers) == (None, ())
    assert "find_cpus" not in {command for _, command in device.log}


def test_cpus_that_are_not_there_are_an_error_before_anything_is_measured(tmp_path: Path) -> None:
    device = FakeDevice(MODELS)
    with pytest.raises(UsageError, match="--cpus big: all 4 cores are alike"):
        measured(tmp_path, device, cpus=("0", "big"))
    assert {command for _, command in device.log} <= {"hello", "find_cpus", "ready"}
    assert device.open_workers == 0


def test_threads_are_counted_against_the_chosen_cpus(tmp_path: Path) -> None:
    run = measured(tmp_path, FakeDevice(MODELS, able=UNEQUAL), cpus=("big", "0-3"), threads=(3,))
    on_two, on_four = run.record.cases[:2]
    reasons = [[item.reason for item in case.findings if item.code is Code.MORE_THREADS] for case in (on_two, on_four)]
    assert reasons == [["3 threads on 2 usable cores"], []]


def test_reports_name_the_cpus(tmp_path: Path) -> None:
    run = measured(tmp_path, FakeDevice(MODELS, able=UNEQUAL), cpus=("big", "little"))
    names = name_cases(run.record.cases)
    assert names.how_title == "CPUs"
    assert [names.labels[case.case_id] for case in run.record.cases] == ["a big", "a little", "b big", "b little"]
    alone = [case for case in run.record.cases if case.cpus == "big"]
    assert "CPUs big (2-3)" in name_cases(alone).common
    header, first = (line.split(",") for line in render_csv(run.record).splitlines()[:2])
    row = dict(zip(header, first, strict=False))
    assert (row["cpus"], row["cpu_numbers"]) == ("big", "2-3")


def test_pinned_cases_are_measured_again_as_they_were(tmp_path: Path) -> None:
    run = measured(tmp_path, FakeDevice(MODELS, able=UNEQUAL), cpus=("big", "little"))
    files = {(case.model, case.variant): Path(case.file.path) for case in run.record.cases}
    side = Side("latest", files, run)
    spec = interleaved_spec(side, side, spec_of(tmp_path), own_ways=True)
    assert spec.cpus == ("big", "little")
    assert [choice.cpus for choice in spec.only] == ["big", "little"] * 2
    again = run_spec(spec, device=FakeDevice({**MODELS, "c": FakeModel()}, able=UNEQUAL))
    pairs = {case.case_id: case.comparison.baseline for case in again.record.cases if case.comparison}
    assert len(pairs) == 4
    assert all(new.rpartition("/")[2] == base.rpartition("/")[2] for new, base in pairs.items())


def test_a_choice_without_cpus_is_not_a_pinned_case(tmp_path: Path) -> None:
    pinned = spec_of(tmp_path, cpus=("0",))
    choice = CaseChoice("net", "a", pinned.engines[0], pinned.delegates[0], 1)
    with pytest.raises(UsageError, match="there is no such case"):
        run_spec(replace(pinned, only=(choice,)), device=FakeDevice(MODELS))
    run = run_spec(replace(pinned, only=(replace(choice, cpus="0"),)), device=FakeDevice(MODELS))
    assert [case.cpus for case in run.record.cases] == ["0"]


def test_a_real_worker_runs_where_it_was_told(tmp_path: Path) -> None:
    settings = replace(ONE_BLOCK, min_time_ns=0, min_runs=1, warmup_time_ns=0, timeout_s=60.0)
    run = edgebench.run(*copies(tmp_path, "a"), cpus="0", settings=settings)
    (case,) = run.record.cases
    assert (case.status, case.cpus, case.cpu_numbers) == (Status.OK, "0", (0,))
    assert case.case_id.endswith("/t1/0")


# Cooling


def waiting(limit: float, timeout_s: float, celsius: Callable[[int], float]) -> tuple[BlockCooling, FakeDevice]:
    device = FakeDevice({}, celsius=celsius)
    return Cooler(device, cooling_to(limit, timeout_s), Progress()).wait(), device


def test_a_cool_device_need_not_wait() -> None:
    cooling, device = waiting(55, 300, lambda _: 55.0)
    assert (cooling.waited_ns, device.now_ns, cooling.reached) == (0, 0, True)


def test_it_waits_until_the_device_is_cool_and_no_longer() -> None:
    cooling, _ = waiting(55, 300, lambda now_ns: 60 - now_ns / S)
    assert cooling == BlockCooling(55, round(2 * LOOK_S) * S, 60.0, 54.0, ("cpu-thermal",))


def test_it_gives_up_when_the_time_is_over_to_the_second() -> None:
    cooling, _ = waiting(55, 10, lambda _: 61.0)
    assert cooling.waited_ns == 10 * S
    assert not cooling.reached
    finding = not_cooled(cooling)
    assert finding is not None
    assert finding.reason == "still 61 °C after 10 s, asked for 55 °C"


def test_the_warmest_zone_of_the_processor_counts() -> None:
    zones = {
        "a": {"type": "cpu0-thermal", "celsius": 40.0},
        "b": {"type": "cpu1-thermal", "celsius": 52.5},
        "c": {"type": "battery", "celsius": 80.0},
        "d": {"type": "cpu2-thermal", "unavailable": "no value"},
    }
    found = warmth({"temperatures": zones})
    assert (found.celsius, found.zones) == (52.5, ("cpu0-thermal", "cpu1-thermal"))
    assert warmth({"temperatures": {"c": zones["c"]}}).celsius == 80.0
    assert warmth({"temperatures": {"d": zones["d"]}}).unread == "no value"


def test_a_temperature_that_is_lost_on_the_way_is_not_waited_for() -> None:
    class Losing(FakeDevice):
        def state(self) -> dict[str, Any]:
            return super().state() if not self.now_ns else {"unavailable": {"temperatures": "zone gone"}}

    cooling = Cooler(Losing({}, celsius=lambda _: 60.0), cooling_to(55), Progress()).wait()
    assert (cooling.after_celsius, cooling.waited_ns) == (None, round(LOOK_S) * S)
    finding = not_cooled(cooling)
    assert finding is not None
    assert finding.reason.endswith("could not be read: zone gone")
    facts = cooling_facts([cooling])
    assert facts is not None
    assert facts.unavailable == {"warmest_celsius": "zone gone"}


def phone(statuses: Callable[[int], str | None]) -> FakeDevice:
    """Return a device whose Android tells these statuses, by its clock."""

    def told(now_ns: int) -> dict[str, Any]:
        status = statuses(now_ns)
        return {"unavailable": {"thermal_status": "no service"}} if status is None else {"thermal_status": status}

    return FakeDevice(MODELS, firmware=told)


BY_STATUS = replace(THREE, cool_to_status=ThermalStatus.LIGHT, cool_timeout_s=60.0)


def test_a_phone_waits_for_its_thermal_status() -> None:
    device = phone(lambda now_ns: "severe" if now_ns < 10 * S else "light")
    cooling = Cooler(device, BY_STATUS, Progress()).wait()
    assert (cooling.waited_ns, cooling.reached) == (12 * S, True)
    assert (cooling.before_status, cooling.after_status) == (ThermalStatus.SEVERE, ThermalStatus.LIGHT)
    assert cooling_facts([cooling]) == Cooling(
        None, blocks=1, waits=1, waited_ns=12 * S, limit_status=ThermalStatus.LIGHT, worst_status=ThermalStatus.LIGHT
    )


def test_a_phone_that_stays_hot_is_measured_and_doubted() -> None:
    cooling = Cooler(phone(lambda _: "critical"), BY_STATUS, Progress()).wait()
    finding = not_cooled(cooling)
    assert finding is not None
    assert finding.reason == "still thermal status critical after 60 s, asked for thermal status light"


def test_a_status_that_is_gone_ends_the_wait() -> None:
    cooling = Cooler(phone(lambda now_ns: "severe" if now_ns < S else None), BY_STATUS, Progress()).wait()
    finding = not_cooled(cooling)
    assert finding is not None
    assert finding.reason.endswith("the thermal status could not be read: no service")
    facts = cooling_facts([cooling])
    assert facts is not None
    assert facts.unavailable == {"worst_status": "no service"}


def test_a_run_cools_by_status_says_so_and_stores_it(tmp_path: Path) -> None:
    device = phone(lambda now_ns: "moderate" if now_ns < 5 * S else "none")
    assert check_conditions(spec_of(tmp_path, BY_STATUS), device) == (
        "cool to thermal status light before each block (now thermal status moderate): at most 60 s each time, which "
        "is not counted in any time here nor in --budget",
    )
    run = measured(tmp_path, device, BY_STATUS)
    (line,) = condition_lines(run.record)
    assert line == (
        "cooled to thermal status light before 3 blocks: waited 1 time, 6 s in all, at worst at thermal status none"
    )
    converter = strict_converter()
    assert converter.structure(converter.unstructure(run.record), RunRecord).conditions == run.record.conditions


def test_a_board_tells_no_status(tmp_path: Path) -> None:
    board = FakeDevice(MODELS, celsius=lambda _: 40.0)
    with pytest.raises(UsageError, match="tells no thermal status: it does not run Android; leave --cool-to out"):
        check_conditions(spec_of(tmp_path, BY_STATUS), board)


def cooling_to(limit: float, timeout_s: float = 300.0, settings: Settings = THREE) -> Settings:
    return replace(settings, cool_to_celsius=limit, cool_timeout_s=timeout_s)


def test_before_each_block_the_device_cools(tmp_path: Path) -> None:
    run = measured(tmp_path, Oven(62).device(), cooling_to(56))
    (conditions,) = run.record.conditions
    assert conditions.device == "fake"
    assert conditions.governor is None
    assert conditions.cooling == Cooling(56, ("cpu-thermal",), 3, 3, 18 * S, 0, 56.0)
    assert found(run, Code.NOT_COOLED) == []
    (line,) = condition_lines(run.record)
    assert line == "cooled to 56 °C before 3 blocks (by cpu-thermal): waited 3 times, 18 s in all, the warmest at 56 °C"


def test_it_cools_before_the_workers_of_a_block_are_loaded(tmp_path: Path) -> None:
    class Telling(FakeDevice):
        def sleep(self, seconds: float) -> None:
            self.log.append((self.open_workers, "sleep"))
            super().sleep(seconds)

    device = Telling(MODELS, celsius=lambda now_ns: 60.0 if now_ns < 5 * S else 50.0)
    measured(tmp_path, device, cooling_to(55, settings=ONE_BLOCK))
    assert {workers for workers, command in device.log if command == "sleep"} == {0}


def test_what_stays_warm_is_measured_with_a_finding(tmp_path: Path) -> None:
    run = measured(tmp_path, Oven(61, cold=61).device(), cooling_to(55, 120))
    assert [item.reason for item in found(run, Code.NOT_COOLED)] == [
        "in 3 of 3 blocks; in the first of them still 61 °C after 2 min, asked for 55 °C"
    ] * 2
    (line,) = condition_lines(run.record)
    assert line.endswith("waited 3 times, 6 min in all; 3 began warmer, the warmest at 61 °C")


def test_one_warm_start_of_four_is_no_finding(tmp_path: Path) -> None:
    device = FakeDevice(MODELS, celsius=lambda now_ns: 70.0 if now_ns < 8 * S else 50.0)
    run = measured(tmp_path, device, replace(cooling_to(55, 6), min_blocks=4, max_blocks=4))
    cooling = run.record.conditions[0].cooling
    assert cooling is not None
    assert (cooling.blocks, cooling.waits, cooling.too_warm) == (4, 2, 1)
    assert found(run, Code.NOT_COOLED) == []


def test_pauses_are_not_counted_in_the_budget(tmp_path: Path) -> None:
    settings = replace(ONE_BLOCK, min_blocks=2, max_blocks=12, budget_ns=5 * S, precision=1e-9)
    plain = measured(tmp_path / "plain", FakeDevice(MODELS), settings)
    cooled = measured(tmp_path / "cooled", Oven(62).device(), cooling_to(52, settings=settings))
    blocks = [case.latency.blocks for run in (plain, cooled) for case in run.record.cases if case.latency]
    assert len(set(blocks)) == 1
    assert blocks[0] > 1
    waits = cooled.record.conditions[0].cooling
    assert waits is not None
    assert waits.waited_ns > 5 * S


def test_a_device_without_a_temperature_is_an_error_before_anything_is_measured(tmp_path: Path) -> None:
    device = FakeDevice(MODELS)
    with pytest.raises(UsageError, match=r"--cool-to: fake tells no temperature: .*; leave --cool-to out"):
        measured(tmp_path, device, cooling_to(55))
    assert "load" not in {command for _, command in device.log}


def test_progress_tells_what_it_waits_for(tmp_path: Path) -> None:
    class Hearing(Progress):
        def __init__(self) -> None:
            self.texts: list[str] = []

        def detail(self, text: str) -> None:
            self.texts.append(text)

    heard = Hearing()
    run_spec(spec_of(tmp_path, cooling_to(56, settings=ONE_BLOCK)), device=Oven(62).device(), progress=heard)
    assert [text for text in heard.texts if text.startswith("cooling")] == [
        "cooling: 62 °C → 56 °C",
        "cooling: 59 °C → 56 °C",
    ]


def test_a_run_that_goes_on_remembers_its_pauses(tmp_path: Path) -> None:
    class Stopped(Progress):
        blocks = 0

        def advance(self) -> None:
            self.blocks += 1
            if self.blocks == 4:  # two checks, two blocks
                raise KeyboardInterrupt

    spec, now = spec_of(tmp_path, cooling_to(56)), datetime(2026, 1, 2, tzinfo=timezone.utc)
    out = tmp_path / "results"
    cut = run_spec(spec, out=out, device=Oven(62).device(), progress=Stopped(), now=now)
    assert cut.record.interrupted
    run = resume_run("latest", out, device=Oven(62).device(), now=now)
    cooling = run.record.conditions[0].cooling
    assert cooling is not None
    assert (cooling.blocks, cooling.waits, cooling.waited_ns) == (3, 3, 18 * S)


# The governor


def governed(name: str = "performance", settings: Settings = ONE_BLOCK) -> Settings:
    return replace(settings, governor=name)


def test_the_governor_is_set_while_measuring_and_put_back(tmp_path: Path) -> None:
    seen: set[str | None] = set()
    device = FakeDevice({})

    def latency(_run: int) -> int:
        seen.add(device.governor)
        return MS

    device.models, device.governor = {"a": FakeModel(latency), "b": FakeModel(latency)}, "powersave"
    run = measured(tmp_path, device, governed())
    assert seen == {"performance"}
    assert device.governor == "powersave"
    assert run.record.conditions[0].governor == GovernorChange("performance", {"policy0": "powersave"})
    assert condition_lines(run.record) == [
        "governor performance was set while measuring, then put back to what it was before: powersave on 1 clock policy"
    ]


def test_nothing_is_reconfigured_unasked(tmp_path: Path) -> None:
    asked: list[str] = []

    class Noting(FakeDevice):
        @contextmanager
        def set_governor(self, name: str) -> Iterator[GovernorChange]:
            asked.append(name)
            yield GovernorChange(name)

    run = measured(tmp_path, Noting(MODELS, governor="powersave"))
    assert (asked, run.record.conditions) == ([], ())
    measured(tmp_path, Noting(MODELS, governor="powersave"), governed())
    assert asked == ["performance"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeRefused("no"), ZeroDivisionError()])
def test_it_is_put_back_whatever_happens(tmp_path: Path, error: BaseException) -> None:
    def broken(_run: int) -> int:
        raise error

    device = FakeDevice({"a": FakeModel(broken), "b": FakeModel()}, governor="powersave")
    with suppress(ZeroDivisionError):  # a mistake of ours; the two others become results
        measured(tmp_path, device, governed())
    assert device.governor == "powersave"
    assert device.open_workers == 0


@pytest.mark.parametrize(("governor", "name"), [(None, "performance"), ("powersave", "turbo")])
def test_a_governor_that_cannot_be_set_is_an_error_and_nothing_is_kept(
    tmp_path: Path, governor: str | None, name: str
) -> None:
    device, out = FakeDevice(MODELS, governor=governor), tmp_path / "results"
    with pytest.raises(UsageError, match=f"--set-governor {name}: "):
        run_spec(spec_of(tmp_path, governed(name)), out=out, device=device)
    assert "load" not in {command for _, command in device.log}
    assert list(out.iterdir()) == []


def test_a_governor_that_cannot_be_put_back_is_told_and_the_run_is_kept(tmp_path: Path) -> None:
    class Stuck(FakeDevice):
        @contextmanager
        def set_governor(self, name: str) -> Iterator[GovernorChange]:
            yield GovernorChange(name, {"policy0": "powersave"})
            raise DeviceRefused("the governor could not be put back: policy0")

        def recover(self) -> tuple[str, ...]:
            return ("an earlier run was killed",)

    run = measured(tmp_path, Stuck(MODELS), governed())
    assert [case.status for case in run.record.cases] == [Status.OK] * 2
    assert run.record.warnings == ("an earlier run was killed", "the governor could not be put back: policy0")


# All of them


def test_a_dry_run_says_what_would_be_seen_to(tmp_path: Path) -> None:
    device = Oven(62).device(able=UNEQUAL, governor="powersave")
    settings = replace(governed(), cool_to_celsius=55.0)
    plan = dry_run(spec_of(tmp_path, settings, cpus=("big", "0-1")), tmp_path / "results", device)
    assert plan.conditions == (
        "CPUs big: 2-3",
        "CPUs 0-1",
        "cool to 55 °C before each block (now 62 °C, by cpu-thermal): at most 5 min each time, which is not counted in "
        "any time here nor in --budget",
        "governor performance on all CPUs while it measures; what was set before is put back",
    )
    assert device.governor == "powersave"
    assert all(line in render_dry_run(plan) for line in plan.conditions)
    assert '"CPUs big: 2-3"' in dry_run_json(plan)


def test_nothing_is_checked_that_nobody_asked_for(tmp_path: Path) -> None:
    device = FakeDevice({})
    assert check_conditions(spec_of(tmp_path), device) == ()
    assert device.log == []
