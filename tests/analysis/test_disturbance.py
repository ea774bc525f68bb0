from __future__ import annotations

import pytest
from edgebench.analysis.disturbance import busy_finding, disturbances, others_cores, unchecked
from edgebench.findings import Code, Finding, Severity, worst_first

from .snapshots import Snapshot, quiet_pair

SUSPECT, INVALID = Severity.SUSPECT, Severity.INVALID


def _found(before: Snapshot, after: Snapshot) -> dict[Code, Severity]:
    found = disturbances(before, after)
    assert all(item.reason and item.hint and "\n" not in item.reason + item.hint for item in found)
    return {item.code: item.severity for item in found}


def _only(before: Snapshot, after: Snapshot, code: Code, severity: Severity | None) -> None:
    assert _found(before, after) == ({code: severity} if severity else {})


def test_a_quiet_machine_has_no_findings() -> None:
    assert disturbances(*quiet_pair()) == []


@pytest.mark.parametrize(("steal", "severity"), [(52, None), (53, SUSPECT), (333, SUSPECT), (334, INVALID)])
def test_steal_is_a_share_of_the_time_asked_for(steal: int, severity: Severity | None) -> None:
    before, after = quiet_pair()
    after["cpu_jiffies"]["all"]["steal"] = steal
    _only(before, after, Code.STEAL, severity)


def test_one_stolen_tick_in_a_burst_is_no_finding() -> None:
    before, after = quiet_pair(0.05)
    after["cpu_jiffies"]["all"]["steal"] = 1
    assert _found(before, after) == {}
    after["cpu_jiffies"]["all"]["steal"] = 2
    _only(before, after, Code.STEAL, INVALID)


@pytest.mark.parametrize(("wait_s", "severity"), [(0.52, None), (0.53, SUSPECT), (3.33, SUSPECT), (3.34, INVALID)])
def test_waiting_for_a_cpu_counts_over_all_threads(wait_s: float, severity: Severity | None) -> None:
    before, after = quiet_pair()
    after["threads"]["7"]["wait_ns"] += int(wait_s * 5e8)
    after["threads"]["8"]["wait_ns"] += int(wait_s * 5e8)
    _only(before, after, Code.PREEMPTED, severity)


def test_a_thread_that_began_meanwhile_counts_and_one_that_ended_does_not() -> None:
    before, after = quiet_pair()
    after["threads"]["9"] = {"run_ns": 0, "wait_ns": 2_000_000_000}
    del after["threads"]["8"]
    _only(before, after, Code.PREEMPTED, SUSPECT)


@pytest.mark.parametrize(("switches", "severity"), [(499, None), (500, SUSPECT)])
def test_without_waiting_times_switches_tell(switches: int, severity: Severity | None) -> None:
    before, after = quiet_pair()
    for snapshot in (before, after):
        for thread in snapshot["threads"].values():
            del thread["wait_ns"], thread["run_ns"]
    after["threads"]["7"]["involuntary_switches"] += switches
    _only(before, after, Code.PREEMPTED, severity)


def test_two_switches_in_a_short_burst_are_no_finding() -> None:
    before, after = quiet_pair(0.01)
    for snapshot in (before, after):
        for thread in snapshot["threads"].values():
            del thread["wait_ns"]
    after["threads"]["7"]["involuntary_switches"] += 2
    assert _found(before, after) == {}


def test_another_process_is_not_compared_with_this_one() -> None:
    before, after = quiet_pair()
    after["pid"] = 8
    after["threads"]["7"]["wait_ns"] += 9_000_000_000
    assert _found(before, after) == {}


@pytest.mark.parametrize(
    ("periods", "time_ns", "severity"),
    [(0, 0, None), (1, 1_000_000, SUSPECT), (30, 2_400_000_000, SUSPECT), (30, 2_500_000_000, INVALID)],
)
def test_any_stop_by_the_quota_is_suspect(periods: int, time_ns: int, severity: Severity | None) -> None:
    before, after = quiet_pair()
    after["cgroup_throttled"] = {"periods": 4 + periods, "time_ns": 1_000_000 + time_ns}
    _only(before, after, Code.QUOTA, severity)


@pytest.mark.parametrize(
    ("read", "written", "faults", "severity"),
    [
        (0, 255, 0, None),
        (0, 256, 0, SUSPECT),
        (1, 0, 0, SUSPECT),
        (1, 0, 1, INVALID),
        (0, 0, 9, None),  # a model file read from disk for the first time is no swapping
    ],
)
def test_swapping(read: int, written: int, faults: int, severity: Severity | None) -> None:
    before, after = quiet_pair()
    after["pages_swapped_in"] += read
    after["pages_swapped_out"] += written
    after["major_faults"] += faults
    _only(before, after, Code.SWAPPING, severity)


