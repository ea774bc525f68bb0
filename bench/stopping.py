"""Telling what runs in another thread to stop, as a Ctrl-C tells the main one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .devices.base import WorkerLink
from .errors import DeviceError, WorkerError
from .estimate import TimeSpan
from .progress import Progress


class Stop:
    """Whether one device's thread shall stop. It hears of it once, as KeyboardInterrupt: then it may still clean up."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._heard = False
        self._links: set[StoppableLink] = set()
        self._table = threading.Lock()

    @property
    def asked(self) -> bool:
        """Whether it shall."""
        return self._asked.is_set()

    def ask(self) -> None:
        """Ask to stop. For another thread, and for more than one time."""
        self._asked.set()

    def check(self) -> None:
        """Raise KeyboardInterrupt the first time after it was asked."""
        if self.asked and not self._heard:
            self._heard = True
            raise KeyboardInterrupt

    def abort(self) -> None:
        """Kill the workers, so that nobody waits for their answers any longer. For another thread."""
        with self._table:
            links = tuple(self._links)
        for link in links:
            link.abort()

    def watched(self, link: WorkerLink) -> WorkerLink:
        """Return a link that looks before each request whether to stop."""
        found = StoppableLink(link, self)
        with self._table:
            self._links.add(found)
        return found

    def forget(self, link: StoppableLink) -> None:
        """Drop a link that is closed."""
        with self._table:
            self._links.discard(link)


class StoppableLink(WorkerLink):
    """Another link; where its thread was asked to stop, requests end in KeyboardInterrupt."""

    def __init__(self, link: WorkerLink, stop: Stop) -> None:
        self._link = link
        self._stop = stop

    def request(self, command: str, timeout_s: float, **fields: Any) -> dict[str, Any]:
        with self._stoppable():
            return self._link.request(command, timeout_s, **fields)

    def send(self, command: str, **fields: Any) -> None:
        with self._stoppable():
            self._link.send(command, **fields)

    def receive(self, command: str, timeout_s: float) -> dict[str, Any]:
        with self._stoppable():
            return self._link.receive(command, timeout_s)

    def answer_pipe(self) -> int | None:
        return self._link.answer_pipe()

    def watch_memory(self, command: str) -> float | None:
        return self._link.watch_memory(command)

    def limit_memory(self, limit_bytes: int) -> None:
        self._link.limit_memory(limit_bytes)

    def close(self) -> None:
        self._stop.forget(self)
        self._link.close()

    def abort(self) -> None:
        self._link.abort()

    @contextmanager
    def _stoppable(self) -> Iterator[None]:
        """Take an error that came of stopping for what it is, and no fault of the worker or the device."""
        self._stop.check()
        try:
            yield
        except (WorkerError, DeviceError):
            self._stop.check()
            raise


class StoppableProgress(Progress):
    """Another progress; where its thread was asked to stop, whatever it is told ends in KeyboardInterrupt."""

    def __init__(self, progress: Progress, stop: Stop) -> None:
        self._progress = progress
        self._stop = stop

    def phase(self, name: str, total: int) -> None:
        self._stop.check()
        self._progress.phase(name, total)

    def advance(self) -> None:
        self._stop.check()
        self._progress.advance()

    def skip(self, steps: int) -> None:
        self._stop.check()
        self._progress.skip(steps)

    def left(self, span: TimeSpan | None) -> None:
        self._stop.check()
        self._progress.left(span)

    def detail(self, text: str) -> None:
        self._stop.check()
        self._progress.detail(text)

    def detail_count(self, done: int, total: int, per_s: float | None = None) -> None:
        self._stop.check()
        self._progress.detail_count(done, total, per_s)

    def sending(self, done_bytes: int, total_bytes: int) -> None:
        self._stop.check()
        self._progress.sending(done_bytes, total_bytes)
