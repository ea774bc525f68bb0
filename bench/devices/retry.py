"""Trying again to reach a device: what may pass is waited for, with a bound; what will not is said at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from ..errors import DeviceError, DeviceLost

_T = TypeVar("_T")


@dataclass(frozen=True)
class Patience:
    """How long to go on. Waits grow from ``first_s`` by ``factor`` up to ``longest_s``; ``total_s`` bounds it all."""

    first_s: float = 0.5
    factor: float = 2.0
    longest_s: float = 8.0
    total_s: float = 60.0


@dataclass(frozen=True)
class Waiting:
    """What a person is told while nothing happens: ``reason`` is why the attempt of this number failed.

    ``known``: the attempt before failed with the same words.
    """

    reason: DeviceError
    attempt: int
    wait_s: float
    left_s: float
    known: bool = False

    @property
    def line(self) -> str:
        """The reason, or that it still holds, and what is done about it."""
        return f"{'no change' if self.known else self.reason}; trying again in {self.wait_s:.1g} s"


class Reach(Protocol):
    """What tries an attempt as often as it takes: :func:`connect`, with all but the errors decided."""

    def __call__(self, attempt: Callable[[], _T], *, also: tuple[type[DeviceError], ...] = ()) -> _T:
        """Return what the attempt returns."""


def connect(
    attempt: Callable[[], _T],
    patience: Patience = Patience(),
    *,
    also: tuple[type[DeviceError], ...] = (),
    on_wait: Callable[[Waiting], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> _T:
    """Return what ``attempt`` returns, after as many attempts as it takes within ``patience``.

    Only :class:`DeviceLost` is tried again, and the errors of ``also``: a name that was known before, for instance, is
    unknown while its board boots. ``on_wait`` is called before each wait. An attempt that has begun is not interrupted.

    Raises:
        DeviceRefused: the device said no.
        DeviceLost: it could not be reached in time; the line says how often it was tried.
    """
    begin = clock()
    wait_s = patience.first_s
    number = 1
    before = ""
    while True:
        try:
            return attempt()
        except DeviceError as error:
            if not isinstance(error, (DeviceLost, *also)):
                raise
            left_s = begin + patience.total_s - clock()
            if left_s <= wait_s:
                raise _given_up(error, number, clock() - begin) from error
            if on_wait is not None:
                on_wait(Waiting(error, number, wait_s, left_s, str(error) == before))
            before = str(error)
        sleep(wait_s)
        wait_s = min(wait_s * patience.factor, patience.longest_s)
        number += 1


def _given_up(error: DeviceError, attempts: int, spent_s: float) -> DeviceError:
    """Return the error with how hard it was tried. Its class stays, so that callers can still tell what it was."""
    tried = "1 attempt" if attempts == 1 else f"{attempts} attempts"
    return type(error)(f"{error} (given up after {tried} in {spent_s:.0f} s)")
