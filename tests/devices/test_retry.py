from __future__ import annotations

from collections.abc import Callable

import pytest
from edgebench.devices.retry import Patience, Waiting, connect
from edgebench.errors import DeviceLost, DeviceRefused


class _Time:
    """A clock that only waiting moves, and attempts that take ``attempt_s``."""

    def __init__(self, attempt_s: float = 0.0) -> None:
        self.now_s = 1000.0
        self.attempt_s = attempt_s
        self.slept_s: list[float] = []

    def clock(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.now_s += seconds

    def failing(self, errors: list[Exception]) -> Callable[[], str]:
        def attempt() -> str:
            self.now_s += self.attempt_s
            if errors:
                raise errors.pop(0)
            return "there"

        return attempt


class _Unknown(DeviceRefused):
    pass


def test_the_first_success_is_returned_without_waiting() -> None:
    time = _Time()

    assert connect(time.failing([]), clock=time.clock, sleep=time.sleep) == "there"
    assert time.slept_s == []


def test_waits_grow_up_to_the_longest_and_each_is_told() -> None:
    time = _Time()
    lost: list[Exception] = [DeviceLost(f"no {n}") for n in range(6)]
    told: list[Waiting] = []

    found = connect(time.failing(lost), clock=time.clock, sleep=time.sleep, on_wait=told.append)

    assert (found, time.slept_s) == ("there", [0.5, 1.0, 2.0, 4.0, 8.0, 8.0])
    assert [(str(one.reason), one.attempt, one.wait_s) for one in told[:2]] == [("no 0", 1, 0.5), ("no 1", 2, 1.0)]
    assert [one.left_s for one in told[:3]] == [60.0, 59.5, 58.5]


def test_all_of_it_is_bounded() -> None:
    time = _Time(attempt_s=5.0)
    lost: list[Exception] = [DeviceLost("pi: nothing listens") for _ in range(99)]

    with pytest.raises(DeviceLost, match=r"^pi: nothing listens \(given up after 7 attempts in 58 s\)$"):
        connect(time.failing(lost), clock=time.clock, sleep=time.sleep)

    assert sum(time.slept_s) + 7 * 5.0 <= 60.0


def test_no_patience_is_one_attempt() -> None:
    time = _Time()

    with pytest.raises(DeviceLost, match="given up after 1 attempt in 0 s"):
        connect(time.failing([DeviceLost("no")]), Patience(total_s=0.0), clock=time.clock, sleep=time.sleep)


def test_what_will_not_change_is_raised_at_once_as_it_is() -> None:
    time = _Time()

    with pytest.raises(DeviceRefused, match=r"^wrong key$"):
        connect(time.failing([DeviceRefused("wrong key")]), clock=time.clock, sleep=time.sleep)

    assert time.slept_s == []


def test_a_caller_can_know_better_what_passes() -> None:
    time = _Time()

    found = connect(time.failing([_Unknown("no name")]), also=(_Unknown,), clock=time.clock, sleep=time.sleep)
    with pytest.raises(_Unknown, match="given up"):
        connect(time.failing([_Unknown("")]), Patience(total_s=0), also=(_Unknown,), clock=time.clock, sleep=time.sleep)

    assert (found, time.slept_s) == ("there", [0.5])


def test_the_same_reason_is_not_told_twice() -> None:
    time, told = _Time(), list[Waiting]()
    lost: list[Exception] = [DeviceLost(f"pi: {why}") for why in ("nothing listens", "nothing listens", "no route")]

    connect(time.failing(lost), clock=time.clock, sleep=time.sleep, on_wait=told.append)

    assert [one.line for one in told] == [
        "pi: nothing listens; trying again in 0.5 s",
        "no change; trying again in 1 s",
        "pi: no route; trying again in 2 s",
    ]
