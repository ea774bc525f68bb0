"""The streams of a program that runs on the other side, for threads that know nothing of the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable

from ..errors import DeviceLost
from .ssh_channel import Program
from .ssh_loop import LoopStopped, LoopThread
from .transport import OnOutput, Stream

#: How long a program may go on after the end of its input before it is left alone.
END_S = 3.0


class SshStream(Stream):
    """Made in the loop's thread, for a program that has begun. ``lost`` returns how the connection ended."""

    def __init__(
        self, address: str, loop: LoopThread, program: Program, on_output: OnOutput, lost: Callable[[], DeviceLost]
    ) -> None:
        self._address = address
        self._loop = loop
        self._program = program
        self._lost = lost
        self._forgotten = False
        # Two threads' bytes must not be mixed.
        self._lock = threading.Lock()
        # The loop itself holds on to tasks only weakly.
        self._ending = asyncio.ensure_future(_tell_end(program, on_output))

    def write(self, data: bytes) -> None:
        with self._lock:
            try:
                sent = self._loop.run(self._program.write, data)
            except LoopStopped:
                sent = False
        if sent:
            return
        if self._program.status is not None:
            raise DeviceLost(f"{self._address}: the program there has ended with status {self._program.status}")
        raise self._lost()

    def close(self) -> None:
        if self._forgotten:
            return
        self._forgotten = True
        if self._loop.is_current:
            self._program.end_input()
            return
        with contextlib.suppress(LoopStopped):
            self._loop.run(self._end)

    async def _end(self) -> None:
        """Let the program end by itself, as programs do whose input ends; not for long."""
        self._program.end_input()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._program.closed.wait(), END_S)
        self._program.kill()


async def _tell_end(program: Program, on_output: OnOutput) -> None:
    try:
        await program.output_ended.wait()
    finally:  # also where the loop is stopped before the connection has told
        on_output(None)
