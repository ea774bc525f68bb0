from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from edgebench.analysis.samples import CaseSamples
from edgebench.analysis.verdict import (
    STANDING,
    Evidence,
    block_findings,
    findings_of,
    left_to_cpu,
    silence,
    unchecked_of,
)
from edgebench.findings import Code, Severity, Verdict, verdict_of
from edgebench.records import Coverage, Delegate, DelegateKind, Delegation

from .snapshots import Snapshot, quiet_pair

MS = 1_000_000
SAMPLES = CaseSamples([np.full(20, MS)] * 6, {(block, 0): float(MS) for block in range(6)})
QUIET = Evidence(SAMPLES, Delegate(DelegateKind.DEFAULT), 1, usable_cores=2, states=[quiet_pair()] * 6)
PARTIAL = Delegation(Coverage.PARTIAL, 66, 64, 2, {"SOFTMAX": 1, "AVERAGE_POOL_2D": 1})


def waiting(share: float) -> tuple[Snapshot, Snapshot]:
    """A pair in which the process waited for a CPU that share of the time it wanted one."""
    before, after = quiet_pair()
    after["threads"]["7"]["wait_ns"] += int(10e9 * share / (1 - share))
    return before, after


def codes(evidence: Evidence) -> dict[Code, Severity]:
    return {finding.code: finding.severity for finding in findings_of(evidence)}


def test_nothing_speaks_against_a_quiet_run() -> None:
    assert findings_of(QUIET) == []
    assert verdict_of(findings_of(QUIET)) is Verdict.VALID


def test_an_ordinary_virtual_machine_is_valid() -> None:
    """One that shows neither clocks nor temperatures: that is unchecked, and no finding."""
    before, after = copy.deepcopy(quiet_pair())
    for snapshot in (before, after):
        for name in ("cpu_clocks", "temperatures", "cooling", "thermal_throttling", "power", "under_voltage"):
            del snapshot[name]
        snapshot["unavailable"] = {"cpu_clocks": "no governor", "temperatures": "no zones"}
    machine: Mapping[str, Any] = {
        "virtual": {"found": True, "signs": ["flag"]},
        "emulated": {"found": False, "signs": []},
    }
    evidence = replace(QUIET, states=[(before, after)] * 6, machine={**machine, "aslr": 2})
    assert findings_of(evidence) == []
    assert unchecked_of(evidence)["clock-low"] == "no governor"
    assert unchecked_of(evidence)["temperature-rise"] == "no zones"
    assert "preempted" not in unchecked_of(evidence)


@pytest.mark.parametrize(("hit", "severity"), [(0, None), (1, None), (2, Severity.SUSPECT), (6, Severity.SUSPECT)])
def test_what_hits_one_block_of_six_is_absorbed(hit: int, severity: Severity | None) -> None:
    states = [waiting(0.1)] * hit + [quiet_pair()] * (6 - hit)
    found = block_findings(states)
    assert [finding.severity for finding in found] == ([severity] if severity else [])
    if severity:
        assert found[0].reason.startswith(
            f"in {hit} of 6 blocks; in the first of them the process waited for a CPU 10%"
        )


@pytest.mark.parametrize(
    ("heavy", "light", "severity"),
    [(1, 0, None), (1, 1, Severity.SUSPECT), (1, 5, Severity.SUSPECT), (2, 0, Severity.INVALID)],
)
def test_a_third_of_the_blocks_must_be_invalid(heavy: int, light: int, severity: Severity | None) -> None:
    states = [waiting(0.4)] * heavy + [waiting(0.1)] * light + [quiet_pair()] * (6 - heavy - light)
    assert [finding.severity for finding in block_findings(states)] == ([severity] if severity else [])


def test_a_single_block_speaks_for_itself() -> None:
    (finding,) = block_findings([waiting(0.1)])
    assert finding.reason.startswith("the process waited")


