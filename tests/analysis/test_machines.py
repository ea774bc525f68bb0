"""Runs of several devices: each device's own machine counts, whichever machine edgebench ran on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from edgebench.analysis.endings import dropped_devices, stopped_by_hand
from edgebench.analysis.machines import environments, hosts_of
from edgebench.analysis.matching import match_cases
from edgebench.analysis.run_noise import usable_repeats
from edgebench.analysis.what_differs import environment_lines, unlike_machines
from edgebench.errors import UsageError
from edgebench.records import DeviceRecord, Environment, Failure, RunRecord, Status
from simulated_runs import HOST, Truth, simulated_run

PI4 = replace(HOST, hostname="pi", machine="aarch64", cpu_model="Cortex-A72", kernel="6.6")
PI5 = replace(PI4, cpu_model="Cortex-A76")


def run(number: int, devices: Mapping[str, Environment], host: Environment = HOST) -> RunRecord:
    """Return a run of the same model on several devices."""
    rng = np.random.default_rng(number)
    parts = [simulated_run(number, {"float32": Truth()}, rng, device=name, environment=host).record for name in devices]
    return replace(
        parts[0],
        cases=tuple(case for part in parts for case in part.cases),
        devices=tuple(DeviceRecord(name, environment) for name, environment in devices.items()),
    )


def test_a_device_is_what_it_told_or_what_the_only_device_of_an_old_record_was() -> None:
    both = run(1, {"local": HOST, "pi": PI4})
    assert environments(both) == {"local": HOST, "pi": PI4}
    assert hosts_of(both)["pi"] == ("aarch64", "Cortex-A72", "pi")
    assert environments(replace(both, devices=(), cases=both.cases[:1])) == {"local": HOST}


def test_devices_of_one_name_are_compared_wherever_else_was_measured() -> None:
    both = run(1, {"local": HOST, "pi": PI4})
    assert unlike_machines(both, run(2, {"pi": PI4}, host=PI4)) is None
    assert unlike_machines(both, run(2, {"pi": PI5}, host=PI5)) == "CPU Cortex-A72, Cortex-A76"
    other = run(2, {"local": replace(HOST, hostname="b"), "pi": PI5})
    assert unlike_machines(both, other) == "local: host name bench-01, b; pi: CPU Cortex-A72, Cortex-A76"
    with pytest.raises(UsageError, match=r"unlike devices .*pi: CPU Cortex-A72, Cortex-A76"):
        match_cases(both, other, cross_device=False)


def test_without_a_name_in_common_the_only_devices_are_compared() -> None:
    one, other = run(1, {"local": HOST}), run(2, {"pi": PI4}, host=PI4)
    assert (
        unlike_machines(one, other) == "architecture x86_64, aarch64; CPU AMD EPYC, Cortex-A72; host name bench-01, pi"
    )
    both = run(1, {"local": HOST, "pi": PI4})
    assert unlike_machines(both, run(2, {"jetson": PI5})) is None
    with pytest.raises(UsageError, match="devices local, pi and jetson"):
        match_cases(both, run(2, {"jetson": PI5}), cross_device=False)


def test_what_differs_is_told_of_each_device() -> None:
    both = run(1, {"local": HOST, "pi": PI4})
    updated = run(2, {"local": HOST, "pi": replace(PI4, kernel="6.12")})
    assert environment_lines(both, updated) == ("pi: kernel: 6.6 → 6.12",)
    assert environment_lines(both, run(2, {"pi": replace(PI4, kernel="6.12")})) == ("kernel: 6.6 → 6.12",)


def test_only_cases_on_the_same_machine_are_repeats() -> None:
    base, new = run(1, {"pi": PI4}, host=PI4), run(2, {"pi": PI4}, host=PI4)
    others = [run(3, {"local": HOST, "pi": PI4}), run(4, {"local": HOST, "pi": PI5}), run(5, {"local": HOST})]
    (found,) = usable_repeats(others, base, new)
    assert found.run_id == others[0].run_id
    assert [case.device for case in found.cases] == ["pi"]


def ended(code: str | None, *, interrupted: bool = True) -> RunRecord:
    record = run(1, {"local": HOST, "pi": PI4})
    if code is None:
        return replace(record, interrupted=interrupted)
    lost = replace(record.cases[1], status=Status.INTERRUPTED, failure=Failure(code, "why"))
    return replace(record, cases=(record.cases[0], lost), interrupted=interrupted)


def test_a_run_that_a_device_left_was_not_stopped_by_hand() -> None:
    for code in ("device-lost", "device-refused"):
        assert dropped_devices(ended(code)) == ("pi",)
        assert not stopped_by_hand(ended(code))
    for record in (ended("interrupted"), ended(None), ended("worker-died")):
        assert dropped_devices(record) == ()
        assert stopped_by_hand(record)
    assert not stopped_by_hand(ended(None, interrupted=False))


def test_both_may_happen_in_one_run() -> None:
    record = ended("device-lost")
    stopped = replace(record.cases[0], failure=Failure("interrupted", "stopped by hand while timing"))
    both = replace(record, cases=(stopped, record.cases[1]))
    assert stopped_by_hand(both)
    assert dropped_devices(both) == ("pi",)
