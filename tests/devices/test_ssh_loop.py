from __future__ import annotations

import asyncio
import threading

import pytest
from edgebench.devices.ssh_loop import LoopStopped, LoopThread

from .support import PATIENCE_S, wait_for


async def _double(value: int) -> int:
    await asyncio.sleep(0)
    return 2 * value


async def _fail() -> None:
    raise OSError("told")


def test_results_and_errors_come_back_to_the_thread_that_asked() -> None:
    loop = LoopThread("test")

    assert loop.run(_double, 21) == 42
    with pytest.raises(OSError, match="told"):
        loop.run(_fail)

    loop.stop(PATIENCE_S)


def test_what_waits_when_the_loop_stops_is_told_and_cleaned_up() -> None:
    loop = LoopThread("test")
    begun, cleaned = threading.Event(), threading.Event()
    seen: list[type[BaseException]] = []

    async def forever() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.set()

    def wait() -> None:
        try:
            loop.run(forever)
        except LoopStopped as error:
            seen.append(type(error))

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert begun.wait(PATIENCE_S)
    loop.stop(PATIENCE_S)
    loop.stop(PATIENCE_S)
    waiting.join(PATIENCE_S)

    assert seen == [LoopStopped]
    assert cleaned.is_set()
    assert wait_for(lambda: not any(thread.name == "test" for thread in threading.enumerate()))
    with pytest.raises(LoopStopped):
        loop.run(_double, 1)


def test_the_loop_cannot_wait_for_itself() -> None:
    loop = LoopThread("test")

    async def inside() -> None:
        loop.run(_double, 1)

    with pytest.raises(RuntimeError, match="cannot wait for itself"):
        loop.run(inside)

    loop.stop(PATIENCE_S)