def test_a_slow_rise_of_temperature_is_seen_over_the_blocks() -> None:
    states = []
    for block in range(6):
        before, after = copy.deepcopy(quiet_pair())
        before["temperatures"]["thermal_zone0"]["celsius"] += 3 * block
        after["temperatures"]["thermal_zone0"]["celsius"] += 3 * (block + 1)
        states.append((before, after))
    (finding,) = block_findings(states)
    assert finding.code is Code.TEMPERATURE_RISE
    assert "from 45 to 63" in finding.reason


def test_standing_facts_that_change_what_was_measured_count() -> None:
    before, after = copy.deepcopy(quiet_pair())
    after["power"] = {"on_battery": True}
    after["cpu_clocks"]["0"]["governor"] = "powersave"
    machine = {"emulated": {"found": True, "signs": ["qemu"]}}
    found = codes(replace(QUIET, states=[(before, after)] * 6, machine=machine))
    assert found == {
        Code.EMULATED: Severity.INVALID,
        Code.BATTERY: Severity.SUSPECT,
        Code.GOVERNOR: Severity.SUSPECT,
    }


def test_advice_before_a_measurement_is_no_finding_after_it() -> None:
    before, after = copy.deepcopy(quiet_pair())
    after["memory_available_bytes"], after["swap_used_bytes"] = 1, 10**10
    machine = {"boost": {"on": True}, "cpus_allowed": [0, 1, 2], "cpu_quota": {"limited": True, "cores": 1.0}}
    assert findings_of(replace(QUIET, states=[(before, after)] * 6, machine=machine)) == []
    assert {Code.BOOST, Code.MEMORY_LOW, Code.SWAP_IN_USE, Code.QUOTA}.isdisjoint(STANDING)


def test_more_threads_than_cores() -> None:
    assert codes(replace(QUIET, threads=2)) == {}
    assert codes(replace(QUIET, threads=3)) == {Code.MORE_THREADS: Severity.SUSPECT}
    assert codes(replace(QUIET, threads=3, usable_cores=None)) == {}
    (finding,) = findings_of(replace(QUIET, threads=3, usable_cores=1))
    assert finding.reason == "3 threads on 1 usable core"


@pytest.mark.parametrize("kind", list(DelegateKind))
@pytest.mark.parametrize("coverage", list(Coverage))
def test_only_a_named_delegate_can_fall_short(kind: DelegateKind, coverage: Coverage) -> None:
    found = findings_of(replace(QUIET, delegate=Delegate(kind), delegation=replace(PARTIAL, coverage=coverage)))
    named = kind not in (DelegateKind.DEFAULT, DelegateKind.NONE)
    assert [finding.code for finding in found] == ([Code.PARTIAL] if named and coverage is Coverage.PARTIAL else [])


def test_a_partial_delegate_names_what_it_left() -> None:
    (finding,) = findings_of(replace(QUIET, delegate=Delegate(DelegateKind.XNNPACK), delegation=PARTIAL))
    assert finding.reason == "xnnpack took 64 of 66 nodes; AVERAGE_POOL_2D, SOFTMAX ran on the CPU's kernels"
    assert "--require-full" in finding.hint
    assert left_to_cpu(Delegation(Coverage.PARTIAL)) == "unnamed operators"


def test_without_snapshots_everything_between_them_is_unchecked() -> None:
    told = unchecked_of(replace(QUIET, states=(), unread="no answer"))
    assert told["preempted"] == "no answer"
    assert set(told) == {
        "steal",
        "preempted",
        "cpu-quota",
        "swapping",
        "clock-low",
        "temperature-rise",
        "throttled",
    }
    assert "not read" in unchecked_of(replace(QUIET, states=()))["steal"]


def test_silenced_findings_stay_and_do_not_count() -> None:
    found = findings_of(replace(QUIET, threads=9, states=[waiting(0.4)] * 6))
    assert verdict_of(silence(found, ())) is Verdict.INVALID
    assert verdict_of(silence(found, [Code.PREEMPTED])) is Verdict.SUSPECT
    all_silenced = silence(found, [Code.PREEMPTED, Code.MORE_THREADS])
    assert [finding.silenced for finding in all_silenced] == [True, True]
    assert verdict_of(all_silenced) is Verdict.VALID
