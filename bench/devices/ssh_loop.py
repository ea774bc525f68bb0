"""An event loop in a thread of its own, for a library that needs one, under methods that simply block."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, TypeVar

_log = logging.getLogger(__name__)
_P = ParamSpec("_P")
_T = TypeVar("_T")
_CANCEL_ROUNDS = 5


class LoopStopped(Exception):
    """The loop was stopped before or while something ran on it."""


class LoopThread:
    """Runs coroutines for any number of threads until :meth:`stop`."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(_note)
        self._lock = threading.Lock()
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    @property
    def is_current(self) -> bool:
        """Whether the caller is in the loop's own thread, where waiting for it would never end."""
        return threading.current_thread() is self._thread

    def run(self, function: Callable[_P, Awaitable[_T]], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Return what the coroutine function returns.

        Raises:
            LoopStopped: the loop was stopped meanwhile, or before.
            RuntimeError: called in the loop's own thread.
        """
        if self.is_current:
            raise RuntimeError("the event loop's thread cannot wait for itself; call this from another thread")

        async def call() -> _T:
            return await function(*args, **kwargs)

        with self._lock:
            if self._stopping:
                raise LoopStopped
            future = asyncio.run_coroutine_threadsafe(call(), self._loop)
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise LoopStopped from None
        finally:
            future.cancel()  # after Ctrl-C nobody waits for it any more

    def call_soon(self, function: Callable[[], object]) -> None:
        """Have a function called in the loop's thread; nothing happens after :meth:`stop`."""
        with self._lock:
            if not self._stopping:
                self._loop.call_soon_threadsafe(function)

    def stop(self, within_s: float) -> None:
        """Cancel what runs and end the thread; wait for that no longer than ``within_s``. May be called twice."""
        with self._lock:
            if not self._stopping:
                self._stopping = True
                self._loop.call_soon_threadsafe(self._loop.stop)
        if not self.is_current:
            self._thread.join(within_s)

    def _work(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            self._loop.run_until_complete(_end_all())
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            asyncio.set_event_loop(None)
            self._loop.close()


async def _end_all() -> None:
    """Cancel all tasks, and those that they start while they end."""
    for _ in range(_CANCEL_ROUNDS):
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # transports that were told to close do so in the loop's next turns


def _note(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Keep what nobody waits for out of a person's sight: who waits gets the error anyway."""
    _log.debug("%s", context.get("message"), exc_info=context.get("exception"))
