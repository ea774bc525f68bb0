from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from edgebench.devices.base import WorkerLink
from edgebench.devices.fake import FakeDevice, FakeModel
from edgebench.errors import MemoryExceeded, UsageError
from edgebench.launch import Launcher
from edgebench.plan import Case
from edgebench.spec import Spec
from harness import copies, plan_of


class Unlimited(FakeDevice):
    """Its workers cannot be held to a limit; it counts those that were closed."""

    closed = 0

    def start_worker(self, python: str) -> WorkerLink:
        return _Link(self)


class _Link(WorkerLink):
    def __init__(self, device: Unlimited) -> None:
        self._device = device

    def request(self, command: str, timeout_s: float, **fields: Any) -> dict[str, Any]:
        raise AssertionError((command, timeout_s, fields))

    def close(self) -> None:
        self._device.closed += 1


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return plan_of(Spec(models=tuple(copies(tmp_path, "one")))).cases[0]


@pytest.mark.parametrize(("asked", "further", "limit"), [(None, 40, 40), (40, None, 40), (30, 40, 30), (40, 30, 30)])
def test_the_lower_of_two_limits_holds(case: Case, asked: int | None, further: int | None, limit: int) -> None:
    device = FakeDevice({"one": FakeModel(peak_rss_bytes=limit + 1)})
    launcher = Launcher(device, 1.0, asked)
    with launcher.open(case, at_most_bytes=further) as session, pytest.raises(MemoryExceeded):
        launcher.load(case, session)
    device.models = {"one": FakeModel(peak_rss_bytes=limit)}
    with launcher.open(case, at_most_bytes=further) as session:
        launcher.load(case, session)


def test_a_limit_that_nobody_asked_for_is_dropped_where_it_cannot_be_kept(case: Case) -> None:
    device = Unlimited({})
    Launcher(device, 1.0).open(case, at_most_bytes=5)
    assert device.closed == 0
    with pytest.raises(UsageError, match="--memory-limit"):
        Launcher(device, 1.0, 5).open(case)
    assert device.closed == 1