@pytest.mark.parametrize(
    ("current_mhz", "severity"), [(1425, None), (1424, SUSPECT), (751, SUSPECT), (750, INVALID), (600, INVALID)]
)
def test_the_clock_of_the_cpu_that_worked(current_mhz: int, severity: Severity | None) -> None:
    before, after = quiet_pair()
    after["cpu_clocks"]["0"]["current_hz"] = current_mhz * 1_000_000
    _only(before, after, Code.CLOCK_LOW, severity)


def test_an_idle_cpu_may_be_slow() -> None:
    before, after = quiet_pair()
    after["cpu_clocks"]["1"]["current_hz"] = 600_000_000
    assert _found(before, after) == {}


def test_where_no_cpu_is_known_to_have_worked_the_fastest_one_counts() -> None:
    before, after = quiet_pair()
    del before["cpu_jiffies"]
    after["cpu_clocks"]["1"]["current_hz"] = 600_000_000
    assert _found(before, after) == {}
    after["cpu_clocks"]["0"]["current_hz"] = 1_000_000_000
    _only(before, after, Code.CLOCK_LOW, SUSPECT)


def test_with_boost_the_base_clock_is_enough() -> None:
    before, after = quiet_pair()
    after["cpu_clocks"]["0"].update(current_hz=2_500_000_000, base_hz=2_500_000_000, hardware_max_hz=3_100_000_000)
    assert _found(before, after) == {}


def test_counters_that_went_back_are_skipped() -> None:
    before, after = quiet_pair()
    after["taken_ns"] += 1
    before["cgroup_throttled"]["periods"] = before["pages_swapped_in"] = before["major_faults"] = 10**9
    before["cpu_jiffies"]["all"]["user"] = 10**9
    before["threads"]["7"]["wait_ns"] = 10**12
    assert _found(before, after) == {}
    assert others_cores(before, after) is None


def test_snapshots_with_nothing_in_them_give_no_findings_and_say_what_was_not_checked() -> None:
    empty = {"taken_ns": 1, "pid": 1, "unavailable": {"cpu_jiffies": "/proc/stat: gone", "cooling": "none"}}
    assert disturbances(empty, empty) == []
    said = unchecked(empty, empty)
    assert said[Code.STEAL] == "/proc/stat: gone"
    assert said[Code.THROTTLED] == "none"
    assert said[Code.PREEMPTED] == "not read"
    assert unchecked(*quiet_pair()) == {}


def test_one_way_to_see_throttling_is_enough() -> None:
    before, after = quiet_pair()
    for snapshot in (before, after):
        del snapshot["cooling"], snapshot["thermal_throttling"]
    assert unchecked(before, after) == {}
    del after["firmware_throttling"]
    assert set(unchecked(before, after)) == {Code.THROTTLED}


@pytest.mark.parametrize(("ticks", "found"), [(24, False), (26, True)])
def test_others_at_work(ticks: int, found: bool) -> None:
    before, after = quiet_pair(1.0)
    after["cpu_jiffies"]["all"]["system"] += ticks
    finding = busy_finding(before, after)
    assert (finding is not None) is found
    if finding:
        assert finding.reason == "other processes used 0.3 of 2 cores"


def test_equal_times_divide_by_nothing() -> None:
    before, after = quiet_pair(0)
    after["cgroup_throttled"] = {"periods": 5, "time_ns": 2_000_000}
    _only(before, after, Code.QUOTA, SUSPECT)
    assert others_cores(before, after) is None


def test_the_worst_comes_first_and_each_code_once() -> None:
    found = [
        Finding(Code.BUSY, SUSPECT, "a", "-"),
        Finding(Code.THROTTLED, SUSPECT, "b", "-"),
        Finding(Code.THROTTLED, INVALID, "c", "-"),
    ]
    assert [item.reason for item in worst_first(found)] == ["c", "a"]


@pytest.mark.parametrize(
    ("measured_hz", "claimed_hz", "severity"),
    [
        (1_425_000_000, 1_500_000_000, None),
        (1_424_000_000, 1_500_000_000, Severity.SUSPECT),
        (751_000_000, 1_500_000_000, Severity.SUSPECT),
        (600_000_000, 1_500_000_000, Severity.INVALID),
        (600_000_000, 600_000_000, None),
        (600_000_000, None, None),
        (None, 1_500_000_000, None),
    ],
)
def test_a_measured_clock_below_the_one_that_the_kernel_claims(
    measured_hz: int | None, claimed_hz: int | None, severity: Severity | None
) -> None:
    """The governor says performance, and the firmware keeps the clock low: seen on real boards."""
    before, after = quiet_pair()
    told = {"measured_clock_hz": measured_hz, "claimed_clock_hz": claimed_hz}
    after |= {name: value for name, value in told.items() if value is not None}
    found = [item for item in disturbances(before, after) if item.code is Code.CLOCK_LOW]
    assert [item.severity for item in found] == ([severity] if severity else [])
    if severity is Severity.INVALID:
        assert found[0].reason == "the firmware measured a clock of 0.60 GHz where the kernel claims 1.50"
