"""Trying again what may succeed later, with a bound; what will not is not tried again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from ..errors import DeviceLost

Found = TypeVar("Found")


@dataclass(frozen=True)
class Retry:
    """How often and how long to try. Waits double from ``first_wait_s``; no try begins after ``limit_s``.

    A board that reboots answers again after 20 to 60 s. ``heard(error, wait_s)`` is told of each failure that is
    followed by another try.
    """

    limit_s: float = 90.0
    first_wait_s: float = 1.0
    longest_wait_s: float = 16.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    heard: Callable[[DeviceLost, float], None] = lambda _error, _wait_s: None


#: One try alone.
ONCE = Retry(limit_s=0.0)


def retried(action: Callable[[], Found], retry: Retry) -> Found:
    """Return what the action returns, trying again while it raises DeviceLost and there is time.

    Raises:
        DeviceLost: the last failure, with how often was tried.
        DeviceError: whatever else it raises, at once.
    """
    begin_s, wait_s, tries = retry.clock(), retry.first_wait_s, 0
    while True:
        tries += 1
        try:
            return action()
        except DeviceLost as error:
            if retry.clock() - begin_s + wait_s > retry.limit_s:
                if tries == 1:
                    raise
                raise DeviceLost(f"{error} (tried {tries} times in {retry.clock() - begin_s:.0f} s)") from error
            retry.heard(error, wait_s)
        retry.sleep(wait_s)
        wait_s = min(2 * wait_s, retry.longest_wait_s)
