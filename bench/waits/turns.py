"""How often a wait is had: as often as asked, as long as time allows."""

from __future__ import annotations

from collections.abc import Callable, Iterator


def turns(clock_ns: Callable[[], int], most: int, limit_ns: int) -> Iterator[int]:
    """Yield 0, 1, ... up to ``most`` turns: the first always, another where it can end within ``limit_ns``.

    It is taken to be as long as the longest so far.
    """
    began = last = clock_ns()
    longest_ns = 0
    for turn in range(most):
        if turn and last - began + longest_ns > limit_ns:
            return
        yield turn
        now = clock_ns()
        longest_ns = max(longest_ns, now - last)
        last = now
